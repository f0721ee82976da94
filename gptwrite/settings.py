"""Settings: defaults, then the TOML file, then GPTWRITE_* variables, then flags.

Every default of the program's behaviour stands here and nowhere else; a task's own defaults stand
in its YAML file.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gptwrite.errors import ConfigError, GptwriteError, UsageError
from gptwrite.flags import flag_of
from gptwrite.language import say

PREFIX = "GPTWRITE_"


def _setting(
    default: Any,
    en: str,
    zh: str,
    *choices: str,
    least: float | None = None,
    most: float = math.inf,
) -> Any:
    metadata = {"en": en, "zh": zh, "choices": choices, "least": least, "most": most}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Every setting of gptwrite. A value of None means: the task's or the model's own default."""

    model: str = _setting(
        "builtin", "model: builtin, a name, or a path", "模型：builtin、名称或路径"
    )
    model_source: str = _setting(
        "hf",
        "where catalogue models are fetched from",
        "从哪里下载目录中的模型",
        "hf",
        "modelscope",
    )
    endpoint: str = _setting(
        "", "address of an OpenAI-compatible server", "OpenAI 兼容服务器的地址"
    )
    endpoint_timeout: int = _setting(
        300, "seconds a server may be silent", "服务器无响应的最长秒数", least=1
    )
    ui_language: str = _setting("auto", "language of the interface", "界面语言", "auto", "en", "zh")
    context_length: int = _setting(
        0,
        "context length in tokens; 0 takes the model's own",
        "上下文长度（词元）；0 为模型自身的长度",
        least=0,
    )
    gpu_layers: int = _setting(
        -1, "layers on the GPU; -1 takes all", "放到 GPU 的层数；-1 为全部", least=-1
    )
    threads: int = _setting(0, "threads; 0 chooses", "线程数；0 为自动", least=0, most=1024)
    flash_attention: str = _setting(
        "measure", "flash attention", "flash attention", "measure", "auto", "on", "off"
    )
    temperature: float | None = _setting(
        None, "temperature of sampling", "采样温度", least=0, most=5
    )
    top_k: int | None = _setting(None, "most likely tokens to choose from", "候选词元数", least=0)
    top_p: float | None = _setting(
        None, "share of probability to choose from", "候选概率之和", least=0, most=1
    )
    min_p: float | None = _setting(
        None, "least share of the likeliest token", "相对最大概率的下限", least=0, most=1
    )
    repeat_penalty: float | None = _setting(
        None, "penalty on repetition; 1 is none", "重复惩罚；1 为无", least=0.01, most=10
    )
    dry_multiplier: float | None = _setting(
        None, "DRY penalty on repeated phrases; 0 is none", "DRY 重复短语惩罚；0 为无", least=0
    )
    max_tokens: int | None = _setting(None, "most tokens to write", "最多写多少词元", least=1)
    seed: int | None = _setting(
        None, "seed; the same gives the same text", "随机种子；相同则文字相同"
    )
    offline: bool = _setting(
        False, "open no connection at all, not even to this machine", "不建立任何连接，本机也不例外"
    )
    quiet: bool = _setting(False, "no notes on stderr", "stderr 上不出提示")
    plain: bool = _setting(False, "raw text, also on a terminal", "在终端也输出原文")
    starter_note: bool = _setting(
        True, "say once that larger models write better", "提示一次：更大的模型写得更好"
    )
    parallel: int = _setting(
        4, "parts of a long text read side by side", "长文同时阅读的部分数", least=1
    )
    cache: bool = _setting(True, "keep the prompt cache on disk", "在磁盘上保留提示缓存")
    cache_size_mb: int = _setting(
        1024, "size limit of the prompt cache, MB", "提示缓存上限（MB）", least=0
    )
    commit_style: str = _setting(
        "conventional", "style of commit messages", "提交说明的样式",
        "conventional", "plain", "gitmoji",
    )  # fmt: skip
    commit_language: str = _setting(
        "auto", "language of commit messages; auto follows the log", "提交说明的语言；auto 随近期记录",
        "auto", "en", "zh",
    )  # fmt: skip
    commit_body: bool = _setting(False, "write a body below the subject", "在标题下写正文")
    hook_mode: str = _setting(
        "prefill", "hook: fill the message in, or offer it as a comment", "钩子：直接填入，或作为注释",
        "prefill", "comment",
    )  # fmt: skip
    hook_timeout_seconds: float = _setting(
        20.0,
        "hook: seconds after which the commit goes on without",
        "钩子：超过此秒数即不再等待",
        least=0,
    )
    hook_messages: str = _setting(
        "template",
        "hook: also for these kinds of commit: template merge squash commit message",
        "钩子：也用于这些提交：template merge squash commit message",
    )


