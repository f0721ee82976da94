"""What was written for the parts of a long text, kept on disk: a killed run goes on where it was.

A partial is found by all that it depends on: the model and the whole request, with the part's text.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from gptwrite.engines.base import Finish, Request
from gptwrite.errors import GptwriteError
from gptwrite.files import write_atomically
from gptwrite.promptcache import shrink

SUFFIX = ".json"


@dataclass(frozen=True)
class Partials:
    """The partials in `folder` of the model that `identity` names."""

    folder: Path
    identity: str
    limit_bytes: int = 64 * 10**6

    def get(self, request: Request) -> tuple[str, Finish] | None:
        """Return what was written for `request` and how it ended; None when nothing is known."""
        try:
            row = json.loads(self._path(request).read_text(encoding="utf-8"))
            text, finish = row["text"], row["finish"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        is_sound = isinstance(text, str) and finish in ("stop", "length")
        return (text, finish) if is_sound else None

    def put(self, request: Request, text: str, finish: Finish) -> None:
        """Keep `text`; nothing happens where the folder cannot be written."""
        with contextlib.suppress(GptwriteError, OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            row = json.dumps({"text": text, "finish": finish}, ensure_ascii=False)
            write_atomically(self._path(request), row, mode=0o600)

    def shrink(self) -> None:
        """Remove the oldest partials beyond the size limit."""
        shrink(self.folder, SUFFIX, self.limit_bytes)

    def _path(self, request: Request) -> Path:
        key = {
            "identity": self.identity,
            "messages": [asdict(message) for message in request.messages],
            "answer": request.answer,
            "completion": request.completion,
            "sampling": asdict(request.sampling),
            "form": repr(request.form),
            "thinking": request.thinking,
        }
        data = json.dumps(key, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
        return self.folder / f"{hashlib.sha256(data).hexdigest()[:40]}{SUFFIX}"
