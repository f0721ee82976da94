"""The training loop: rows of tokens in, checkpoints and curves out.

One loop serves pre-training and tuning.  The learning rate warms up, stays, and falls linearly to
nothing over the last part (`--decay`, a share of the run); progress is the larger of tokens over
`--tokens` and trained time over `--minutes`, so a run ends on time on a machine whose spare speed
nobody knows.  A checkpoint is written every few minutes, atomically, and holds everything that
`--resume` needs; the data file is read again when it has changed, at the end of an epoch.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training import optimizer as optimizers
from training.attention import document_spans
from training.model import GPT, PRESETS, Config, TiedLoss, chunk_loss, document_mask
from training.tokenizer import SEPARATOR

CHUNK = 1024  # tokens whose logits exist at the same time


@dataclasses.dataclass
class Place:
    """Where a run stands; all of it is in the checkpoint."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    epoch: int = 0
    row: int = 0


class Rows:
    """The packed rows in a random order that depends on the seed and the epoch only."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.seed = seed
        self.stamp = 0.0
        self.read()

    def read(self) -> None:
        """Reads the file if it has changed."""
        stamp = self.path.stat().st_mtime
        if stamp != self.stamp:
            with np.load(self.path) as arrays:
                self.tokens, self.mask = arrays["tokens"], arrays["mask"]
            self.stamp = stamp

    def batches(self, place: Place, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Endless pairs of tokens and mask (size, length); moves `place` along."""
        while True:
            order = list(range(len(self.tokens)))
            random.Random(self.seed * 1000 + place.epoch).shuffle(order)
            while place.row + size <= len(order):
                chosen = order[place.row : place.row + size]
                place.row += size
                yield self.tokens[chosen], self.mask[chosen]
            place.epoch, place.row = place.epoch + 1, 0
            self.read()


class Step:
    """The loss of a batch on a device, compiled where that helps."""

    def __init__(self, network: GPT, device: str, is_compiled: bool) -> None:
        self.network, self.device = network, device
        self.forward: Any = torch.compile(network) if is_compiled else network
        self.compute: Any = torch.compile(chunk_loss) if is_compiled else chunk_loss

    def sight(self, ids: Tensor) -> Tensor:
        """Where a token may look: the fastest form of it that the device has."""
        find = document_spans if self.device == "cpu" else document_mask
        return find(ids, SEPARATOR)

    def loss(self, tokens: np.ndarray, mask: np.ndarray) -> tuple[Tensor, int]:
        """The summed loss in nats, and how many tokens it counts."""
        ids = torch.from_numpy(tokens.astype(np.int64)).to(self.device)
        wanted = torch.from_numpy(mask).to(self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16):
            hidden = self.forward(ids, self.sight(ids))
        counted = wanted[:, 1:].clone()
        counted &= ids[:, :-1] != SEPARATOR  # nothing follows from the text before
        target = ids[:, 1:][counted]
        hidden = hidden[:, :-1][counted].bfloat16()
        missing = -len(target) % CHUNK
        hidden = torch.cat((hidden, hidden.new_zeros(missing, hidden.shape[1])))
        padded = torch.cat((target, target.new_full((missing,), -1)))
        table = self.network.embedding.weight
        return TiedLoss.apply(hidden, table, padded, CHUNK, self.compute), len(target)


def learning_rate(progress: float, step: int, warm_up: int, decay: float) -> float:
    """The share of the peak rate: up over `warm_up` steps, down over the last `decay` of the run."""
    rise = min(1.0, (step + 1) / max(1, warm_up))
    fall = min(1.0, (1 - progress) / decay) if decay else 1.0
    return rise * max(0.0, fall)


@torch.no_grad()
def held_out_losses(step: Step, path: Path, size: int) -> dict[str, float]:
    """The loss in nats a token by kind, over the rows of a held-out file."""
    losses: dict[str, float] = {}
    with np.load(path) as arrays:
        kinds = sorted({name.rsplit(".", 1)[0] for name in arrays.files})
        for kind in kinds:
            tokens, mask = arrays[f"{kind}.tokens"][:size], arrays[f"{kind}.mask"][:size]
            empty = size - len(tokens)  # one shape for all, so that nothing is compiled twice
            tokens = np.pad(tokens, ((0, empty), (0, 0)), constant_values=SEPARATOR)
            mask = np.pad(mask, ((0, empty), (0, 0)))
            total, count = step.loss(tokens, mask)
            losses[kind] = float(total) / max(1, count)
    return losses


def save_checkpoint(
    path: Path, network: GPT, optimizers_: list[torch.optim.Optimizer], place: Place
) -> None:
    """Writes a checkpoint so that a reader sees the old one or the new one."""
    part = path.with_suffix(".part")
    torch.save(
        {
            "config": dataclasses.asdict(network.config),
            "weights": network.state_dict(),
            "optimizers": [o.state_dict() for o in optimizers_],
            "place": dataclasses.asdict(place),
        },
        part,
    )
    part.replace(path)


