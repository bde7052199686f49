"""Keeps a signal from tearing a write apart."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What ends a run from outside, and can wait for the end of a write."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back as long as the context lasts; then they do what they always do.

    A handler that raises in the middle of a write loses rows, and where C++ calls back into
    Python (pyarrow writing a file) its exception can be lost: the run would go on as if nothing
    had been said. Outside the main thread, where no handler ever runs, nothing is held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[tuple[signal.Signals, Any]] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    own = [number for number, handler in before.items() if callable(handler)]
    for number in own:
        signal.signal(number, lambda n, frame: held.append((signal.Signals(n), frame)))
    try:
        yield
    finally:
        for number in own:
            signal.signal(number, before[number])
        for number, frame in held[:1]:
            handler = before[number]
            assert callable(handler)
            handler(number, frame)
