"""Ctrl-C that is heard at once, also while the C library computes.

Python runs its signal handlers only between its own instructions, which a long prefill does not
reach for seconds. The interpreter's C handler, however, writes a byte to a wake-up socket at once;
a thread waits there and raises the engine's abort flag.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def cancelling(cancel: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Call `cancel` on SIGINT or SIGTERM while the block runs; yields "was it interrupted?".

    A second Ctrl-C raises KeyboardInterrupt, should the first have no effect. Outside the main
    thread, where no handler can be set, nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    flag = threading.Event()
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def listen() -> None:
        while data := reader.recv(1):
            if data[0] in (signal.SIGINT, signal.SIGTERM):
                flag.set()
                cancel()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if flag.is_set() and seen:
            raise KeyboardInterrupt
        seen.append(number)
        flag.set()
        cancel()

    seen: list[int] = []
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    old_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    old = {s: signal.signal(s, on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag.is_set
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_fd)
        writer.close()
        thread.join(1)
        reader.close()
