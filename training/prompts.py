"""Renders the writing templates of prompts/*.yaml into chat messages.

Owns the small subset of the template form that the recipe needs: `extends`,
`system`, `prompt`, `answer` and `variables`. Knows nothing of models, of the
command line or of long inputs; those belong to the package.
"""

from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import yaml

PROMPT_FOLDER = Path(__file__).resolve().parent.parent / "prompts"


@dataclass(frozen=True)
class Prompt:
    """One template: words per language ("en", "zh") and the choices of its variables."""

    name: str
    system: dict
    body: dict
    answer: dict
    variables: dict = field(default_factory=dict)


def read_prompts(folder: Path = PROMPT_FOLDER) -> dict[str, Prompt]:
    """Returns every template of a folder by name, parts merged in and left out."""
    raw = {}
    for path in sorted(folder.glob("*.yaml")):
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
        raw[record["name"]] = record
    prompts = {}
    for name, record in raw.items():
        if name.startswith("_"):
            continue
        merged = {**raw.get(record.get("extends"), {}), **record}
        prompts[name] = Prompt(
            name=name,
            system=_by_language(merged.get("system", "")),
            body=_by_language(merged["prompt"]),
            answer=_by_language(merged.get("answer", "")),
            variables=merged.get("variables", {}),
        )
    return prompts


def render(prompt: Prompt, language: str, /, topic: str = "", text: str = "", **chosen):
    """Returns (messages, start): the chat and the beginning that the template gives the answer.

    `chosen` holds values or choice keys of the template's variables; the rest take
    their defaults.
    """
    values = {"topic": topic, "text": text}
    for key, variable in prompt.variables.items():
        value = chosen.pop(key, variable["default"])
        choices = variable.get("choices")
        values[key] = choices[value][language] if choices else value
    if chosen:
        raise KeyError(f"{prompt.name} has no variable {sorted(chosen)}")
    messages = []
    if prompt.system[language]:
        messages.append({"role": "system", "content": prompt.system[language]})
    messages.append({"role": "user", "content": _fill(prompt.body[language], values)})
    return messages, _fill(prompt.answer[language], values)


def _by_language(value) -> dict:
    return value if isinstance(value, dict) else {"en": value, "zh": value}


_templates: dict[str, jinja2.Template] = {}


def _fill(source: str, values: dict) -> str:
    if source not in _templates:
        _templates[source] = jinja2.Environment(keep_trailing_newline=True).from_string(source)
    return _templates[source].render(values)
