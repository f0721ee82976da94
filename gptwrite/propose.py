"""A message for what is staged in this repository, as the settings ask."""

from __future__ import annotations

from collections.abc import Callable

from gptwrite import commit, diff, git
from gptwrite.engines import open_engine
from gptwrite.engines.base import Engine
from gptwrite.errors import GptwriteError
from gptwrite.language import say
from gptwrite.models import is_builtin, resolve
from gptwrite.settings import Settings
from gptwrite.template import Library
from gptwrite.write import sampling_of

LANGUAGE_COMMITS = 30  # of the log, whose language is followed


def staged_message(
    settings: Settings,
    amend: bool = False,
    on_open: Callable[[Engine], None] = lambda engine: None,
) -> str:
    """Return the message for the staged changes; raise `GptwriteError` when there are none.

    `amend` counts in what the last commit changed. `on_open` is given the engine, to cancel it;
    a cancelled one raises KeyboardInterrupt.
    """
    changes = diff.staged(git.base_tree(amend))
    if not changes:
        raise GptwriteError(
            say("There are no staged changes to describe.", "没有已暂存的改动可描述。"),
            say("Stage some with `git add`.", "请先用 `git add` 暂存。"),
        )

    def opener() -> Engine:
        engine = open_engine(resolve(settings.model, settings), settings)
        on_open(engine)
        return engine

    template = Library().load(commit.TASK)
    return commit.message(changes, wishes(settings), template, opener)


def wishes(settings: Settings) -> commit.Wishes:
    """Return what the settings, and the recent log, ask of a message."""
    log = git.recent_commits()
    subjects = [past.subject for past in log[:LANGUAGE_COMMITS]]
    return commit.Wishes(
        settings.commit_style,
        commit.language_of(settings.commit_language, subjects),
        settings.commit_body,
        sampling_of(settings),
        tuple(log),
        keeps_to_diff=is_builtin(settings.model) and not settings.endpoint,
    )
