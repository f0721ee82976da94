"""Muon for the matrices inside the layers, AdamW for the rest.

Muon replaces the momentum of a matrix by the nearest matrix with equal singular values, found by a
Newton-Schulz iteration (Jordan et al. 2024); scaled by 0.2 * sqrt(longer side) its steps are as
large as AdamW's (Liu et al. 2025), so both share one learning rate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the quintic of Jordan et al.


def orthogonalise(matrix: Tensor, steps: int) -> Tensor:
    """`matrix` (m, n) with its singular values brought near 1, in bfloat16."""
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16()
    if x.shape[0] > x.shape[1]:
        return orthogonalise(matrix.T, steps).T
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised, with decoupled weight decay; for matrices only."""

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(state["momentum"], group["momentum"])
                update = orthogonalise(ahead, steps=5).to(parameter.dtype)
                parameter.mul_(1 - group["lr"] * group["decay"])
                parameter.add_(update, alpha=-group["lr"] * 0.2 * max(parameter.shape) ** 0.5)


def build(network: nn.Module, rate: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon over the layers' matrices and AdamW over the embedding and the norms."""
    matrices = [
        p for name, p in network.named_parameters() if p.ndim == 2 and "embedding" not in name
    ]
    others = [p for name, p in network.named_parameters() if p.ndim < 2 or "embedding" in name]
    return [
        Muon(matrices, lr=rate, momentum=0.95, weight_decay=weight_decay),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
