"""A model's vocabulary: text to token ids and back, with control tokens under guard."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

UNKNOWN, CONTROL, USER_DEFINED = 1 << 0, 1 << 3, 1 << 4
SENTENCEPIECE = 1


class Vocabulary:
    """The vocabulary of one loaded model; lives as long as the model."""

    def __init__(self, api: Any, vocab: Any) -> None:
        self._api = api
        self._vocab = vocab
        self._buffer = ctypes.create_string_buffer(256)
        self._pieces: dict[int, bytes] = {}
        self.size: int = api.llama_vocab_n_tokens(vocab)
        self.is_sentencepiece: bool = api.llama_vocab_type(vocab) == SENTENCEPIECE

    @property
    def bos(self) -> int | None:
        """The token every prompt starts with, or None when the model wants none."""
        token = self._api.llama_vocab_bos(self._vocab)
        return token if token >= 0 and self._api.llama_vocab_get_add_bos(self._vocab) else None

    def text_of(self, token: int) -> str:
        """Return the vocabulary's own entry for `token`, such as `<|im_end|>`."""
        text: bytes | None = self._api.llama_vocab_get_text(self._vocab, token)
        return (text or b"").decode("utf-8", "replace")

    def named_token(self, which: str) -> str:
        """Return the text of the `bos` or `eos` token; empty when there is none."""
        token = getattr(self._api, f"llama_vocab_{which}")(self._vocab)
        return self.text_of(token) if token >= 0 else ""

    def is_end(self, token: int) -> bool:
        """Say whether `token` ends an answer."""
        return bool(self._api.llama_vocab_is_eog(self._vocab, token))

    def is_special(self, token: int) -> bool:
        """Say whether `token` stands for markup rather than for text.

        Runs of white space, which some vocabularies list as user-defined tokens, are text.
        """
        attributes = self._api.llama_vocab_get_attr(self._vocab, token)
        if attributes & (CONTROL | UNKNOWN):
            return True
        if not attributes & USER_DEFINED:
            return False
        text = self.piece(token).decode("utf-8", "replace")
        return len(text) > 1 and not text.isspace() and not text.replace("▁", "").isspace()

    def piece(self, token: int) -> bytes:
        """Return the bytes that `token` writes; control tokens write nothing, but see `markup`."""
        cached = self._pieces.get(token)
        if cached is None:
            cached = self._pieces[token] = self._piece(token, show_special=False)
        return cached

    def markup(self, token: int) -> str:
        """Return the text of a control token, such as `<think>`; empty for an ordinary token."""
        attributes = self._api.llama_vocab_get_attr(self._vocab, token)
        if not attributes & CONTROL:
            return ""
        return self._piece(token, show_special=True).decode("utf-8", "replace")

    def _piece(self, token: int, show_special: bool) -> bytes:
        buffer = self._buffer
        while True:
            size = self._api.llama_token_to_piece(
                self._vocab, token, buffer, len(buffer), 0, show_special
            )
            if size >= 0:
                return buffer.raw[:size]
            self._buffer = buffer = ctypes.create_string_buffer(-size)

    def tokenize(self, text: str, parse_special: bool) -> list[int]:
        """Return the ids of `text`, without adding a beginning or an end."""
        data = text.encode("utf-8")
        if not data:
            return []
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = self._api.llama_tokenize(
            self._vocab, data, len(data), ids, room, False, parse_special
        )
        if count < 0:
            ids = (ctypes.c_int32 * -count)()
            count = self._api.llama_tokenize(
                self._vocab, data, len(data), ids, -count, False, parse_special
            )
        return list(ids[:count])

    def tokenize_plain(self, text: str) -> list[int]:
        """Return the ids of `text` with nothing in it read as markup.

        User-defined tokens match even where control tokens are switched off, so their strings are
        cut after the first character and the halves tokenized apart.
        """
        ids = self.tokenize(text, parse_special=False)
        marks = {self.piece(i).decode("utf-8", "replace") for i in set(ids) if self.is_special(i)}
        marks.discard("")
        if not marks:
            return ids
        ids = []
        for part in _cut_inside(text, marks):
            ids += self._tokenize_inner(part) if ids else self.tokenize(part, parse_special=False)
        return ids if not any(map(self.is_special, set(ids))) else self._byte_by_byte(text)

    def _tokenize_inner(self, text: str) -> list[int]:
        """Tokenize a later part: SentencePiece would put a space before it, so a line break goes
        in front and its tokens are taken off again."""
        if not self.is_sentencepiece:
            return self.tokenize(text, parse_special=False)
        guard = self.tokenize("\n", parse_special=False)
        ids = self.tokenize("\n" + text, parse_special=False)
        return ids[len(guard) :] if ids[: len(guard)] == guard else ids

    def _byte_by_byte(self, text: str) -> list[int]:
        ids: list[int] = []
        for character in text:
            ids += self._tokenize_inner(character)
        return [i for i in ids if not self.is_special(i)]


def _cut_inside(text: str, marks: set[str]) -> list[str]:
    """Split `text` after the first character of every occurrence of every mark."""
    cuts: set[int] = set()
    for mark in marks:
        at = text.find(mark)
        while at >= 0:
            cuts.add(at + 1)
            at = text.find(mark, at + 1)
    places = [0, *sorted(cuts), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(places) if a < b]
