"""The language of the interface: Chinese where the locale is Chinese, else English.

Not to be confused with the language of the text that is written.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import Literal

Language = Literal["en", "zh"]

_chosen: ContextVar[Language | None] = ContextVar("ui_language", default=None)


def from_environment() -> Language:
    """Return the language that GPTWRITE_UI_LANGUAGE or else the locale asks for."""
    wanted = os.environ.get("GPTWRITE_UI_LANGUAGE", "")
    if not wanted or wanted == "auto":
        for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            if wanted := os.environ.get(name, ""):
                break
    return "zh" if wanted.lower().startswith("zh") else "en"


def choose(language: str) -> None:
    """Use `language` from here on; `auto` or an empty string follows the environment."""
    _chosen.set(None if language in ("", "auto") else "zh" if language == "zh" else "en")


def current() -> Language:
    """Return the interface language in force."""
    return _chosen.get() or from_environment()


def say(en: str, zh: str) -> str:
    """Return the one of two texts that is in the interface language."""
    return zh if current() == "zh" else en


def of_text(text: str) -> Language | None:
    """Return the language a text is in, as far as its letters tell; None without letters."""
    sample = text[:4000]
    han = sum("\u3400" <= c <= "\u9fff" for c in sample)
    latin = sum(c.isascii() and c.isalpha() for c in sample)
    if not han and not latin:
        return None
    # A Han character says about as much as a short word of four letters.
    return "zh" if han * 4 >= latin else "en"
