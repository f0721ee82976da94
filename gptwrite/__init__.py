"""gptwrite: a local, private writing assistant for the command line.

The public Python API, imported when it is first used:

    from gptwrite import open_engine, write_text
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptwrite.engines import open_engine
    from gptwrite.write import write_text

__version__ = "0.1.0"
__all__ = ["__version__", "open_engine", "write_text"]


def __getattr__(name: str) -> Any:
    if name == "open_engine":
        from gptwrite.engines import open_engine

        return open_engine
    if name == "write_text":
        from gptwrite.write import write_text

        return write_text
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
