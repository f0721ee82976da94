"""Text to token ids and back: a SentencePiece BPE with byte fallback, trained on our own mixture.

Nothing is normalised, so every input round-trips: no added space, every blank kept, digits one by
one, and whatever has no piece of its own falls back to its UTF-8 bytes.  The four control pieces
are never produced from text; only `chat_ids` and the packer place them.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import sentencepiece

UNKNOWN, SEPARATOR, END, START = 0, 1, 2, 3
CONTROL_PIECES = ("<unk>", "<|endoftext|>", "<|im_end|>", "<|im_start|>")


def documents(path: Path) -> Iterator[tuple[str, str]]:
    """Kind and text of each line of a {"kind", "text"} file, or of chats, whose kind is `chat`."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            if "messages" in document:
                turns = [message["content"] for message in document["messages"]]
                yield "chat", "\n".join([*turns, document["answer"]])
            else:
                yield document["kind"], document["text"]


def sample_lines(paths: list[Path], shares: dict[str, int], seed: int) -> Iterator[str]:
    """Lines of the documents, shuffled, up to `shares[kind]` characters of a kind.

    `*` is the share of every kind not named; one with less text than its share gives all.
    """
    by_kind: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for kind, text in documents(path):
            by_kind[kind].append(text)
    generator = random.Random(seed)
    for kind, texts in by_kind.items():
        generator.shuffle(texts)
        left = shares.get(kind, shares["*"])
        for text in texts:
            if left <= 0:
                break
            left -= len(text)
            # The trainer wants short lines; a line break is a byte token and joins nothing.
            yield from (line[:2000] for line in text.split("\n") if line)


def train(sources: list[Path], model: Path, size: int, shares: dict[str, int], seed: int) -> None:
    """Writes a SentencePiece model of `size` pieces trained on a balanced sample of the files."""
    with model.with_suffix(".part").open("wb") as out:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=sample_lines(sources, shares, seed),
            model_writer=out,
            model_type="bpe",
            vocab_size=size,
            byte_fallback=True,
            character_coverage=0.9975,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            split_digits=True,
            max_sentence_length=16000,
            max_sentencepiece_length=12,
            unk_id=UNKNOWN,
            bos_id=SEPARATOR,
            eos_id=END,
            pad_id=-1,
            unk_piece=CONTROL_PIECES[UNKNOWN],
            bos_piece=CONTROL_PIECES[SEPARATOR],
            eos_piece=CONTROL_PIECES[END],
            control_symbols=[CONTROL_PIECES[START]],
            num_threads=2,
            minloglevel=1,
        )
    model.with_suffix(".part").replace(model)


def load(model: Path) -> sentencepiece.SentencePieceProcessor:
    """The tokenizer in a file."""
    return sentencepiece.SentencePieceProcessor(model_file=str(model))


def chat_ids(
    tokenizer: sentencepiece.SentencePieceProcessor, messages: list[dict[str, str]]
) -> list[int]:
    """The ids of a chat up to and with `<|im_start|>assistant` and its line break."""
    ids: list[int] = []
    for message in messages:
        ids += [START, *tokenizer.encode(f"{message['role']}\n{message['content']}")]
        ids += [END, *tokenizer.encode("\n")]
    return [*ids, START, *tokenizer.encode("assistant\n")]


def characters_per_token(
    tokenizer: sentencepiece.SentencePieceProcessor, sources: list[Path], every: int
) -> dict[str, float]:
    """By kind, how many characters a token holds, measured on every `every`-th document."""
    characters: dict[str, int] = defaultdict(int)
    tokens: dict[str, int] = defaultdict(int)
    for source in sources:
        for number, (kind, text) in enumerate(documents(source)):
            if number % every == 0:
                characters[kind] += len(text)
                tokens[kind] += len(tokenizer.encode(text))
    return {kind: characters[kind] / max(1, tokens[kind]) for kind in sorted(characters)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tokenizer.")
    parser.add_argument("sources", type=Path, nargs="+", help="jsonl of texts or of chats")
    parser.add_argument("--model", type=Path, default=Path("training/build/tokenizer.model"))
    parser.add_argument("--size", type=int, default=8192, help="number of pieces")
    parser.add_argument(
        "--shares", default="chat=3500000,*=150000", help="kind=characters,*=characters"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    shares = {kind: int(size) for kind, size in (s.split("=") for s in options.shares.split(","))}
    train(options.sources, options.model, options.size, shares, options.seed)
    tokenizer = load(options.model)
    probe = "  气候变化\n\tdef f(x): return '🌏'  \n\n"
    if tokenizer.decode(tokenizer.encode(probe)) != probe:
        sys.exit(f"{options.model} does not round-trip")
    for kind, ratio in characters_per_token(tokenizer, options.sources, every=20).items():
        print(f"{kind}: {ratio:.2f} characters a token", file=sys.stderr)


if __name__ == "__main__":
    main()
