"""The errors a user is shown, and the process's exit codes.

Every expected failure is a `GptwriteError`: one line for what failed, one for what to do.
Only `gptwrite.cli.main` turns them into text and an exit status.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of the process; documented in the README."""

    OK = 0
    ERROR = 1
    USAGE = 2
    BUG = 3
    CUT = 4
    INTERRUPTED = 130


class GptwriteError(Exception):
    """An expected failure: `message` says what failed, `hint` what to do about it."""

    exit_code = ExitCode.ERROR

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GptwriteError):
    """The command line, or what was piped in, cannot be used."""

    exit_code = ExitCode.USAGE


class ConfigError(GptwriteError):
    """A setting or a configuration file is wrong."""


class TemplateError(GptwriteError):
    """A task's YAML file is wrong; the message starts with `file:line`."""


class InputError(GptwriteError):
    """The user's text cannot be read."""


class ModelError(GptwriteError):
    """A model file is missing, damaged, or cannot be used."""


class EngineError(GptwriteError):
    """A loaded model, or a remote endpoint, failed while generating."""


class ContextError(EngineError):
    """A prompt does not fit into the model's context.

    `prompt_tokens` and `context_length` are counts of tokens.
    """

    def __init__(self, prompt_tokens: int, context_length: int, hint: str = "") -> None:
        super().__init__(
            f"The prompt has {prompt_tokens} tokens; the context holds {context_length}.",
            hint or "Shorten the text, or choose a model with a longer context.",
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length
