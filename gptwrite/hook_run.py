"""What the hook does once it has been started: a message in time, or one line saying why not.

A child process reads and writes; this one only waits, and would put an end to it. So the time
budget holds whatever an engine does, and a crash takes nothing along. No commit ever fails by it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from gptwrite import git, message_file
from gptwrite.errors import GptwriteError
from gptwrite.files import write_atomically
from gptwrite.language import say
from gptwrite.settings import Settings
from gptwrite.terminal import safe

UNDER_WAY = ("rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD")
LONGEST_PROBLEM = 160  # characters
ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@dataclass(frozen=True)
class Outcome:
    """A message, or why there is none. `is_late`: the time was over."""

    message: str = ""
    problem: str = ""
    is_late: bool = False


def is_skipped(source: str, git_folder: Path, environ: Mapping[str, str], kinds: str) -> bool:
    """Say whether this commit gets no message. The shell script decides by the same rules."""
    if environ.get("CI", "") not in ("", "0", "false") or environ.get("GIT_EDITOR") == ":":
        return True
    if any((git_folder / name).exists() for name in UNDER_WAY):
        return True
    if source and source not in kinds.replace(",", " ").split():
        return True
    return git.off_switch(dict(environ))


def run(path: Path, source: str, object_name: str, settings: Settings) -> None:
    """Add a message for the staged changes to the file at `path`, or a comment on why not.

    Raises only `GptwriteError`, when the file cannot be read or written.
    """
    if is_skipped(source, path.parent, os.environ, settings.hook_messages):
        return

    def work() -> str:
        from gptwrite.propose import staged_message

        return staged_message(settings, amend=source == "commit" and object_name == "HEAD")

    left = max(0.0, settings.hook_timeout_seconds - seconds_since_start())
    with own_foreground(), _waiting_note(settings):
        outcome = in_child(work, left)
    if outcome.is_late:
        limit = f"{settings.hook_timeout_seconds:g}"
        outcome = Outcome(
            problem=say(f"no message within {limit} s (hook_timeout_seconds)",
                        f"{limit} 秒内没有生成说明（hook_timeout_seconds）")
        )  # fmt: skip
    add(path, outcome, settings.hook_mode)


def seconds_since_start() -> float:
    """Return how long this process has been there, where Linux tells; else 0."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
        # proc(5): the 22nd field, in clock ticks after boot; the 2nd may hold blanks.
        ticks = int(fields.rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0


def add(path: Path, outcome: Outcome, mode: str) -> None:
    """Write the outcome into the message file, atomically; what stands there stays."""
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as exc:
        raise GptwriteError(
            say(f"Cannot read {path}: {exc.strerror}.", f"无法读取 {path}：{exc.strerror}。")
        ) from exc
    rules = message_file.rules(data)
    if not outcome.message:
        line = "gptwrite: " + (outcome.problem or say("no message", "没有生成说明"))
        changed = message_file.with_comment(data, line, rules)
    elif mode == "prefill" and not message_file.has_text(data, rules.comment):
        changed = message_file.with_message(data, outcome.message, rules)
        line = ""
    else:
        line = say("gptwrite suggests:", "gptwrite 建议：") + "\n" + outcome.message
        changed = message_file.with_comment(data, line, rules)
    if changed != data:
        write_atomically(path, changed)
    elif line:
        print(safe(line), file=sys.stderr)


def one_line(text: str) -> str:
    """Return `text` fit for a comment: one line, nothing unprintable, not too long."""
    text = safe(" ".join(text.split()))
    return text if len(text) <= LONGEST_PROBLEM else text[: LONGEST_PROBLEM - 1] + "…"


def in_child(work: Callable[[], str], timeout_seconds: float) -> Outcome:
    """Return what `work` returns, from a process of its own that lives no longer than the time."""
    if not hasattr(os, "fork"):
        return _outcome_of(work)  # a system without fork has no time budget
    reader, writer = os.pipe()
    # A signal between the fork and the handlers would raise in the middle of what Python does
    # around a fork, and leave the lock of its logging held for ever.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    child = os.fork()
    if child == 0:
        _be_child(work, reader, writer, timeout_seconds, mask)
    os.close(writer)
    try:
        with _interruptible():
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            data = _read_until(reader, time.monotonic() + timeout_seconds)
    except KeyboardInterrupt:
        return Outcome(
            problem=say("no message: stopped with Ctrl-C", "没有生成说明：已用 Ctrl-C 停止")
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(reader)
    if data is None:
        return Outcome(is_late=True)
    try:
        row = json.loads(data)
        return Outcome(row["message"], row["problem"])
    except (ValueError, KeyError, TypeError):
        by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        how = say(f"signal {by}", f"信号 {by}") if by else say("no answer", "没有回答")
        return Outcome(
            problem=say(
                f"no message: the process ended ({how})", f"没有生成说明：进程已结束（{how}）"
            )
        )


def _outcome_of(work: Callable[[], str]) -> Outcome:
    try:
        return Outcome(message=work())
    except GptwriteError as error:
        return Outcome(problem=one_line(say("no message: ", "没有生成说明：") + error.message))
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes the comment line
        return Outcome(problem=one_line(f"no message: {type(error).__name__}: {error}"))


def _be_child(
    work: Callable[[], str],
    reader: int,
    writer: int,
    timeout_seconds: float,
    mask: set[int | signal.Signals],
) -> None:
    """Do the work, send the outcome as JSON, and end without touching what the parent owns."""
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # Should the parent be killed, the kernel still ends this process soon after its time.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, timeout_seconds + 1)
        os.close(reader)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        outcome = _outcome_of(work)
        row = {"message": outcome.message, "problem": outcome.problem}
        data = json.dumps(row).encode("ascii")
        while data:
            data = data[os.write(writer, data) :]
        status = 0
    finally:
        os._exit(status)


def _read_until(reader: int, deadline: float) -> bytes | None:
    """Return everything up to the end of the pipe; None when the deadline comes first."""
    data = b""
    while True:
        left = deadline - time.monotonic()
        ready, _, _ = select.select([reader], [], [], max(0.0, left))
        if not ready:
            return None
        piece = os.read(reader, 65536)
        if not piece:
            return data
        data += piece


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the waiting as Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    old = {number: signal.signal(number, stop) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def own_foreground() -> Iterator[None]:
    """Take the terminal's foreground for this process alone while the block runs.

    Ctrl-C then ends the waiting for a message, and not git with the whole commit. Does nothing
    without a terminal, in the background, or when git is not the one that started us.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield
        return
    group = os.getpgrp()
    taken = _take_foreground(terminal, group)
    try:
        yield
    finally:
        if taken:
            with contextlib.suppress(OSError):
                os.tcsetpgrp(terminal, group)
        os.close(terminal)


def _take_foreground(terminal: int, group: int) -> bool:
    if group == os.getpid():
        return False
    try:
        if os.tcgetpgrp(terminal) != group:
            return False
        for number in (signal.SIGTTOU, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpid())
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _waiting_note(settings: Settings) -> Iterator[None]:
    """Say on a terminal what is waited for, and wipe it away again."""
    shown = sys.stderr.isatty() and not settings.quiet
    if shown:
        text = say(
            "Writing a commit message… (Ctrl-C goes on without)", "正在写提交说明……（Ctrl-C 跳过）"
        )
        print(text, end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