FIELDS = {f.name: f for f in dataclasses.fields(Settings)}


def config_dir() -> Path:
    """Return the folder of the configuration; GPTWRITE_CONFIG_DIR overrides the platform's."""
    return _folder("CONFIG", "user_config_path")


def data_dir() -> Path:
    """Return the folder of downloaded models and reports; GPTWRITE_DATA_DIR overrides it."""
    return _folder("DATA", "user_data_path")


def cache_dir() -> Path:
    """Return the folder of what can be computed again; GPTWRITE_CACHE_DIR overrides it."""
    return _folder("CACHE", "user_cache_path")


def _folder(kind: str, platform_function: str) -> Path:
    if chosen := os.environ.get(f"{PREFIX}{kind}_DIR"):
        return Path(chosen).expanduser()
    import platformdirs

    path: Path = getattr(platformdirs, platform_function)("gptwrite", appauthor=False)
    return path


def config_file() -> Path:
    """Return the path of the TOML file, whether or not it exists."""
    return config_dir() / "config.toml"


def load_settings(
    flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings in force; `flags` with value None are not set.

    Raises `ConfigError` for an unknown key, a value of the wrong type, or invalid TOML; for what a
    flag cannot be, `UsageError`.
    """
    values = read_config(config_file())
    for key, text in (os.environ if environ is None else environ).items():
        name = key[len(PREFIX) :].lower()
        if key.startswith(PREFIX) and name in FIELDS and text != "":
            values[name] = parse(name, text, key)
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = _check_value(name, value, flag_of(name), UsageError)
    return Settings(**values)


def read_config(path: Path) -> dict[str, Any]:
    """Return the checked values of the TOML file at `path`; empty when there is none."""
    values = _parse_toml(_read(path), path)
    return {name: check(name, value, str(path)) for name, value in values.items()}


def _read(path: Path) -> str:
    """Return the text of the TOML file; empty when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            say(f"Cannot read {path}: {exc}.", f"无法读取 {path}：{exc}。"),
            say("Mend the file or its permissions.", "请修复该文件或其权限。"),
        ) from exc


def _parse_toml(text: str, path: Path) -> dict[str, Any]:
    try:
        if sys.version_info >= (3, 11):
            import tomllib

            return tomllib.loads(text)
        import tomlkit

        return tomlkit.parse(text).unwrap()
    except ValueError as exc:
        raise ConfigError(
            say(f"{path} is not valid TOML: {exc}.", f"{path} 不是有效的 TOML：{exc}。"),
            say("Mend it, or remove it.", "请修复或删除该文件。"),
        ) from exc


def check_name(name: str, source: str) -> None:
    """Raise `ConfigError` for an unknown key, with the nearest one."""
    if name in FIELDS:
        return
    near = difflib.get_close_matches(name, FIELDS, n=1)
    hint = say(f"Did you mean {near[0]}?", f"是否要写 {near[0]}？") if near else ""
    raise ConfigError(
        say(f"{source}: unknown key {name!r}.", f"{source}：没有“{name}”这一项。"),
        hint or say("See `gptwrite config list`.", "见 `gptwrite config list`。"),
    )


def _base_type(name: str) -> str:
    return str(FIELDS[name].type).removesuffix(" | None")


