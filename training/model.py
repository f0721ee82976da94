"""The network: a GPT shaped exactly as llama.cpp's `qwen3`, so that the export is a renaming.

Owns the sizes (`PRESETS`), the forward pass and the loss.  It knows nothing of text, files or
optimisers.  Shapes: B rows, T tokens a row, D `width`, H heads of `head_width`, V `vocabulary`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.attention import document_attention


@dataclass(frozen=True)
class Config:
    """The sizes of one network; everything the GGUF's header needs is here."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    hidden: int
    vocabulary: int = 8192
    head_width: int = 64
    context: int = 1024
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-6


PRESETS = {
    # For tests: a random network of this size is exported and compared within a second.
    "tiny": Config(layers=2, width=64, heads=4, kv_heads=2, hidden=128, head_width=16, context=256),
    # For two CPU cores and an hour and a half.
    "starter": Config(layers=6, width=384, heads=4, kv_heads=2, hidden=1024),
    # For a GPU: about 40 million parameters.
    "base": Config(layers=12, width=512, heads=8, kv_heads=4, hidden=1536, context=2048),
}


def rotation(config: Config, length: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """The cosines and sines of RoPE, each (length, head_width); halves are paired, as in NeoX."""
    half = config.head_width // 2
    frequency = config.rope_base ** (-torch.arange(half, device=device).float() / half)
    angle = torch.arange(length, device=device).float()[:, None] * frequency
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turns each pair of x (B, H, T, head_width) by the angle of its position."""
    left, right = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-right, left), dim=-1) * sine


class Norm(nn.Module):
    """Root-mean-square norm over the last axis, computed in float32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)
        return (wide * scale * self.weight).to(x.dtype)


class Block(nn.Module):
    """One layer: attention, then a gated feed-forward part, each added to the stream (B, T, D)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, inner = config.width, config.heads * config.head_width
        kv = config.kv_heads * config.head_width
        self.config = config
        self.attention_norm = Norm(width, config.norm_epsilon)
        self.query = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, kv, bias=False)
        self.value = nn.Linear(width, kv, bias=False)
        self.query_norm = Norm(config.head_width, config.norm_epsilon)
        self.key_norm = Norm(config.head_width, config.norm_epsilon)
        self.attention_out = nn.Linear(inner, width, bias=False)
        self.hidden_norm = Norm(width, config.norm_epsilon)
        self.gate = nn.Linear(width, config.hidden, bias=False)
        self.up = nn.Linear(width, config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, width, bias=False)

    def attend(self, x: Tensor, cosine: Tensor, sine: Tensor, sight: Tensor | None) -> Tensor:
        """The attention of x (B, T, D); `sight` says where one may look.

        It is a mask (B, 1, T, T), or the spans of documents (N, 3), or None: all that stands before.
        """
        rows, length, _ = x.shape
        groups = self.config.heads // self.config.kv_heads

        def heads(flat: Tensor) -> Tensor:
            return flat.view(rows, length, -1, self.config.head_width)

        query = self.query_norm(heads(self.query(x))).transpose(1, 2)
        key = self.key_norm(heads(self.key(x))).transpose(1, 2)
        value = heads(self.value(x)).transpose(1, 2)
        query = rotate(query, cosine, sine).to(value.dtype)
        key = rotate(key, cosine, sine).to(value.dtype)
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
        if sight is not None and sight.dtype == torch.long:
            mixed, _ = document_attention(
                query.contiguous(), key.contiguous(), value.contiguous(), sight
            )
        else:
            mixed = F.scaled_dot_product_attention(
                query, key, value, attn_mask=sight, is_causal=sight is None
            )
        return self.attention_out(mixed.transpose(1, 2).reshape(rows, length, -1))

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, sight: Tensor | None) -> Tensor:
        x = x + self.attend(self.attention_norm(x), cosine, sine, sight)
        normed = self.hidden_norm(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))


class GPT(nn.Module):
    """The whole network; the embedding table (V, D) is also the output layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.final_norm = Norm(config.width, config.norm_epsilon)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02 if "embedding" in name else config.width**-0.5)
            if name.endswith(("attention_out.weight", "down.weight")):
                nn.init.zeros_(parameter)  # each layer begins as the identity

    def forward(self, tokens: Tensor, sight: Tensor | None = None) -> Tensor:
        """The normed hidden states (B, T, D) of tokens (B, T); `sight` as in `Block.attend`."""
        cosine, sine = rotation(self.config, tokens.shape[1], tokens.device)
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, cosine, sine, sight)
        return self.final_norm(x)

    def logits(self, tokens: Tensor) -> Tensor:
        """The next-token scores (B, T, V)."""
        return self.forward(tokens) @ self.embedding.weight.T


def document_mask(tokens: Tensor, separator: int) -> Tensor:
    """Where a token may look, (B, 1, T, T): back, and not beyond the start of its document."""
    document = torch.cumsum((tokens == separator).int(), dim=1)
    document = document - (tokens == separator).int()  # a separator belongs to what it ends
    same = document[:, :, None] == document[:, None, :]
    return (same & torch.ones_like(same[0]).tril())[:, None]


def chunk_loss(hidden: Tensor, table: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The summed loss in nats of hidden (N, D) and its gradient by the logits (N, V).

    A target below 0 is left out.
    """
    logits = (hidden @ table.T).float()
    counted = target >= 0
    log_sum = logits.logsumexp(-1)
    picked = logits.gather(1, target.clamp(min=0)[:, None])[:, 0]
    loss = ((log_sum - picked) * counted).sum()
    gradient = (logits - log_sum[:, None]).exp()
    hit = torch.arange(logits.shape[1], device=logits.device)[None] == target[:, None]
    gradient = (gradient - hit.float()) * counted[:, None]
    return loss, gradient.to(hidden.dtype)


class TiedLoss(torch.autograd.Function):
    """Cross-entropy against the tied table by chunks: logits (N, V) never exist all at once."""

    @staticmethod
    def forward(ctx, hidden, table, target, chunk, compute):  # type: ignore[no-untyped-def]
        low = table.to(hidden.dtype)
        total = hidden.new_zeros((), dtype=torch.float32)
        by_hidden = torch.empty_like(hidden)
        by_table = torch.zeros_like(table)
        for start in range(0, len(hidden), chunk):
            part = slice(start, start + chunk)
            loss, gradient = compute(hidden[part], low, target[part])
            total += loss
            by_hidden[part] = gradient @ low
            by_table += gradient.T @ hidden[part]
        ctx.save_for_backward(by_hidden, by_table)
        return total

    @staticmethod
    def backward(ctx, scale):  # type: ignore[no-untyped-def]
        by_hidden, by_table = ctx.saved_tensors
        return by_hidden * scale.to(by_hidden.dtype), by_table * scale, None, None, None
