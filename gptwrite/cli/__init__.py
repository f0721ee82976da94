"""The command line: the only importer of typer, and the one place that turns errors into exits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gptwrite.errors import ExitCode, GptwriteError
from gptwrite.language import say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status; never raises."""
    arguments = _decoded_arguments() if arguments is None else list(arguments)
    _use_utf8()
    debug = "--debug" in arguments
    try:
        status = _run([a for a in arguments if a != "--debug"])
        sys.stdout.flush()
        return status
    except GptwriteError as error:
        if debug:
            raise
        _report(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader has what it wanted (`| head`): not an error.
        _drop_output()
        return int(ExitCode.OK)
    except OSError as error:
        # A full disk behind stdout, a folder without permission: the system's fault, not ours.
        if debug:
            raise
        _report(_system_error(error))
        _drop_output()
        return int(ExitCode.ERROR)
    except Exception as error:
        if debug:
            raise
        from gptwrite.bug_report import write_report

        write_report(error, arguments)
        return int(ExitCode.BUG)


def _run(arguments: list[str]) -> int:
    from typer import Abort, TyperException

    from gptwrite import language
    from gptwrite.cli.app import build_app
    from gptwrite.settings import config_file, read_config

    if "GPTWRITE_UI_LANGUAGE" not in os.environ:
        # Of a broken file the commands tell that need its settings; help and `doctor` still run.
        with suppress(GptwriteError):
            language.choose(str(read_config(config_file()).get("ui_language", "auto")))
    from typer.main import get_command

    from gptwrite.cli.usage import translate_help, usage_error

    command = get_command(build_app(arguments))
    translate_help(command)
    try:
        result = command(args=arguments, prog_name="gptwrite", standalone_mode=False)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)
            return int(ExitCode.USAGE)
        raise usage_error(
            error.format_message(), context.command_path if context else "gptwrite"
        ) from error
    except Abort:
        return int(ExitCode.INTERRUPTED)  # Ctrl-C or Ctrl-D at a question
    except SystemExit as exit_request:
        code = exit_request.code
        # typer turns these two into status 1 before we see them; its exits keep their cause.
        causes = list(_causes(exit_request))
        if any(isinstance(cause, BrokenPipeError) for cause in causes):
            raise BrokenPipeError from exit_request
        if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
            return int(ExitCode.INTERRUPTED)
        return code if isinstance(code, int) else int(ExitCode.OK if code is None else 1)
    return int(result or 0)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error := error and (error.__cause__ or error.__context__):
        yield error


def _decoded_arguments() -> list[str]:
    """Arguments are UTF-8 whatever the locale says; Python decodes them by the locale."""
    return [os.fsencode(argument).decode("utf-8", "replace") for argument in sys.argv[1:]]


def _drop_output() -> None:
    """Give a stdout that takes nothing more somewhere harmless to flush to at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _system_error(error: OSError) -> GptwriteError:
    """Return what the system said in words, with the file it said it of."""
    what = error.strerror or str(error) or type(error).__name__
    what += f": {error.filename}" if error.filename else ""
    return GptwriteError(
        say(f"The system refuses: {what}.", f"系统拒绝：{what}。"),
        say("Check the free space and the permissions.", "请检查磁盘空间和权限。"),
    )


def _report(error: GptwriteError) -> None:
    from gptwrite.terminal import safe

    print(say("Error: ", "错误：") + safe(error.message), file=sys.stderr)
    if error.hint:
        print(say("Hint: ", "提示：") + safe(error.hint), file=sys.stderr)


def _use_utf8() -> None:
    """Text out is UTF-8 whatever the locale says; a stream that is closed takes all silently."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(encoding="utf-8", errors="replace")
