"""The llama.cpp engine: requests to tokens, one at a time or several side by side.

One loop serves a single stream, several drafts, a batch and the parts of a long text: every request
has a sequence of its own in one context, and each turn of the loop decodes one token of each.
Sequences that begin alike share what was computed once.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptwrite import machine
from gptwrite.engines import prompt as prompts
from gptwrite.engines.admission import new_slot
from gptwrite.engines.base import Finish, Request, Stats, Token, alone
from gptwrite.engines.model import BATCH_TOKENS, PAD, LoadedModel, LoadOptions
from gptwrite.engines.reading import batch_sizes, least_tokens
from gptwrite.engines.sampler import draw
from gptwrite.engines.sequences import Layout, Sequences, layout_of
from gptwrite.engines.slot import Slot
from gptwrite.engines.threads import ThreadCount
from gptwrite.errors import EngineError, GptwriteError, engine_closed
from gptwrite.language import say
from gptwrite.promptcache import PromptCache, open_cache

if TYPE_CHECKING:
    from gptwrite.models import ModelSpec
    from gptwrite.settings import Settings

ABORTED = 2


class LlamaEngine:
    """Writes with a GGUF model through llama.cpp. Not for use by two threads at once."""

    def __init__(
        self, path: Path, options: LoadOptions | None = None, cache: PromptCache | None = None
    ) -> None:
        start = time.perf_counter()
        self._options = options or LoadOptions()
        self._model = LoadedModel(path, self._options)
        self._api = self._model.api
        self._threads = ThreadCount(self._options.threads or machine.inference_threads())
        self._sequences = Sequences(self._api, cache)
        self._layout = Layout()  # asked of the open context, which may have fewer sequences
        self._batch: Any = None
        self._closed = False
        self._stats = Stats()
        self._load_seconds = time.perf_counter() - start

    @property
    def name(self) -> str:
        return self._model.path.stem

    @property
    def context_length(self) -> int:
        return self._model.context_length

    @property
    def stats(self) -> Stats:
        return self._stats

    @property
    def model(self) -> LoadedModel:
        return self._model

    def count_tokens(self, text: str) -> int:
        return len(self._model.vocabulary.tokenize(text, parse_special=False))

    def count_prompt(self, request: Request) -> int:
        return len(self.prompt_tokens(request)[0])

    def render(self, request: Request) -> str:
        return self._prompt(request).text

    def prompt_tokens(self, request: Request) -> tuple[list[int], bool]:
        """Return the prompt's token ids, and whether its template has opened a <think> tag."""
        prompt = self._prompt(request)
        ids = prompts.tokenize(prompt, self._model.vocabulary)
        return ids or self._model.vocabulary.tokenize("\n", False), prompt.opens_thinking

    def _prompt(self, request: Request) -> prompts.Prompt:
        vocabulary = self._model.vocabulary
        return prompts.build(
            request,
            self._model.chat_template,
            vocabulary.named_token("bos"),
            vocabulary.named_token("eos"),
        )

    def stream(self, request: Request) -> Iterator[Token]:
        yield from alone(self.generate([request]))

    def generate(
        self, requests: Iterable[Request], parallel: int = 1
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        if self._closed:
            raise engine_closed()
        self._model.clear_abort()
        self._stats = Stats(
            load_seconds=self._load_seconds,
            device=self._model.device,
            notes=tuple(self._model.notes),
        )
        self._load_seconds = 0.0
        layout, first, rest = layout_of(requests, parallel)
        waiting = enumerate(itertools.chain(first, rest))
        taken = 0
        held: Slot | None = None  # fits only once others have finished
        active: list[Slot] = []
        try:
            while True:
                while len(active) < layout.sequences and not self._model.is_aborted:
                    if held is None:
                        item = next(waiting, None)
                        if item is None:
                            break
                        taken = item[0] + 1
                        try:
                            held = self._new_slot(*item)
                        except GptwriteError as error:
                            yield item[0], error
                            continue
                    if not self._make_room(held, active, layout):
                        break
                    slot, held = held, None
                    active.append(slot)
                    for token in self._first_token(slot, active):
                        yield slot.index, token
                if self._model.is_aborted:
                    if held:
                        active.append(held)
                        held = None
                    for slot in list(active):
                        for token in self._finish(slot, "cancelled", active):
                            yield slot.index, token
                    for index in range(taken, len(first)):
                        yield index, Token(finish="cancelled")
                    return
                if not active:
                    return
                yield from self._step(active)
        finally:
            for slot in active + ([held] if held else []):
                self._api.llama_sampler_free(slot.chain)
            self._stats.threads = self._threads.current
            self._stats.flash_attention = self._model.flash_attention
            self._stats.context_length = self._model.context_length

    def _new_slot(self, index: int, request: Request) -> Slot:
        slot = new_slot(self._model, index, request, *self.prompt_tokens(request))
        self._stats.seed = slot.seed
        return slot

    def _make_room(self, slot: Slot, active: list[Slot], layout: Layout) -> bool:
        """Give `slot` a sequence with enough cells; False when it must wait for others to finish."""
        needed = len(slot.prompt) + slot.max_tokens
        fits = layout == self._layout and needed <= self._sequences.cells
        if not (self._model.context and fits):
            if active:
                return False
            self._open(needed, layout)
        used = {other.seq for other in active}
        if len(used) == self._sequences.count:
            return False
        slot.seq = self._sequences.choose(slot.prompt, used)
        return True

    def _open(self, needed: int, layout: Layout) -> None:
        """Open a context with at least `needed` cells a sequence, as many of these as fit."""
        self._free_batch()
        self._model.close_context()
        self._layout = layout
        # Other texts to come may be longer than this one: a quarter more lets them in too.
        each = needed if layout.is_pool else min(needed * 5 // 4, self.context_length)
        if available := machine.available_memory_bytes():
            most = available // 2 // max(1, self._model.kv_bytes(1))
            each = max(needed, min(each, most // layout.sequences))
            layout = replace(layout, sequences=max(1, min(layout.sequences, most // each)))
        each = -(-each // PAD) * PAD
        self._model.open_context(each, layout, self._threads.current)
        if self._model.sums_follow_threads:
            self._threads = ThreadCount(most := self._threads.most, is_fixed=True)
            self._api.llama_set_n_threads(self._model.context, most, most)
        key = self._model.state_key() if self._sequences.cache else ""
        self._sequences.reset(self._model.context, each, layout, key)
        self._batch = self._api.llama_batch_init(BATCH_TOKENS, 0, 1)

    def _first_token(self, slot: Slot, active: list[Slot]) -> Iterator[Token | GptwriteError]:
        start = time.perf_counter()
        least = least_tokens(self._model.has_flash_attention)
        cached = self._sequences.reuse(slot.seq, slot.prompt, least)
        rc = self._prefill(slot, cached, least)
        now = time.perf_counter()
        self._stats.prompt_tokens += len(slot.prompt)
        self._stats.cached_tokens += cached
        self._stats.prefill_seconds += now - start
        if rc:
            if rc != ABORTED:
                self._release(slot, active)
                yield EngineError(say(f"llama.cpp could not read the prompt (code {rc}).",
                                      f"llama.cpp 无法读取提示（代码 {rc}）。"))  # fmt: skip
            return
        yield from self._emit(slot, -1, active)
        if not self._stats.first_token_seconds:
            waited = time.perf_counter() - start
            self._stats.first_token_seconds = self._stats.load_seconds + waited
        if slot.request.reusable and self._sequences.kept[slot.seq] == slot.prompt:
            self._sequences.save(slot.seq, cached)

    def _prefill(self, slot: Slot, done: int, least: int) -> int:
        batch = self._batch
        has_gpu = self._model.gpu_layers > 0
        for size in batch_sizes(done, len(slot.prompt), BATCH_TOKENS, least, has_gpu):
            chunk = slot.prompt[done : done + size]
            for i, token in enumerate(chunk):
                self._put(i, token, done + i, slot.seq, False)
            batch.logits[len(chunk) - 1] = done + len(chunk) == len(slot.prompt)
            batch.n_tokens = len(chunk)
            rc: int = self._api.llama_decode(self._model.context, batch)
            if rc:
                self._sequences.resync(slot.seq, slot.last)
                return rc
            done += len(chunk)
            self._sequences.add_read(slot.seq, chunk)
        return 0

    def _put(self, i: int, token: int, position: int, seq: int, wants_logits: bool) -> None:
        batch = self._batch
        batch.token[i] = token
        batch.pos[i] = position
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = seq
        batch.logits[i] = wants_logits

    def _step(self, active: list[Slot]) -> Iterator[tuple[int, Token | GptwriteError]]:
        """Decode one token of every active slot and draw the next of each."""
        slots = self._sequences.line_up(active)
        for i, slot in enumerate(slots):
            self._put(i, slot.last, len(self._sequences.kept[slot.seq]), slot.seq, True)
        self._batch.n_tokens = len(slots)
        guess = self._guess(slots)
        start = time.perf_counter()
        rc = self._api.llama_decode(self._model.context, self._batch)
        seconds = time.perf_counter() - start
        self._stats.decode_seconds += seconds
        if rc:
            for slot in slots:
                self._sequences.resync(slot.seq, slot.last)
            if rc != ABORTED:
                raise EngineError(say(f"llama.cpp failed to decode (code {rc}).",
                                      f"llama.cpp 解码失败（代码 {rc}）。"))  # fmt: skip
            return
        if guess:
            yield from self._use_guess(slots[0], guess, active)
            return
        self._adapt_threads(seconds, len(slots))
        for i, slot in enumerate(slots):
            self._sequences.kept[slot.seq].append(slot.last)
            for token in self._emit(slot, i, active):
                yield slot.index, token

    def _guess(self, slots: list[Slot]) -> list[int]:
        """Put a guess at the coming tokens into the batch of a lone slot, where that pays."""
        slot = slots[0]
        if len(slots) > 1 or slot.drafter is None or slot.request.form:
            return []
        position = len(self._sequences.kept[slot.seq])
        guess = slot.drafter.guess()[: max(0, slot.max_tokens - slot.generated - 1)]
        if not guess or not slot.gain.pays():
            return []
        for i, token in enumerate(guess, 1):
            self._put(i, token, position + i, slot.seq, True)
        self._batch.n_tokens = 1 + len(guess)
        return guess

    def _use_guess(
        self, slot: Slot, guess: list[int], active: list[Slot]
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        """Draw a token behind each one guessed, as long as the draws agree with the guess."""
        kept = self._sequences.kept[slot.seq]
        kept.append(slot.last)
        right = 0
        for i in range(1 + len(guess)):
            for token in self._emit(slot, i, active):
                yield slot.index, token
            if slot not in active or i == len(guess) or slot.last != guess[i]:
                break
            kept.append(slot.last)
            right += 1
        slot.gain.saw_batch(1 + right)
        self._sequences.cut(slot.seq)

    def _adapt_threads(self, seconds: float, slots: int) -> None:
        before = self._threads.current
        threads = self._threads.observe(seconds / slots)
        if threads != before:
            self._api.llama_set_n_threads(self._model.context, threads, threads)

    def _release(self, slot: Slot, active: list[Slot]) -> None:
        active.remove(slot)
        self._api.llama_sampler_free(slot.chain)

    def _emit(self, slot: Slot, output: int, active: list[Slot]) -> Iterator[Token | GptwriteError]:
        """Draw a token from the logits of `output`; yield it, and the end when it comes."""
        form = slot.request.form
        vocabulary = self._model.vocabulary
        try:
            token, drawn = draw(self._api, self._model.context, output, vocabulary, slot)
        except GptwriteError as error:
            self._release(slot, active)
            yield error
            return
        slot.last = token
        if vocabulary.is_end(token):
            yield from self._finish(slot, "stop", active)
            return
        slot.generated += 1
        if slot.drafter:
            slot.drafter.add(token)
        self._stats.generated_tokens += 1
        piece = vocabulary.piece(token) or vocabulary.markup(token).encode("utf-8")
        answer, thinking = slot.reasoning.push(slot.pieces.push(piece))
        shown = slot.stops.push(answer)
        slot.text += shown
        if thinking:
            yield Token(text=thinking, is_thinking=True)
        yield replace(drawn, text=shown)
        if slot.stops.found or (form and form.is_complete(slot.text)):
            yield from self._finish(slot, "stop", active)
        elif slot.generated >= slot.max_tokens:
            yield from self._finish(slot, "length", active)

    def _finish(self, slot: Slot, finish: Finish, active: list[Slot]) -> Iterator[Token]:
        self._release(slot, active)
        answer, thinking = slot.reasoning.push(slot.pieces.flush())
        left, late = slot.reasoning.flush()
        if thinking + late:
            yield Token(text=thinking + late, is_thinking=True)
        shown = slot.stops.push(answer + left)
        shown += "" if slot.stops.found else slot.stops.flush()
        yield Token(text=shown, finish=finish)

    def cancel(self) -> None:
        self._model.abort()

    def _free_batch(self) -> None:
        if self._batch is not None:
            self._api.llama_batch_free(self._batch)
            self._batch = None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._free_batch()
            self._model.close()


def open_engine(spec: ModelSpec, settings: Settings) -> LlamaEngine:
    """Return an engine with the model of `spec` loaded as the settings ask."""
    from gptwrite.settings import cache_dir

    options = LoadOptions(
        gpu_layers=settings.gpu_layers,
        threads=settings.threads,
        context_length=settings.context_length,
        flash_attention=settings.flash_attention,
        flash_record=cache_dir() / "measured" / "flash_attention.json",
    )
    return LlamaEngine(Path(spec.location), options, open_cache(settings))
