"""The flags of the options that every writing command has; what they take is told elsewhere."""

from __future__ import annotations

from typing import Any

WORDS = "words"  # the parameter that holds a command line's words

# Option -> (flags, type) of those that are settings too: their help is the setting's.
SETTING_FLAGS: dict[str, tuple[tuple[str, ...], Any]] = {
    "model": (("--model", "-m"), str),
    "endpoint": (("--endpoint",), str),
    "temperature": (("--temperature", "-t"), float),
    "top_k": (("--top-k",), int),
    "top_p": (("--top-p",), float),
    "min_p": (("--min-p",), float),
    "repeat_penalty": (("--repeat-penalty",), float),
    "dry_multiplier": (("--dry",), float),
    "max_tokens": (("--max-tokens",), int),
    "seed": (("--seed",), int),
    "context_length": (("--context",), int),
    "gpu_layers": (("--gpu-layers",), int),
    "threads": (("--threads",), int),
    "offline": (("--offline",), bool),
    "quiet": (("--quiet", "-q"), bool),
    "plain": (("--plain",), bool),
    "cache": (("--cache/--no-cache",), bool),
}

# Option -> flags of those that are about one run.
WRITING_FLAGS: dict[str, tuple[str, ...]] = {
    "file": ("--file", "-f"),
    "output": ("--output", "-o"),
    "lang": ("--lang",),
    "drafts": ("--drafts", "-n"),
    "strict": ("--strict",),
    "json": ("--json",),
    "stats": ("--stats",),
    "trace": ("--trace",),
    "show_prompt": ("--show-prompt",),
    "show_thinking": ("--show-thinking",),
}

# Setting -> its flag at the commands that are not about writing.
OTHER_FLAGS = {
    "model_source": "--source",
    "commit_style": "--style",
    "commit_language": "--lang",
    "commit_body": "--body",
}


def flag_of(setting: str) -> str:
    """Return the flag that gives `setting` on the command line, as a message names it."""
    if setting in SETTING_FLAGS:
        return SETTING_FLAGS[setting][0][0].partition("/")[0]
    return OTHER_FLAGS.get(setting, setting)


def taken_names() -> frozenset[str]:
    """Return the names that no option of a task may have, as Python writes them."""
    rows = [*(flags for flags, _type in SETTING_FLAGS.values()), *WRITING_FLAGS.values()]
    flags = [flag for row in rows for flag in "/".join(row).split("/") if flag.startswith("--")]
    long = (flag[2:].replace("-", "_") for flag in (*flags, "--help", "--debug"))
    return frozenset((*long, WORDS, *SETTING_FLAGS, *WRITING_FLAGS))
