"""The one importer of llama_cpp: loads the C library quietly and keeps what it logs.

`load()` gives the module of C functions. Everything above this file calls C through it and never
imports llama_cpp by itself.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Levels of ggml_log: 1 debug, 2 info, 3 warning, 4 error, 5 continuation of the line before.
WARNING, ERROR, CONTINUATION = 3, 4, 5
LOG_LINES = 200

_log: list[tuple[int, str]] = []


def _keep(level: int, text: bytes, _user_data: object) -> None:
    line = text.decode("utf-8", "replace")
    if level == CONTINUATION and _log:
        _log[-1] = (_log[-1][0], _log[-1][1] + line)
        return
    _log.append((level, line))
    del _log[:-LOG_LINES]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back while C runs that logs; their handlers run when the block ends.

    Python runs a handler at its next instruction. That would be in `_keep`, out of which nothing
    can be raised: it would be printed, and the Ctrl-C lost. Outside the main thread, where no
    handler runs, nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    handlers: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):
                handlers[number] = handler
                signal.signal(number, lambda number, _frame: held.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for signalled in held:
            signal.raise_signal(signalled)


@functools.cache
@undisturbed()
def load() -> Any:
    """Return the module of llama.cpp's C functions, loaded quietly.

    Only the ctypes layer is imported, under a stub of its parent package: the parent's own import
    brings numpy, jinja2, diskcache and sqlite3, some 0.2 s that no generation needs.
    """
    # A failed assertion in ggml otherwise starts a debugger to print a backtrace.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    # libgomp's threads spin for a bounded time after each piece of work: without a bound they
    # take the processor from whoever else is working, themselves included.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    api = _import_c_layer()
    callback = api.llama_log_callback(_keep)
    api.llama_log_set(callback, ctypes.c_void_p(0))
    api.gptwrite_log_callback = callback  # C keeps only the address: hold a reference.
    api.llama_backend_init()
    return api


def _import_c_layer() -> Any:
    if "llama_cpp" in sys.modules:
        import llama_cpp.llama_cpp as c_layer

        return c_layer
    import importlib
    import importlib.util

    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("llama_cpp is not installed")
    stub = types.ModuleType("llama_cpp")
    stub.__path__ = list(spec.submodule_search_locations)
    stub.__spec__ = spec
    sys.modules["llama_cpp"] = stub
    try:
        return importlib.import_module("llama_cpp.llama_cpp")
    finally:
        # Whoever else imports the package gets the real one, on top of the same C layer.
        del sys.modules["llama_cpp"]


def version() -> str:
    """Return the version of llama-cpp-python, from its metadata."""
    from importlib.metadata import version as installed

    return installed("llama-cpp-python")


def clear_log() -> None:
    """Forget what the library has logged so far."""
    _log.clear()


def logged(least: int = WARNING) -> list[str]:
    """Return the logged lines of at least this level, oldest first."""
    return [line.strip() for level, line in _log if level >= least and line.strip()]


def reason() -> str:
    """Return the most telling error of the log, or an empty string."""
    errors = logged(ERROR)
    return errors[0] if errors else ""
