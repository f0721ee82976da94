"""Writing tasks as data: load, check and render one YAML file a task.

The text of a template is trusted; the topic and the user's text are values that are put in after
it is parsed, so nothing in them is ever expanded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptwrite.engines.base import Message, Sampling
from gptwrite.errors import TemplateError, UsageError
from gptwrite.language import Language, say
from gptwrite.variables import Text, Variable, read_variable
from gptwrite.yaml_file import line_with, read_yaml, wrong_file

INPUTS = ("topic", "text", "both")
LONG_INPUT = ("map_reduce", "refine", "per_chunk", "error")
SAMPLING = {f.name for f in dataclasses.fields(Sampling)}
KEYS = (
    "name", "help", "extends", "input", "system", "prompt", "answer", "completion",
    "variables", "sampling", "long_input", "part", "form", "show_answer",
)  # fmt: skip
# What a template's own computing raises: `range(10**9)`, a division by zero, a sum of words.
COMPUTING = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Template:
    """A writing task. Texts are plain, or one text for each language.

    `part` names the task that condenses a part of a text that is too long; empty means this one.
    """

    name: str
    path: Path
    help: Text
    input: str = "both"
    system: Text = ""
    prompt: Text = ""
    answer: Text = ""
    completion: Text = ""
    variables: tuple[Variable, ...] = ()
    sampling: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    long_input: str = "error"
    part: str = ""
    form: Text = ""
    show_answer: bool = True

    @property
    def is_part(self) -> bool:
        """Whether this is only something to extend, and no task by itself."""
        return self.name.startswith("_")


@dataclass(frozen=True)
class Rendered:
    """A template with its values put in: what goes into a request."""

    messages: tuple[Message, ...]
    answer: str
    completion: str
    form: str


def pick(text: Text, language: str) -> str:
    """Return the text in `language`; English, or else any, where there is none in it."""
    if isinstance(text, str):
        return text
    return text.get(language) or text.get("en") or next(iter(text.values()), "")


def render(
    template: Template,
    language: Language,
    topic: str = "",
    text: str = "",
    values: Mapping[str, Any] = MappingProxyType({}),
) -> Rendered:
    """Return the messages of the task; raise `UsageError` for an unknown variable."""
    known = {variable.name: variable for variable in template.variables}
    for name in values:
        if name not in known:
            names = ", ".join(known) or say("none", "无")
            raise UsageError(
                say(
                    f"{template.name} has no variable {name!r}.",
                    f"{template.name} 没有变量“{name}”。",
                ),
                say(f"Its variables: {names}.", f"它的变量：{names}。"),
            )
    context: dict[str, Any] = {"topic": topic, "text": text, "lang": language}
    for name, variable in known.items():
        value = variable.check(values[name]) if values.get(name) is not None else variable.default
        words = variable.choices.get(str(value))
        context[name] = pick(words, language) if words is not None else value

    def fill(source: Text) -> str:
        return _fill(template, pick(source, language), context)

    system = fill(template.system)
    messages = [Message("system", system)] if system else []
    messages.append(Message("user", fill(template.prompt)))
    return Rendered(
        tuple(messages), fill(template.answer), fill(template.completion), fill(template.form)
    )


def _fill(template: Template, source: str, context: Mapping[str, Any]) -> str:
    if "{" not in source:
        return source
    from jinja2 import TemplateError as JinjaError
    from jinja2 import UndefinedError

    try:
        return str(_parsed(source).render(context))
    except UndefinedError as exc:
        name = (exc.message or "").split("'")[1:2] or [""]
        line = line_with(template.path, name[0])
        problem = say(str(exc), f"没有“{name[0]}”这个变量：{exc}")
        raise wrong_file(template.path, line, problem) from exc
    except (JinjaError, *COMPUTING) as exc:
        number = getattr(exc, "lineno", None) or _line_of(exc)
        at = "".join(source.splitlines()[number - 1 :][:1])
        line = line_with(template.path, at.strip())
        raise wrong_file(template.path, line, say(str(exc), f"模板有误：{exc}")) from exc


def _line_of(error: Exception) -> int:
    """Return the line of a Jinja template in which `error` was raised; 1 where none is known."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 1 for f in reversed(frames) if f.filename == "<template>"), 1)


