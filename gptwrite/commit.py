"""From changes to a commit message: what a model reads, how it is held, and what if it fails.

The type is chosen among labels, the scope follows the paths, and only the words of the subject are
the model's own. Knows engines and templates; knows no repository and no terminal.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gptwrite import evidence, grounding
from gptwrite import subject as subjects
from gptwrite.diff import Change, heading
from gptwrite.engines.base import Engine, Request, Token
from gptwrite.errors import ContextError, EngineError, GptwriteError
from gptwrite.forms import labels
from gptwrite.git import Commit
from gptwrite.inputs import Inputs
from gptwrite.language import Language, current, of_text
from gptwrite.subject import Subject
from gptwrite.template import Template
from gptwrite.write import Job, build_request

TASK = "commit-message"
SUBJECT_TOKENS = 64
BODY_TOKENS = 240
THOUGHT_TOKENS = 1024
LEAST_ROOM = 32  # tokens left free behind a prompt and its answer
MOST_NOTES = 40  # files that get a note of their own; the others are only named
NOTE_CHARACTERS = 120
MOST_DRAWS = 6  # of a subject that has to keep to its diff
MOST_COMPARED = 200_000  # characters of the diff
BODY_WIDTH = 72
TOKEN_CHARACTERS = 8  # hardly any token is longer; bounds what is counted


@dataclass(frozen=True)
class Wishes:
    """What the message should be like. `style` is conventional, plain or gitmoji.

    `log` is what was committed before, whose types are followed. `keeps_to_diff` lets no words
    stand that neither the diff has nor any commit may say.
    """

    style: str = "conventional"
    language: Language = "en"
    has_body: bool = False
    sampling: dict[str, Any] = field(default_factory=dict)
    log: tuple[Commit, ...] = ()
    keeps_to_diff: bool = False


def language_of(wanted: str, recent_subjects: Sequence[str]) -> Language:
    """Return the language asked for, or that of most recent subjects, or the interface's."""
    if wanted != "auto":
        return "zh" if wanted == "zh" else "en"
    bare = [subjects.read(line).text for line in recent_subjects]
    counts = Counter(found for line in bare if (found := of_text(line)))
    return counts.most_common(1)[0][0] if counts else current()


def message(
    changes: Sequence[Change], wishes: Wishes, template: Template, opener: Callable[[], Engine]
) -> str:
    """Return the commit message for `changes`, without a line end.

    `opener` is called only where a model is needed; the engine is closed again. Raises what
    `opener` raises; an engine that fails while writing raises `EngineError`.
    """
    if ready := subjects.fixed(changes, wishes.language):
        return subjects.line(ready, wishes.style)
    engine = opener()
    try:
        return Writer(template, wishes, engine).message(changes)
    finally:
        engine.close()