def load_network(path: Path, device: str = "cpu") -> GPT:
    """The network in a checkpoint."""
    saved = torch.load(path, map_location=device, weights_only=True)
    network = GPT(Config(**saved["config"])).to(device)
    network.load_state_dict(saved["weights"])
    return network


def append_row(path: Path, row: dict[str, object]) -> None:
    """Adds a line to a CSV file, with a header if the file is new."""
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, row.keys())
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def train(options: argparse.Namespace) -> None:
    """Runs until the budget of tokens or minutes is spent."""
    torch.manual_seed(options.seed)
    if options.device == "cpu":
        torch.set_num_threads(options.threads)
    place = Place()
    saved = None
    if options.resume and options.out.exists():
        saved = torch.load(options.out, map_location=options.device, weights_only=True)
        place = Place(**saved["place"])
    elif options.start:
        saved = torch.load(options.start, map_location=options.device, weights_only=True)
    config = Config(**saved["config"]) if saved else PRESETS[options.preset]
    network = GPT(config).to(options.device)
    optimizers_ = optimizers.build(network, options.rate, options.weight_decay)
    if saved:
        network.load_state_dict(saved["weights"])
        if "optimizers" in saved:
            for one, state in zip(optimizers_, saved["optimizers"], strict=True):
                one.load_state_dict(state)
    size = sum(p.numel() for p in network.parameters())
    print(f"{size / 1e6:.1f}M parameters, {config}, from {place}", file=sys.stderr, flush=True)
    step = Step(network, options.device, options.compile)
    data = Rows(options.data, options.seed)
    batches = data.batches(place, options.rows)
    last_save = last_log = time.monotonic()
    seen_loss = seen_count = seen_tokens = 0.0
    progress = 0.0
    while progress < 1:
        began = time.monotonic()
        rate = options.rate * learning_rate(progress, place.step, options.warm_up, options.decay)
        for one in optimizers_:
            for group in one.param_groups:
                group["lr"] = rate
            one.zero_grad(set_to_none=True)
        tokens, mask = next(batches)
        total, count = step.loss(tokens, mask)
        (total / max(1, count)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), options.clip)
        for one in optimizers_:
            one.step()
        loss = float(total.detach())
        now = time.monotonic()
        # The first step compiles; a run's time begins after it.
        place.seconds += (now - began) if place.step else 0.0
        place.step += 1
        place.tokens += tokens.size
        seen_loss, seen_count = seen_loss + loss, seen_count + count
        seen_tokens += tokens.size
        progress = max(
            place.tokens / options.tokens if options.tokens else 0.0,
            place.seconds / 60 / options.minutes if options.minutes else 0.0,
        )
        if place.step % options.log_every == 0:
            speed = seen_tokens / (now - last_log)
            row = {
                "step": place.step, "tokens": place.tokens, "minutes": round(place.seconds / 60, 2),
                "epoch": place.epoch, "rate": f"{rate:.2e}", "tokens_per_second": round(speed),
                "loss": round(seen_loss / max(1, seen_count), 4),
            }  # fmt: skip
            append_row(options.log, row)
            print(row, file=sys.stderr, flush=True)
            seen_loss = seen_count = seen_tokens = 0.0
            last_log = now
        if now - last_save > options.save_minutes * 60 or progress >= 1:
            save_checkpoint(options.out, network, optimizers_, place)
            if options.held_out:
                losses = held_out_losses(step, options.held_out, options.rows)
                for kind, value in losses.items():
                    held = {"step": place.step, "kind": kind, "loss": round(value, 4)}
                    append_row(options.log.with_suffix(".held_out.csv"), held)
                print(
                    "held out:", ", ".join(f"{k} {v:.3f}" for k, v in losses.items()),
                    file=sys.stderr, flush=True,
                )  # fmt: skip
            last_save = last_log = time.monotonic()
            seen_tokens = 0.0
    if options.finished:
        shutil.copyfile(options.out, options.finished.with_suffix(".part"))
        options.finished.with_suffix(".part").replace(options.finished)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the network on packed rows.")
    parser.add_argument("--data", type=Path, default=Path("training/build/pretrain.npz"))
    parser.add_argument("--held-out", type=Path, help="packed rows by kind, measured at each save")
    parser.add_argument("--out", type=Path, default=Path("training/build/latest.pt"))
    parser.add_argument("--start", type=Path, help="begin from this checkpoint's weights")
    parser.add_argument("--resume", action="store_true", help="go on from --out if it is there")
    parser.add_argument("--finished", type=Path, help="copy the last checkpoint here at the end")
    parser.add_argument("--log", type=Path, default=Path("training/build/curves.csv"))
    parser.add_argument("--preset", choices=PRESETS, default="starter")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--rows", type=int, default=12, help="rows a step")
    parser.add_argument("--minutes", type=float, default=0, help="stop after this much training")
    parser.add_argument("--tokens", type=float, default=0, help="stop after so many tokens")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--warm-up", type=int, default=60, help="steps")
    parser.add_argument("--decay", type=float, default=0.7, help="share of the run; 0: never")
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--log-every", type=int, default=10, help="steps")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not options.minutes and not options.tokens:
        parser.error("give --minutes or --tokens")
    train(options)


if __name__ == "__main__":
    main()
