"""The errors a user is shown, and the process's exit codes.

Every expected failure is a `GptwriteError`: one line for what failed, one for what to do.
Only `gptwrite.cli.main` turns them into text and an exit status.
"""

from __future__ import annotations

from enum import IntEnum

from gptwrite.language import say


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


def engine_closed() -> EngineError:
    """Return the error for an engine that is used after its end."""
    return EngineError(
        say("The engine is closed.", "引擎已关闭。"), say("Open it again.", "请重新打开。")
    )


def nothing_written(is_cut: bool) -> EngineError:
    """Return the error for an answer without a text; `is_cut` by the token limit."""
    return EngineError(
        say("The model has written nothing.", "模型什么也没有写出。"),
        say("--max-tokens raises the limit that cut it.", "可用 --max-tokens 提高上限。")
        if is_cut
        else say("Try another --seed, or a larger model.", "请换个 --seed，或换用更大的模型。"),
    )


class ContextError(EngineError):
    """A prompt does not fit into the model's context.

    `prompt_tokens` and `context_length` are counts of tokens.
    """

    def __init__(
        self, prompt_tokens: int, context_length: int, hint: str = "", message: str = ""
    ) -> None:
        super().__init__(
            message
            or say(
                f"The prompt has {prompt_tokens} tokens; the context holds {context_length}.",
                f"提示有 {prompt_tokens} 个词元；上下文只能容纳 {context_length} 个。",
            ),
            hint
            or say(
                "Shorten the text, or choose a model with a longer context.",
                "请缩短文字，或换用上下文更长的模型。",
            ),
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length
