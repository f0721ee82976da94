"""What one text became, how the built-in model's is checked, and how it is kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gptwrite.engines.base import Engine, Finish, Stats
from gptwrite.files import write_atomically
from gptwrite.language import say
from gptwrite.models import ModelSpec, is_builtin
from gptwrite.terminal import RawPrinter, Terminal
from gptwrite.write import Job, Stream, build_request


@dataclasses.dataclass
class Result:
    """What one text became. Times are in seconds; `first` is when the first token was drawn, on the
    clock, 0 where that is not known. `seed` is known where it was drawn here.
    """

    text: str = ""
    finish: Finish | None = None
    seed: int | None = None
    seconds: float = 0.0
    first: float = 0.0
    interrupted: bool = False


def checked(engine: Engine, spec: ModelSpec) -> Stream | None:
    """Return how the built-in model writes, its sentences checked; None for other models."""
    if not is_builtin(spec.location):
        return None
    from gptwrite.starter import stream_of

    return stream_of(engine)


def is_markdown(job: Job) -> bool:
    """Say whether the text is Markdown: all is but what stands inside a code fence left out."""
    is_inside = not job.template.show_answer and build_request(job).answer.startswith("```")
    return not is_inside


def save(content: str, path: Path, is_partial: bool, terminal: Terminal) -> None:
    """Write the text to `path`, or beside it where it is a part; to stdout if that fails."""
    if is_partial:
        path = path.with_name(path.name + ".partial")
        terminal.note(say(f"Stopped; what there is: {path}", f"已停止；已写部分在：{path}"))
    try:
        write_atomically(path, content)
    except Exception:
        # Whatever failed is raised again; the text has been paid for and must not be lost with it.
        printer = RawPrinter(terminal.out, terminal.out_is_tty)
        printer.push(content)
        printer.finish()
        raise


def as_json(result: Result, model: str, stats: Stats) -> dict[str, Any]:
    """Return the object that --json prints. Times are in seconds, counts in tokens."""
    return {
        "text": result.text,
        "model": model,
        "seed": stats.seed,
        "finish_reason": result.finish or "cancelled",
        "prompt_tokens": stats.prompt_tokens,
        "cached_tokens": stats.cached_tokens,
        "generated_tokens": stats.generated_tokens,
        "timings": {
            "load": round(stats.load_seconds, 4),
            "prefill": round(stats.prefill_seconds, 4),
            "decode": round(stats.decode_seconds, 4),
            "first_token": round(stats.first_token_seconds, 4),
            "total": round(result.seconds, 4),
        },
        "device": stats.device,
    }
