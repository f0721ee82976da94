"""Writing with llama.cpp: load a GGUF, render a chat, decode token by token.

A loop of our own of about a screen, kept free of the package, so that the evaluation measures the
file and nothing around it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn; the penalty looks at the last 64 tokens."""

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    max_tokens: int = 768
    seed: int = 1


@dataclass(frozen=True)
class Written:
    """A text and whether the model ended it itself."""

    text: str
    is_ended: bool
    tokens: int


def load(path: Path, context: int = 1024, threads: int = 2) -> llama_cpp.Llama:
    """The model of a GGUF on the CPU; all logits of a prompt are kept."""
    return llama_cpp.Llama(
        str(path), n_ctx=context, n_threads=threads, n_threads_batch=threads,
        logits_all=True, verbose=False, n_gpu_layers=0,
    )  # fmt: skip


def render(messages: Sequence[dict[str, str]]) -> str:
    """The chat as the GGUF's own template renders it, up to the assistant's turn."""
    turns = (f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return "".join(turns) + "<|im_start|>assistant\n"


def token_ids(model: llama_cpp.Llama, text: str) -> list[int]:
    """The ids of a text, control pieces recognised, nothing added."""
    return model.tokenize(text.encode("utf-8"), add_bos=False, special=True)


def draws(model: llama_cpp.Llama, prompt: list[int], how: Sampling) -> Iterator[int]:
    """Token after token until the caller stops."""
    return model.generate(
        prompt, top_k=how.top_k, top_p=how.top_p, min_p=how.min_p, temp=how.temperature,
        repeat_penalty=how.repeat_penalty,
    )  # fmt: skip


def write(
    model: llama_cpp.Llama, messages: Sequence[dict[str, str]], start: str, how: Sampling
) -> Written:
    """The answer to a chat, with `start` as its given beginning."""
    prompt = token_ids(model, render(messages) + start)
    model.set_seed(how.seed)
    model.reset()
    room = min(how.max_tokens, model.n_ctx() - len(prompt) - 1)
    written: list[int] = []
    if room <= 0:
        return Written(start, False, 0)
    for token in draws(model, prompt, how):
        if llama_cpp.llama_vocab_is_eog(model._model.vocab, token):
            return Written(start + decode(model, written), True, len(written))
        written.append(token)
        if len(written) >= room:
            break
    return Written(start + decode(model, written), False, len(written))


def decode(model: llama_cpp.Llama, ids: list[int]) -> str:
    """The text of tokens; a broken character at the end becomes U+FFFD."""
    return b"".join(model.detokenize([token]) for token in ids).decode("utf-8", "replace")


def scores(model: llama_cpp.Llama, ids: list[int]) -> np.ndarray:
    """The logits (tokens, vocabulary) after every token of a text."""
    model.reset()
    model.eval(ids)
    return np.array(model.scores[: len(ids)], dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask a GGUF once.")
    parser.add_argument("prompt")
    parser.add_argument("--model", type=Path, default=Path("training/build/model-q8_0.gguf"))
    parser.add_argument("--system", default="你是写作助手，只写所要的文字。")
    parser.add_argument("--start", default="", help="the beginning of the answer")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--max-tokens", type=int, default=768)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    messages = [
        {"role": "system", "content": options.system},
        {"role": "user", "content": options.prompt},
    ]
    how = Sampling(
        temperature=options.temperature, seed=options.seed, max_tokens=options.max_tokens
    )
    written = write(load(options.model), messages, options.start.replace("\\n", "\n"), how)
    print(written.text)
    print(f"{written.tokens} tokens, ended: {written.is_ended}", file=sys.stderr)


if __name__ == "__main__":
    main()
