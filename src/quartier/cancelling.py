"""Ctrl-C and SIGTERM: a run stops where it reports progress, which is a safe place to stop.

Python can raise :class:`KeyboardInterrupt` anywhere, also where a library swallows it (numba's
compiler) or is left in disorder by it (an event loop). So the first signal only leaves a word; if
nobody reports progress for some seconds, or at the second signal, it is raised after all.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from quartier.progress import Cancelled, Progress

GRACE_S = 3.0
"""Time that a run has to report progress after the first signal."""


class Cancellation:
    """Remembers that the user wants to stop."""

    def __init__(self) -> None:
        self.requested = False
        self._timer = threading.Timer(GRACE_S, _interrupt_main_thread)
        self._timer.daemon = True

    def handle(self, *_: object) -> None:
        """Answer a signal: the first leaves a word, the next one interrupts."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        with suppress(OSError):  # not print(): the signal may have come in the middle of one
            os.write(2, b"Stopping; press Ctrl-C again to stop at once.\n")
        self._timer.start()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the user wants to stop."""
        if self.requested:
            raise Cancelled("cancelled by the user")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Answer Ctrl-C and SIGTERM as long as the context lasts."""
        before = {n: signal.signal(n, self.handle) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            self._timer.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt_main_thread() -> None:
    """Send the main thread a signal, which also ends a system call that it waits in."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


class CancellableProgress:
    """Passes progress on, and stops the run if the user wants to."""

    def __init__(self, shown: Progress, cancellation: Cancellation) -> None:
        self._shown = shown
        self._cancellation = cancellation

    def phase(self, name: str, total: int | None = None) -> None:
        """Begin a phase, unless the run was cancelled."""
        self._cancellation.check()
        self._shown.phase(name, total)

    def advance(self, n: int = 1) -> None:
        """Count steps, unless the run was cancelled."""
        self._shown.advance(n)
        self._cancellation.check()

    def note(self, text: str) -> None:
        """Say something."""
        self._shown.note(text)

    def done(self) -> None:
        """End the last phase."""
        self._shown.done()
