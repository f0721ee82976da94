"""An event loop in a thread of its own: what waits for the network can be ended from anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
CLOSE_SECONDS = 5  # for connections to be shut; after that they are left to the system


class BackgroundLoop:
    """Runs coroutines beside the caller. `call` is safe from signal handlers and threads."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="gptwrite-network", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work`; cancelling what is returned cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[[], Any]) -> None:
        """Have the loop call `function` soon; nothing happens once it is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run `last`, then end the loop and its thread."""
        try:
            self.submit(last).result(CLOSE_SECONDS)
        finally:
            self.call(self._loop.stop)
            self._thread.join(CLOSE_SECONDS)
