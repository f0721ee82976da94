"""Messages to token ids: the model's own chat template, and no way for a text to become markup.

The contents of messages are untrusted, whoever wrote them. The template is rendered with private
stand-ins in their place; where the contents hold nothing that the vocabulary reads as markup, the
prompt is tokenized in one piece, which gives the merges the model was trained on; otherwise the
template's parts and the contents are tokenized apart.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from gptwrite.engines.base import Message, Request
from gptwrite.engines.vocabulary import Vocabulary
from gptwrite.errors import ModelError
from gptwrite.language import say


@dataclass(frozen=True)
class Part:
    """A stretch of the prompt; only a `trusted` one may hold control tokens."""

    text: str
    trusted: bool


@dataclass(frozen=True)
class Prompt:
    """A prompt ready to send. `opens_thinking`: the template itself has opened a <think> tag."""

    parts: tuple[Part, ...]
    opens_thinking: bool = False

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


def build(request: Request, template: str, bos: str, eos: str) -> Prompt:
    """Return the prompt of `request` in the chat format `template` (Jinja source).

    Without a template the model is a base model: it goes on from the request's `completion` form.
    """
    if not template:
        text = request.completion or "\n\n".join(m.content for m in request.messages) + "\n\n"
        return Prompt((Part(text + request.answer, trusted=False),))
    parts = _render_chat(request.messages, template, bos, eos, request.thinking)
    opens = parts[-1].trusted and parts[-1].text.rstrip().endswith("<think>")
    if request.answer and not opens:
        parts.append(Part(request.answer, trusted=False))
    return Prompt(tuple(parts), opens_thinking=opens)


def _render_chat(
    messages: tuple[Message, ...], template: str, bos: str, eos: str, thinking: bool
) -> list[Part]:
    from jinja2 import TemplateError as JinjaError

    key = secrets.token_hex(8)
    attempts = [list(messages), _without_system(messages)]
    problem = ""
    for attempt in attempts:
        marks = [f"content-{key}-{i}-end" for i in range(len(attempt))]
        turns = [{"role": m.role, "content": mark} for m, mark in zip(attempt, marks, strict=True)]
        try:
            rendered = _jinja(template).render(
                messages=turns,
                add_generation_prompt=True,
                bos_token=bos,
                eos_token=eos,
                enable_thinking=thinking,
                tools=None,
                documents=None,
            )
        except JinjaError as exc:
            problem = str(exc)
            continue
        if all(rendered.count(mark) == 1 for mark in marks):
            return _split(rendered, marks, [m.content for m in attempt])
        problem = say(
            "a message is left out, or stands in it more than once", "有消息被漏掉或重复出现"
        )
    raise ModelError(
        say(
            f"The model's chat template cannot be used: {problem}.",
            f"模型的对话模板无法使用：{problem}。",
        ),
        say(
            "Choose another model, or see `gptwrite models info`.",
            "请换一个模型，或查看 `gptwrite models info`。",
        ),
    )


def _without_system(messages: tuple[Message, ...]) -> list[Message]:
    """Some templates know no system role: its text goes in front of the first user message."""
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    rest = [m for m in messages if m.role != "system"]
    if system and rest:
        rest[0] = Message(rest[0].role, f"{system}\n\n{rest[0].content}")
    return rest


def _split(rendered: str, marks: list[str], contents: list[str]) -> list[Part]:
    parts: list[Part] = []
    for mark, content in zip(marks, contents, strict=True):
        before, rendered = rendered.split(mark)
        parts += [Part(before, True), Part(content, False)]
    parts.append(Part(rendered, True))
    return [part for part in parts if part.text] or [Part("", True)]


def _jinja(source: str) -> Any:
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = _strftime_now
    return environment.from_string(source)


def _raise(message: str) -> None:
    from jinja2 import TemplateError as JinjaError

    raise JinjaError(message)


def _strftime_now(pattern: str) -> str:
    from datetime import datetime

    return datetime.now().strftime(pattern)


def tokenize(prompt: Prompt, vocabulary: Vocabulary) -> list[int]:
    """Return the prompt's token ids; no untrusted part becomes a control token."""
    ids = _tokenize_parts(prompt, vocabulary)
    bos = vocabulary.bos
    if bos is not None and (not ids or ids[0] != bos):
        ids.insert(0, bos)
    return ids


def _tokenize_parts(prompt: Prompt, vocabulary: Vocabulary) -> list[int]:
    def specials(ids: list[int]) -> list[int]:
        return [i for i in ids if vocabulary.is_special(i)]

    whole = vocabulary.tokenize(prompt.text, parse_special=True)
    expected = [
        token
        for part in prompt.parts
        if part.trusted
        for token in specials(vocabulary.tokenize(part.text, parse_special=True))
    ]
    untrusted = [part.text for part in prompt.parts if not part.trusted]
    is_clean = not any(specials(vocabulary.tokenize(t, parse_special=True)) for t in untrusted)
    if is_clean and specials(whole) == expected:
        return whole
    ids: list[int] = []
    for part in prompt.parts:
        if part.trusted:
            ids += vocabulary.tokenize(part.text, parse_special=True)
        else:
            ids += vocabulary.tokenize_plain(part.text)
    return ids
