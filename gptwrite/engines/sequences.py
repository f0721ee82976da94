"""What the sequences of a context hold, and how a new prompt shares in what was computed before.

Shares within the context first, then from the prompt cache on disk where that reaches further. Owns
the record of which tokens each sequence's cache holds; it decodes nothing itself.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from gptwrite.promptcache import PromptCache, common_prefix


class Sequences:
    """The sequences of one context: `kept[seq]` are the tokens whose state `seq` holds.

    Of these, the first `read[seq]` were read as a prompt. Only they are shared: a token that was
    written is computed alone, which gives another state than reading it does.
    """

    def __init__(self, api: Any, cache: PromptCache | None = None) -> None:
        self._api = api
        self.cache = cache
        self._context: Any = None
        self._memory: Any = None
        self._cells = 0
        self._key = ""
        self.count = 0
        self.kept: dict[int, list[int]] = {}
        self.read: dict[int, int] = {}

    def reset(self, context: Any, cells: int, count: int, key: str) -> None:
        """Begin anew with a fresh context; `key` names what its states depend on."""
        self._context, self._cells, self.count, self._key = context, cells, count, key
        self._memory = self._api.llama_get_memory(context)
        self.kept.clear()
        self.read.clear()

    def choose(self, prompt: list[int], used: set[int], parallel: int) -> int:
        """Return a sequence not in use, best the one that already holds most of `prompt`."""
        free = [seq for seq in range(parallel) if seq not in used]
        return max(free, key=lambda seq: common_prefix(self.kept.get(seq, []), prompt))

    def make_room(self, seq: int, cells: int, used: set[int]) -> None:
        """Forget what idle sequences hold until `cells` are left beside them; `seq` comes last."""
        idle = [s for s in self.kept if s not in used and s != seq and self.kept[s]]
        idle.sort(key=lambda s: len(self.kept[s]))
        while idle and sum(len(self.kept[s]) for s in idle) + cells > self._cells:
            self.forget(idle.pop())

    def forget(self, seq: int) -> None:
        """Empty the sequence."""
        self._api.llama_memory_seq_rm(self._memory, seq, -1, -1)
        self.kept[seq] = []
        self.read[seq] = 0

    def reuse(self, seq: int, prompt: list[int], least: int) -> int:
        """Bring into `seq` what is known of `prompt`; return for how many of its tokens.

        At least `least` tokens are left to read, and fewer than that are never shared.
        """
        shared = self._share(seq, prompt, least)
        shared = self._restore(seq, prompt, shared, least) if self.cache else shared
        self.read[seq] = shared
        return shared

    def _share(self, seq: int, prompt: list[int], least: int) -> int:
        limit = len(prompt) - least  # among them the last token, which is needed for its logits
        source, shared = seq, 0
        for other, tokens in self.kept.items():
            length = min(limit, self.read.get(other, 0), common_prefix(tokens, prompt))
            if length < least:
                continue
            if length > shared or (length == shared and other == seq):
                source, shared = other, length
        if source == seq:
            if not self._api.llama_memory_seq_rm(self._memory, seq, shared, -1):
                shared = 0
        else:
            self._api.llama_memory_seq_rm(self._memory, seq, -1, -1)
            if shared:
                self._api.llama_memory_seq_cp(self._memory, source, seq, 0, shared)
        if not shared:
            self._api.llama_memory_seq_rm(self._memory, seq, -1, -1)
        self.kept[seq] = prompt[:shared]
        return shared

    def _restore(self, seq: int, prompt: list[int], known: int, least: int) -> int:
        assert self.cache is not None
        used = sum(len(tokens) for other, tokens in self.kept.items() if other != seq)
        found = self.cache.find(self._key, prompt[:-least], known, self._cells - used)
        if found is None:
            return known
        if not self._load(found.path, seq, found.tokens):
            self.cache.discard(found.path)
            self.forget(seq)
            return 0
        if not self._api.llama_memory_seq_rm(self._memory, seq, found.shared, -1):
            # A recurrent model, or one with a sliding window, cannot go back a step.
            self.forget(seq)
            return 0
        self.kept[seq] = prompt[: found.shared]
        if found.shared * 2 < len(found.tokens):
            self.save(seq, 0)  # the beginning that several prompts share, without one's long rest
        return found.shared

    def _load(self, path: Path, seq: int, tokens: list[int]) -> bool:
        out = (ctypes.c_int32 * len(tokens))()
        count = ctypes.c_size_t(0)
        size = self._api.llama_state_seq_load_file(
            self._context, str(path).encode("utf-8"), seq, out, len(tokens), ctypes.byref(count)
        )
        return bool(size) and list(out[: count.value]) == tokens

    def save(self, seq: int, known: int) -> None:
        """Keep the state of `seq` on disk, where enough of it, after `known` tokens, is new."""
        tokens = self.kept[seq]
        if self.cache is None or not self.cache.pays(len(tokens) - known):
            return

        def write(path: Path) -> bool:
            array = (ctypes.c_int32 * len(tokens))(*tokens)
            name = str(path).encode("utf-8")
            return bool(
                self._api.llama_state_seq_save_file(self._context, name, seq, array, len(tokens))
            )

        self.cache.store(self._key, tokens, write)

    def add_read(self, seq: int, tokens: list[int]) -> None:
        """Note that `tokens` of a prompt have been read into the sequence."""
        self.kept[seq] += tokens
        self.read[seq] = len(self.kept[seq])

    def cut(self, seq: int) -> None:
        """Remove from the context what lies behind the tokens that `kept` names."""
        self._api.llama_memory_seq_rm(self._memory, seq, len(self.kept[seq]), -1)

    def resync(self, seq: int, last: int) -> None:
        """After an aborted decode of `last`, note how far the sequence's cache really goes."""
        end = self._api.llama_memory_seq_pos_max(self._memory, seq)
        held = [*self.kept.get(seq, []), last][: end + 1]
        self.kept[seq] = held if len(held) == end + 1 else []
        if not self.kept[seq]:
            self.forget(seq)