@lru_cache(maxsize=64)
def _parsed(source: str) -> Any:
    """Return the Jinja template in `source`; a batch renders the same ones thousands of times."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(source)


def template_folders() -> list[Path]:
    """Return the folders of templates: the package's own, then the user's."""
    from gptwrite.settings import config_dir

    here = Path(__file__).parent
    own = here / "prompts"
    return [own if own.is_dir() else here.parent / "prompts", config_dir() / "prompts"]


class Library:
    """All templates by name, each loaded when it is asked for."""

    def __init__(self, folders: list[Path] | None = None) -> None:
        self.folders = template_folders() if folders is None else folders
        self._files: dict[str, list[Path]] = {}
        for folder in self.folders:
            if folder.is_dir():
                for path in sorted(folder.glob("*.yaml")):
                    self._files.setdefault(path.stem, []).append(path)
        self._loaded: dict[Path, Template] = {}

    def names(self) -> list[str]:
        """Return the names of all tasks, without the parts that are only extended."""
        return [name for name in self.all_names() if not name.startswith("_")]

    def all_names(self) -> list[str]:
        """Return the names of all files, of the parts that are only extended as well."""
        return list(self._files)

    def path(self, name: str) -> Path:
        """Return the file in force for `name`; raise `UsageError` for an unknown name."""
        if name not in self._files:
            import difflib

            near = difflib.get_close_matches(name, self.names(), n=3)
            hint = ", ".join(near or self.names())
            raise UsageError(
                say(f"There is no template {name!r}.", f"没有模板“{name}”。"),
                say(f"Near: {hint}.", f"相近的有：{hint}。")
                if near
                else say(f"Known: {hint}.", f"已有：{hint}。"),
            )
        return self._files[name][-1]

    def load(self, name: str) -> Template:
        """Return the template `name`; raise `TemplateError` where its file is wrong."""
        return self._load(self.path(name), ())

    def _load(self, path: Path, below: tuple[Path, ...]) -> Template:
        if path in self._loaded:
            return self._loaded[path]
        if path in below:
            raise TemplateError(
                f"{path}:1: " + say("extends itself", "继承了自身"),
                say("Break the circle.", "请解开循环。"),
            )
        data, lines = read_yaml(path)
        base: Template | None = None
        if parent := str(data.get("extends") or ""):
            base = self._load(self._parent(path, parent, lines), (*below, path))
        template = _build(path, data, lines, base)
        self._loaded[path] = template
        return template

    def _parent(self, path: Path, parent: str, lines: Mapping[str, int]) -> Path:
        """A file that extends its own name extends the one it overrides."""
        files = [p for p in self._files.get(parent, []) if p != path]
        if parent == path.stem:
            files = [p for p in files if self._files[parent].index(p) < self._index(path)]
        if not files:
            raise wrong_file(
                path,
                lines.get("extends", 1),
                say(f"extends unknown template {parent!r}", f"继承了未知模板“{parent}”"),
            )
        return files[-1]

    def _index(self, path: Path) -> int:
        return self._files[path.stem].index(path)


def _build(
    path: Path, data: dict[str, Any], lines: Mapping[str, int], base: Template | None
) -> Template:
    def fail(key: str, problem: str) -> TemplateError:
        return wrong_file(path, lines.get(key, 1), problem)

    for key in data:
        if key not in KEYS:
            raise fail(
                str(key),
                say(
                    f"unknown key {key!r}; known keys: {', '.join(KEYS)}",
                    f"未知的键“{key}”；已知的键：{', '.join(KEYS)}",
                ),
            )
    name = data.get("name", path.stem)
    if name != path.stem:
        raise fail(
            "name",
            say(
                f"name {name!r} differs from the file's name {path.stem!r}",
                f"名称“{name}”与文件名“{path.stem}”不同",
            ),
        )
    if "help" not in data and base is None:
        raise fail("help", say("the key 'help' is missing", "缺少键“help”"))
    if data.get("input", "both") not in INPUTS:
        raise fail(
            "input",
            say(
                f"input must be one of {', '.join(INPUTS)}",
                f"input 应为其中之一：{', '.join(INPUTS)}",
            ),
        )
    if data.get("long_input", "error") not in LONG_INPUT:
        raise fail(
            "long_input",
            say(
                f"long_input must be one of {', '.join(LONG_INPUT)}",
                f"long_input 应为其中之一：{', '.join(LONG_INPUT)}",
            ),
        )
    for key in ("help", "system", "prompt", "answer", "completion", "form"):
        if key in data and not _is_text(data[key]):
            raise fail(
                key,
                say(
                    f"{key} must be a text, or a text for each of en and zh",
                    f"{key} 应为文字，或 en、zh 各一段文字",
                ),
            )
    if not isinstance(data.get("show_answer", True), bool):
        raise fail(
            "show_answer",
            say("show_answer must be true or false", "show_answer 应为 true 或 false"),
        )
    for key in ("sampling", "variables"):
        if not isinstance(data.get(key) or {}, dict):
            raise fail(key, say(f"{key} must be a mapping of names", f"{key} 应为名称的映射"))
    sampling = data.get("sampling") or {}
    for key in sampling:
        if key not in SAMPLING:
            raise fail(
                f"sampling.{key}", say(f"unknown sampling key {key!r}", f"未知的采样键“{key}”")
            )
    for key, value in sampling.items():
        if not _fits(key, value):
            raise fail(
                f"sampling.{key}",
                say(f"sampling.{key} cannot be {value!r}", f"sampling.{key} 不能是“{value}”"),
            )
    own = {str(n): read_variable(str(n), v, fail) for n, v in (data.get("variables") or {}).items()}
    inherited = {v.name: v for v in base.variables} if base else {}
    plain = {k: v for k, v in data.items() if k not in ("extends", "variables", "sampling", "name")}
    start = dataclasses.asdict(base) if base else {}
    fields = {k: v for k, v in start.items() if k not in ("variables", "sampling", "name", "path")}
    template = Template(
        **{**fields, **plain},
        name=name,
        path=path,
        variables=tuple({**inherited, **own}.values()),
        sampling={**(base.sampling if base else {}), **sampling},
    )
    if not template.is_part and not template.prompt:
        raise fail("prompt", say("the key 'prompt' is missing", "缺少键“prompt”"))
    return template


def _fits(key: str, value: Any) -> bool:
    """Whether `value` is of the type of the field `key` of `Sampling`, and within its bounds."""
    if key == "stop":
        return isinstance(value, list) and all(isinstance(stop, str) for stop in value)
    is_whole = key in ("top_k", "repeat_last_n", "seed", "max_tokens")
    if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
        return False
    from gptwrite.settings import is_within

    return is_within(key, value)


def _is_text(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) <= {"en", "zh"} and all(isinstance(v, str) for v in value.values())
    return isinstance(value, str)