@dataclass
class Writer:
    """One message under way. `saw_thinking`: the last answer was reasoning and nothing else.

    `known` is what stands in the diff, where the words have to keep to it.
    """

    template: Template
    wishes: Wishes
    engine: Engine
    saw_thinking: bool = False
    known: grounding.Known | None = None

    def message(self, changes: Sequence[Change]) -> str:
        material = self.material(changes)
        if self.wishes.keeps_to_diff:
            self.known = grounding.known_of(render(changes)[:MOST_COMPARED])
        found = self.subject(changes, material)
        line = subjects.line(found, self.wishes.style)
        body = self.body(material, line) if self.wishes.has_body else ""
        if self.known:
            rows = [row for row in body.split("\n") if not row or self._stands(row)]
            body = re.sub(r"\n{3,}", "\n\n", "\n".join(rows)).strip()
        return f"{line}\n\n{body}" if body else line

    def material(self, changes: Sequence[Change]) -> str:
        """Return the diff itself where it fits, or else a note on each file."""
        text = render(changes)
        if len(text) <= self.engine.context_length * TOKEN_CHARACTERS and self.fits(text):
            return text
        return self.shortened(self.notes(changes))

    def request(self, text: str) -> Request:
        job = Job(
            self.template, Inputs("", text), self.wishes.language, sampling=self.wishes.sampling
        )
        return build_request(job)

    def room(self) -> int:
        answer = SUBJECT_TOKENS + (BODY_TOKENS if self.wishes.has_body else 0)
        return self.engine.context_length - answer - LEAST_ROOM

    def fits(self, text: str) -> bool:
        return self.engine.count_prompt(self.request(text)) <= self.room()

    def notes(self, changes: Sequence[Change]) -> str:
        """Return one line for each file: what changed in it, for those worth reading."""
        read = sorted(
            (c for c in changes if c.patch), key=lambda c: c.added + c.removed, reverse=True
        )[:MOST_NOTES]
        requests = [self._limited(self.request(self.shortened(c.patch))) for c in read]
        texts = [""] * len(requests)
        for index, token in self.engine.generate(requests):
            if not isinstance(token, GptwriteError):
                _heed(token)
                texts[index] += "" if token.is_thinking else token.text
        found = {c.path: self._note(text) for c, text in zip(read, texts, strict=True)}
        return "\n".join(
            f"{c.path}: {found[c.path]}" if found.get(c.path) else named(c) for c in changes
        )

    def _limited(self, request: Request) -> Request:
        sampling = dataclasses.replace(request.sampling, max_tokens=SUBJECT_TOKENS, stop=("\n",))
        return dataclasses.replace(request, sampling=sampling)

    def _note(self, text: str) -> str:
        note = subjects.tidy(subjects.read(clean(text).split("\n")[0]).text)
        note = note[:NOTE_CHARACTERS]
        return note if subjects.is_usable(note, self.instruction()) else ""

    def shortened(self, text: str) -> str:
        """Return as many whole lines of `text` as fit, counted with the model's own tokens."""
        if len(text) <= self.room() * TOKEN_CHARACTERS and self.fits(text):
            return text
        free = max(0, self.room() - self.engine.count_prompt(self.request("")))
        lines = text[: free * TOKEN_CHARACTERS].split("\n")
        low, high = 0, len(lines)
        while low < high:
            middle = (low + high + 1) // 2
            if self.engine.count_tokens("\n".join(lines[:middle])) <= free:
                low = middle
            else:
                high = middle - 1
        return "\n".join(lines[: max(1, low)])

    def instruction(self) -> str:
        """Return the prompt's own words, which no message may repeat."""
        return "\n".join(m.content for m in self.request("").messages)

    def subject(self, changes: Sequence[Change], material: str) -> Subject:
        request = self.request(material)
        kind = evidence.decided(changes, self.wishes.log) or self.choose_type(request, changes)
        scope = subjects.scope_of(changes)
        head = f"{kind}({scope})" if scope else kind
        answers = [f"{head}:"] if kind and self.wishes.style == "conventional" else []
        # An endpoint may refuse a begun answer: then it is asked without one.
        answers = answers if answers and self.known else [*answers, ""]
        for answer, draw in itertools.product(answers, self._draws(request)):
            written = subjects.read(self.line(draw, answer))
            text = subjects.tidy(written.text)
            is_usable = subjects.is_usable(text, self.instruction(), self.wishes.language)
            if is_usable and self._stands(text):
                kind = kind or written.type or subjects.likely_type(changes)
                return Subject(kind, scope or written.scope, text)
        named = subjects.fallback(changes, self.wishes.language)
        if self.known and kind:  # chosen with care, whatever became of the words
            return dataclasses.replace(named, type=kind)
        return named

    def _draws(self, request: Request) -> list[Request]:
        """Return the request, and as often again as its words may have to be drawn anew."""
        if not self.known or request.sampling.temperature <= 0:
            return [request]
        first = request.sampling.seed
        seeds = [None if first is None else first + i for i in range(MOST_DRAWS)]
        return [
            dataclasses.replace(request, sampling=dataclasses.replace(request.sampling, seed=seed))
            for seed in seeds
        ]

    def _stands(self, text: str) -> bool:
        return self.known is None or grounding.is_grounded(text, self.known)

    def choose_type(self, request: Request, changes: Sequence[Change]) -> str:
        """Return the likeliest type; empty where the model cannot be held to any.

        What the model finds is added to what the changes and the log say without it.
        """
        sampling = dataclasses.replace(
            request.sampling, temperature=0.0, repeat_penalty=1.0, max_tokens=8, stop=()
        )
        held = dataclasses.replace(
            request,
            form=labels(subjects.TYPES),
            sampling=sampling,
            alternatives=evidence.ALTERNATIVES,
        )
        try:
            tokens = self.tokens(held)
        except ContextError:
            raise
        except EngineError:
            return ""
        said = "".join(token.text for token in tokens)
        found = next((o for token in tokens if (o := evidence.opinion(token.alternatives))), {})
        if not found and said not in subjects.TYPES:
            return ""
        return evidence.likeliest(
            evidence.log_priors(changes, self.wishes.log), found or {said: evidence.SAID}
        )

    def line(self, request: Request, answer: str) -> str:
        """Return the first line that the model writes behind `answer`."""
        request = dataclasses.replace(self._limited(request), answer=answer)
        try:
            text = clean(self.text(request))
        except ContextError:
            raise
        except EngineError:
            if answer:
                return ""  # an endpoint may refuse a begun answer; the caller asks without one
            raise
        if not text and self.saw_thinking:
            sampling = dataclasses.replace(request.sampling, max_tokens=THOUGHT_TOKENS, stop=())
            text = clean(self.text(dataclasses.replace(request, answer="", sampling=sampling)))
        return text.split("\n")[0]

    def body(self, material: str, line: str) -> str:
        """Return a body of lines of at most 72 characters; empty where none is of use."""
        request = self.request(material)
        sampling = dataclasses.replace(request.sampling, max_tokens=BODY_TOKENS, stop=())
        try:
            text = self.text(dataclasses.replace(request, answer=f"{line}\n\n", sampling=sampling))
        except EngineError:
            return ""
        return clean_body(text, line, self.instruction())

    def text(self, request: Request) -> str:
        return "".join(token.text for token in self.tokens(request))

    def tokens(self, request: Request) -> list[Token]:
        """Return the answer's tokens without those of reasoning."""
        answer: list[Token] = []
        self.saw_thinking = False
        for token in self.engine.stream(request):
            _heed(token)
            if token.is_thinking:
                self.saw_thinking = self.saw_thinking or bool(token.text)
            else:
                answer.append(token)
        return answer


