"""The whole recipe by one command: compose, tokenizer, pack, pretrain, tune, export, evaluate.

A stage is skipped when its product is there; `--again STAGE` makes that one and all after it
anew.  The two training stages go on from their checkpoints when they were stopped.  Each stage is
a program of its own that can be run by hand; this file only knows their order and arguments.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# How often each kind comes in an epoch: open text in pre-training, and in tuning the tasks, with a
# little open text that keeps the language from being forgotten. Code must be learnt by heart, which
# takes many readings; articles are made of given notes, which takes few.
PRETRAIN_WEIGHTS = (
    "text.own=2.5,text.articles=0.25,text.docs=0.3,text.stories=0.4,text.wiki=0.7,"
    "text.poems=0.7,text.commits=0.7,text.code=0.8,text.dialogue=0.6,text.laws=0.3"
)
TUNE_WEIGHTS = (
    "article=0.8,code=2.2,explain-code=1,commit-message=1.3,ask=1.2,poetry=1,summary=1,title=0.6,"
    "spell=0.5,translate=1,story=1,review=2,polish=0.5,outline=0.6,email=0.6,news=0.8,continue=0.8,"
    "text.own=0.4,text.wiki=0.12,text.poems=0.12,text.articles=0.1,text.docs=0.12,text.stories=0.15,"
    "text.code=0.25,text.commits=0.3,text.dialogue=0.3,text.papers=0.1,text.laws=0.15"
)


@dataclass(frozen=True)
class Stage:
    """A program, its arguments, and the file that shows that it is done."""

    name: str
    product: Path
    command: list[str]


def stages(options: argparse.Namespace) -> list[Stage]:
    """All stages in order."""
    build: Path = options.build

    def at(name: str) -> str:
        return str(build / name)

    def training(data: str, held_out: str, out: str, curves: str) -> list[str]:
        return [
            "training.train", "--data", at(data), "--held-out", at(held_out), "--out", at(out),
            "--log", at(curves), "--device", options.device, "--resume",
            "--rows", str(options.rows), "--seed", str(options.seed),
        ]  # fmt: skip

    pretrain_budget = ["--minutes", options.pretrain_minutes, "--tokens", options.pretrain_tokens]
    tune_budget = ["--minutes", options.tune_minutes, "--tokens", options.tune_tokens]
    seed = ["--seed", str(options.seed)]
    if options.start_from:
        # What a GGUF of ours has learnt takes the place of pre-training; it brings its vocabulary.
        tokenizer = Stage("start-from", build / "pretrained.pt", [
            "training.start_from", str(options.start_from), "--out", at("pretrained.pt"),
            "--tokenizer", at("tokenizer.model")])  # fmt: skip
        pack: list[Stage] = []
        pretrain: list[Stage] = []
    else:
        tokenizer = Stage("tokenizer", build / "tokenizer.model", [
            "training.tokenizer", at("pretrain.jsonl"), at("tune.jsonl"),
            "--model", at("tokenizer.model"), *seed])  # fmt: skip
        pack = [Stage("pack-pretrain", build / "pretrain.npz", [
            "training.packing", "--tokenizer", at("tokenizer.model"),
            "--text", at("pretrain.jsonl"), "--out", at("pretrain.npz"),
            "--held-out", at("held_out.npz"), "--length", "512",
            "--weights", PRETRAIN_WEIGHTS, *seed])]  # fmt: skip
        pretrain = [Stage("pretrain", build / "pretrained.pt", [
            *training("pretrain.npz", "held_out.npz", "pretraining.pt", "pretrain.csv"),
            "--preset", options.preset, "--decay", "0", *pretrain_budget,
            "--finished", at("pretrained.pt")])]  # fmt: skip
    return [
        Stage("compose", build / "tune.jsonl", [
            "training.compose", "--build", str(build), "--open-corpus", str(options.open_corpus),
            *seed]),
        tokenizer,
        *pack,
        Stage("pack-tune", build / "tune.npz", [
            "training.packing", "--tokenizer", at("tokenizer.model"),
            "--text", at("pretrain.jsonl"), "--chats", at("tune.jsonl"), "--out", at("tune.npz"),
            "--held-out", at("tune_held_out.npz"), "--held-out-pieces", "12", "--length", "704",
            "--weights", TUNE_WEIGHTS, *seed]),
        *pretrain,
        Stage("tune", build / "final.pt", [
            *training("tune.npz", "tune_held_out.npz", "latest.pt", "tune.csv"),
            "--start", at("pretrained.pt"), "--warm-up", "60", "--decay", "0.75", "--rate", "2e-3",
            *tune_budget,
            "--finished", at("final.pt")]),
        Stage("export", build / "model-q8_0.gguf", [
            "training.export", "--checkpoint", at("final.pt"),
            "--tokenizer", at("tokenizer.model"), "--out", at("model-f32.gguf"),
            "--quantized", at("model-q8_0.gguf")]),
        Stage("evaluate", build / "table.md", [
            "training.evaluate", "--model", at("model-q8_0.gguf"), "--build", str(build),
            "--out", at("table.md")]),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the built-in model, all stages.")
    parser.add_argument("--build", type=Path, default=Path("training/build"))
    parser.add_argument("--open-corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--start-from", type=Path, help="a GGUF of ours, to train it further")
    parser.add_argument("--preset", default="starter")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rows", type=int, default=4, help="rows of tokens a step")
    parser.add_argument("--pretrain-minutes", default="18", help="0: only the tokens count")
    parser.add_argument("--pretrain-tokens", default="0", help="0: only the minutes count")
    parser.add_argument("--tune-minutes", default="75")
    parser.add_argument("--tune-tokens", default="0")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", default="", help="make this stage and all after it anew")
    parser.add_argument("--until", default="evaluate", help="the last stage to run")
    options = parser.parse_args()
    options.build.mkdir(parents=True, exist_ok=True)
    is_again = False
    for stage in stages(options):
        is_again = is_again or stage.name == options.again
        if stage.product.exists() and not is_again:
            print(f"{stage.name}: done", file=sys.stderr)
        else:
            print(f"{stage.name}: {' '.join(stage.command)}", file=sys.stderr)
            command = [part for part in stage.command if not (is_again and part == "--resume")]
            subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)
        if stage.name == options.until:
            break


if __name__ == "__main__":
    main()
