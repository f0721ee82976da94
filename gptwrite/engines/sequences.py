"""What the sequences of a context hold, and how a new prompt shares in what was computed before.

Shares within the context first, then from the prompt cache on disk where that reaches further. Owns
the record of which tokens each sequence's cache holds; it decodes nothing itself.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gptwrite.engines.base import Request
from gptwrite.engines.slot import Slot
from gptwrite.promptcache import PromptCache, common_prefix

LEAST_COPY = 32  # tokens that a copy of all cells of a sequence must save


@dataclass(frozen=True)
class Layout:
    """How many sequences a context has, and whether they lie in one pool of cells.

    Drafts of one prompt share its cells, so they need a pool. Texts that differ are faster with
    cells of their own: in a pool every token is held against the cells of all.
    """

    sequences: int = 1
    is_pool: bool = True

    @property
    def streams(self) -> int:
        """How many parts the library keeps the cells in; a state fits only as many."""
        return 1 if self.is_pool else self.sequences


def layout_of(
    requests: Iterable[Request], parallel: int
) -> tuple[Layout, list[Request], Iterator[Request]]:
    """Return the layout for `requests`, the first two of them that it has taken, and the rest."""
    rest = iter(requests)
    first = list(itertools.islice(rest, 2)) if parallel > 1 else []
    if len(first) < 2:
        return Layout(), first, rest
    one, other = first
    alike = replace(one, sampling=other.sampling) == other
    return Layout(parallel, is_pool=alike and one.reusable), first, rest


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
        self._key = ""
        self._is_pool = True
        self.count = 0
        self.cells = 0
        self.kept: dict[int, list[int]] = {}
        self.read: dict[int, int] = {}

    def reset(self, context: Any, cells: int, layout: Layout, key: str) -> None:
        """Begin anew with a fresh context of `cells` for each sequence.

        `key` names what its states depend on.
        """
        self._context, self.cells, self._key = context, cells, key
        self.count, self._is_pool = layout.sequences, layout.is_pool
        self._memory = self._api.llama_get_memory(context)
        self.kept.clear()
        self.read.clear()

    def choose(self, prompt: list[int], used: set[int]) -> int:
        """Return a sequence not in use, best the one that already holds most of `prompt`."""
        free = [seq for seq in range(self.count) if seq not in used]
        return max(free, key=lambda seq: common_prefix(self.kept.get(seq, []), prompt))

    def line_up(self, slots: Sequence[Slot]) -> list[Slot]:
        """Return `slots` in the order of their sequences, with those moved together.

        Of cells apart, the library decodes only neighbours together, and others in turn.
        """
        ordered = sorted(slots, key=lambda slot: slot.seq)
        if not self._is_pool:
            first = ordered[0].seq
            for place in range(first, first + len(ordered)):
                if ordered[place - first].seq != place:
                    last = ordered.pop()
                    self._move(last.seq, place)
                    last.seq = place
                    ordered.insert(place - first, last)
        return ordered

    def _move(self, source: int, target: int) -> None:
        self.forget(target)
        self._api.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.kept[target], self.read[target] = self.kept[source], self.read[source]
        self.forget(source)

    def forget(self, seq: int) -> None:
        """Empty the sequence."""
        self._api.llama_memory_seq_rm(self._memory, seq, -1, -1)
        self.kept[seq] = []
        self.read[seq] = 0

    def reuse(self, seq: int, prompt: list[int], least: int) -> int:
        """Bring into `seq` what is known of `prompt`; return for how many of its tokens.

        At least `least` tokens are left to read, and fewer than that are never shared.
        """
        source, shared = self._source(seq, prompt, least)
        # The disk first: a state written over cells that are still to be copied would be lost.
        restored = self._restore(seq, prompt, shared, least) if self.cache else 0
        if not restored:
            if source == seq:  # a state that would not do has emptied it
                shared = min(shared, len(self.kept.get(seq, [])))
            restored = self._take(seq, source, prompt, shared)
        self.read[seq] = restored
        return restored

    def _source(self, seq: int, prompt: list[int], least: int) -> tuple[int, int]:
        """Return the sequence to take a beginning of `prompt` from, and how many tokens of it."""
        limit = len(prompt) - least  # among them the last token, which is needed for its logits
        known = {
            other: min(limit, self.read.get(other, 0), common_prefix(tokens, prompt))
            for other, tokens in self.kept.items()
        }
        own = known.pop(seq, 0)
        other = max(known, key=lambda each: known[each], default=seq)
        gain = 1 if self._is_pool else LEAST_COPY
        if other != seq and known[other] >= max(least, own + gain):
            return other, known[other]
        return seq, own if own >= least else 0

    def _take(self, seq: int, source: int, prompt: list[int], shared: int) -> int:
        if source != seq:
            # Whole, then cut: the library copies cells from one stream to another only so.
            self._api.llama_memory_seq_rm(self._memory, seq, -1, -1)
            self._api.llama_memory_seq_cp(self._memory, source, seq, -1, -1)
        if not self._go_back(seq, shared):
            shared = 0
        if not shared:
            self._api.llama_memory_seq_rm(self._memory, seq, -1, -1)
        self.kept[seq] = prompt[:shared]
        return shared

    def _go_back(self, seq: int, length: int) -> bool:
        """Cut the sequence to `length` tokens; False where its memory no longer has what is needed.

        A recurrent model cannot go back a step, and with a sliding window the cells before the
        window are gone.
        """
        first = self._api.llama_memory_seq_pos_min(self._memory, seq)
        end = self._api.llama_memory_seq_pos_max(self._memory, seq) + 1
        if length < end and first > 0:
            return False
        return bool(self._api.llama_memory_seq_rm(self._memory, seq, length, -1))

    def _restore(self, seq: int, prompt: list[int], known: int, least: int) -> int:
        assert self.cache is not None
        found = self.cache.find(self._key, prompt[:-least], known, self.cells)
        if found is None:
            return 0
        if not self._load(found.path, seq, found.tokens):
            self.cache.discard(found.path)
            self.forget(seq)
            return 0
        if not self._go_back(seq, found.shared):
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