def _heed(token: Token) -> None:
    """A request that was cancelled ends the whole message, not this part of it."""
    if token.finish == "cancelled":
        raise KeyboardInterrupt


def render(changes: Sequence[Change]) -> str:
    """Return the diff as a model reads it; files not worth reading are named only."""
    return "\n".join(c.patch or f"{heading(c)}\n({_words(c)})" for c in changes)


def named(change: Change) -> str:
    """Return one line on a file that is not read."""
    return f"{change.path}: {_words(change)}"


def _words(change: Change) -> str:
    done = {"A": "added", "D": "removed", "R": "renamed", "C": "copied", "T": "type changed"}
    what = "file" if change.kind in ("text", "mode", "rename") else f"{change.kind} file"
    if change.kind == "submodule":
        return f"submodule {change.old_id} -> {change.new_id}"
    if change.kind == "mode":
        return f"mode {change.old_mode} -> {change.new_mode}"
    if change.kind == "rename":
        return f"renamed from {change.old_path}"
    size = f", +{change.added} -{change.removed} lines" if change.added + change.removed else ""
    return f"{what} {done.get(change.status, 'changed')}{size}"


def clean(text: str) -> str:
    """Return an answer without reasoning, code fences, and words such as "Commit message:"."""
    text = re.sub(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", "", text, flags=re.S | re.I)
    text = re.sub(r"^.*?</think(?:ing)?>", "", text, flags=re.S | re.I)
    text = re.sub(r"^\s*(?:```|~~~)[\w-]*[ \t]*$", "", text, flags=re.M)
    lead = r"^\s*(?:(?:here(?:'s| is)[^\n:]*|(?:the )?commit message|subject|提交说明|提交信息)\s*[:：]\s*)"
    return re.sub(lead, "", text.strip(), flags=re.I).strip()


def clean_body(text: str, line: str, instruction: str) -> str:
    """Return the paragraphs of a body, wrapped; empty where they only repeat what is said."""
    kept: list[str] = []
    for row in (subjects.printable(r).rstrip() for r in clean(text).split("\n")):
        if subjects.MARKUP.search(row) or (row.strip() and row.strip() in (line, *kept)):
            break
        if row.strip() and row.strip().lower() in instruction.lower():
            break
        indent = "  " if row.startswith(("- ", "* ")) else ""
        wrapped = textwrap.wrap(row, BODY_WIDTH, subsequent_indent=indent) or [""]
        kept += wrapped
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return body if sum(c.isalpha() for c in body) >= 8 else ""
