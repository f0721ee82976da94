"""Documents to rows of token ids: what the training loop reads.

A row holds whole documents one after another, each closed by a separator token, and is filled up
with separators.  `mask` says which tokens the loss counts: every token of a text, only the answer
(with its end) of a chat.  A file holds `tokens` uint16 (rows, length) and `mask` bool of the same
shape; the held-out file holds one such pair for every kind.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece

from training import tokenizer as tokenizers

OPEN_ROWS = 48  # how many half-filled rows wait for a document that fits


@dataclass(frozen=True)
class Piece:
    """A document as tokens; the loss counts those from `counted_from` on."""

    kind: str
    ids: list[int]
    counted_from: int


def read_text(
    path: Path, tokenizer: sentencepiece.SentencePieceProcessor, length: int
) -> Iterator[Piece]:
    """The documents of a {"kind", "text"} file as `text.KIND`, long ones cut to fill a row."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            ids = [*tokenizer.encode(document["text"]), tokenizers.SEPARATOR]
            for start in range(0, len(ids), length):
                if start == 0 or len(ids) - start > length // 8:
                    yield Piece(f"text.{document['kind']}", ids[start : start + length], 0)


def read_chats(
    path: Path, tokenizer: sentencepiece.SentencePieceProcessor, length: int
) -> Iterator[Piece]:
    """The examples of a {"task", "messages", "answer"} file; one that is too long is left out."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            example = json.loads(line)
            prompt = tokenizers.chat_ids(tokenizer, example["messages"])
            answer = [*tokenizer.encode(example["answer"]), tokenizers.END]
            if len(prompt) + len(answer) < length:
                ids = [*prompt, *answer, tokenizers.SEPARATOR]
                yield Piece(example["task"], ids, len(prompt))


def repeat(
    pieces: Iterable[Piece], weights: dict[str, float], generator: random.Random
) -> list[Piece]:
    """Every piece `weights[kind]` times (1 if not named); a fraction is a chance."""
    chosen: list[Piece] = []
    for piece in pieces:
        weight = weights.get(piece.kind, weights.get("*", 1.0))
        times = int(weight) + (generator.random() < weight % 1)
        chosen += [piece] * times
    return chosen


def pack(
    pieces: list[Piece], length: int, generator: random.Random
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and mask, each (rows, length), of the pieces in a random order.

    Best fit over a few open rows: some 2% of the places stay empty.
    """
    pieces = pieces[:]
    generator.shuffle(pieces)
    closed: list[list[Piece]] = []
    waiting: list[tuple[int, list[Piece]]] = []  # places left, pieces
    for piece in pieces:
        fitting = [n for n, (left, _) in enumerate(waiting) if left >= len(piece.ids)]
        if fitting:
            best = min(fitting, key=lambda n: waiting[n][0])
            left, row = waiting.pop(best)
        else:
            left, row = length, []
            if len(waiting) == OPEN_ROWS:
                fullest = min(range(OPEN_ROWS), key=lambda n: waiting[n][0])
                closed.append(waiting.pop(fullest)[1])
        waiting.append((left - len(piece.ids), [*row, piece]))
    closed += [row for _, row in waiting]
    tokens = np.full((len(closed), length), tokenizers.SEPARATOR, dtype=np.uint16)
    mask = np.zeros((len(closed), length), dtype=bool)
    for number, row in enumerate(closed):
        place = 0
        for piece in row:
            end = place + len(piece.ids)
            tokens[number, place:end] = piece.ids
            mask[number, place + piece.counted_from : end] = True
            if piece.counted_from:
                mask[number, end - 1] = False  # the separator after a chat is never sampled
            place = end
    return tokens, mask


def save(path: Path, **arrays: np.ndarray) -> None:
    """Writes the arrays so that a reader sees the old file or the new one, never half of it."""
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.replace(path)


def parse_weights(text: str) -> dict[str, float]:
    """`article=2,poem=0.5,*=1` as a table; `*` stands for every kind not named."""
    pairs = (item.split("=") for item in text.split(",") if item)
    return {kind: float(weight) for kind, weight in pairs}


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack documents into rows of tokens.")
    parser.add_argument("--tokenizer", type=Path, default=Path("training/build/tokenizer.model"))
    parser.add_argument("--text", type=Path, help="a {kind, text} file")
    parser.add_argument("--chats", type=Path, help="a {task, messages, answer} file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, help="put a few pieces of every kind here instead")
    parser.add_argument("--held-out-pieces", type=int, default=24)
    parser.add_argument("--length", type=int, default=512, help="tokens a row")
    parser.add_argument("--weights", type=parse_weights, default={}, help="kind=times,*=times")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tokenizer = tokenizers.load(options.tokenizer)
    generator = random.Random(options.seed)
    pieces: list[Piece] = []
    if options.text:
        pieces += read_text(options.text, tokenizer, options.length)
    if options.chats:
        pieces += read_chats(options.chats, tokenizer, options.length)
    if options.held_out:
        generator.shuffle(pieces)
        kept: list[Piece] = []
        aside: dict[str, list[Piece]] = defaultdict(list)
        for piece in pieces:
            if len(aside[piece.kind]) < options.held_out_pieces:
                aside[piece.kind].append(piece)
            else:
                kept.append(piece)
        pieces = kept
        arrays: dict[str, np.ndarray] = {}
        for kind, members in aside.items():
            arrays[f"{kind}.tokens"], arrays[f"{kind}.mask"] = pack(
                members, options.length, generator
            )
        save(options.held_out, **arrays)
    chosen = repeat(pieces, options.weights, generator)
    tokens, mask = pack(chosen, options.length, generator)
    save(options.out, tokens=tokens, mask=mask)
    shares = Counter[str]()
    for piece in chosen:
        shares[piece.kind] += len(piece.ids)
    print(
        f"{options.out}: {len(tokens)} rows, {tokens.size} places, {mask.sum()} counted;",
        ", ".join(f"{kind} {count}" for kind, count in shares.most_common()),
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