def check(name: str, value: Any, source: str) -> Any:
    """Return `value` of the TOML file if it fits the key `name`."""
    check_name(name, source)
    kind = _base_type(name)
    fits = {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
    }[kind]
    if not fits:
        raise _wrong(name, value, kind, source)
    return _check_value(name, float(value) if kind == "float" else value, _place(name, source))


def parse(name: str, text: str, source: str) -> Any:
    """Return the value that `text` (a variable, or a command-line word) gives the key `name`."""
    check_name(name, source)
    kind = _base_type(name)
    try:
        if kind == "bool":
            value: Any = {"1": True, "true": True, "yes": True, "on": True}.get(text.lower())
            if value is None:
                value = {"0": False, "false": False, "no": False, "off": False}[text.lower()]
        else:
            value = {"str": str, "int": int, "float": float}[kind](text)
    except (ValueError, KeyError):
        raise _wrong(name, text, kind, source) from None
    return _check_value(name, value, _place(name, source))


def _place(name: str, source: str) -> str:
    return say(f"{source}: {name}", f"{source}：{name}")


def _check_value(name: str, value: Any, place: str, kind: type[GptwriteError] = ConfigError) -> Any:
    """Return `value` if the key `name` may have it; else raise an error of that kind."""
    choices = FIELDS[name].metadata["choices"]
    if choices and value not in choices:
        raise kind(
            say(f"{place} cannot be {value!r}.", f"{place} 不能是“{value}”。"),
            say(f"Choose one of {', '.join(choices)}.", f"可选：{'、'.join(choices)}。"),
        )
    if not is_within(name, value):
        least, most = FIELDS[name].metadata["least"], FIELDS[name].metadata["most"]
        raise kind(
            say(f"{place} cannot be {value}.", f"{place} 不能是 {value}。"),
            say(f"The least is {least}.", f"最小为 {least}。")
            if most == math.inf
            else say(f"It may be from {least} to {most}.", f"可为 {least} 到 {most}。"),
        )
    if name == "endpoint" and value:
        _check_endpoint(value, place, kind)
    return value


def is_within(name: str, value: float) -> bool:
    """Say whether a number is within the bounds of a setting; any is, where it has none."""
    bounds = FIELDS[name].metadata if name in FIELDS else {}
    least = bounds.get("least")
    return least is None or (least <= value <= bounds["most"] and math.isfinite(value))


def _check_endpoint(address: str, place: str, kind: type[GptwriteError]) -> None:
    from gptwrite.endpoint import parse_endpoint

    try:
        parse_endpoint(address)
    except ConfigError as error:
        raise kind(
            say(f"{place}: {error.message}", f"{place}：{error.message}"), error.hint
        ) from None


def _wrong(name: str, value: Any, kind: str, source: str) -> ConfigError:
    words = {"str": ("text", "文字"), "bool": ("true or false", "true 或 false")}
    en, zh = words.get(
        kind, ("a number", "数字") if kind == "float" else ("a whole number", "整数")
    )
    return ConfigError(
        say(
            f"{source}: {name} must be {en}, not {value!r}.",
            f"{source}：{name} 应为 {zh}，而不是“{value}”。",
        ),
        say(
            f"For example: {name} = {_example(name, kind)}",
            f"例如：{name} = {_example(name, kind)}",
        ),
    )


def _example(name: str, kind: str) -> str:
    """Return a value that the setting could have, as TOML writes it."""
    default = FIELDS[name].default
    if kind == "bool":
        return str(bool(default)).lower()
    if kind == "str":
        return f'"{default or name}"'
    return str(default if default is not None else 1)


def write_setting(path: Path, name: str, value: Any | None) -> None:
    """Set the key in the TOML file, or remove it for None; comments stay, the write is atomic."""
    import tomlkit

    from gptwrite.files import write_atomically

    text = _read(path)
    _parse_toml(text, path)
    document = tomlkit.parse(text)
    if value is None:
        document.pop(name, None)
    else:
        document[name] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, tomlkit.dumps(document))
