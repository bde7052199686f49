"""Calls that hang in code which never comes back to Python: the process is ended, if it is ours.

A signal's handler runs only once Python does. So a thread looks after calls that have a deadline,
and :mod:`faulthandler`, which needs no Python at all, looks after that thread: where a call keeps
all of Python to itself, it writes the stack and ends the process.
"""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

GRACE_S = 0.5
"""Wall time beyond its deadline in which a call may still end by itself, or by a signal."""
LOOK_S = 0.25
"""Wall time between two looks."""
DEAF_S = 5.0
"""Wall time beyond the longest deadline after which Python is not waited for any more."""

_owned: ContextVar[bool] = ContextVar("_owned", default=False)


@contextmanager
def own_process() -> Iterator[None]:
    """Let the process be ended where it hangs: it does nothing but what it was started for."""
    token = _owned.set(True)
    try:
        yield
    finally:
        _owned.reset(token)


@dataclass(frozen=True)
class Call:
    """A call that goes on, since when, and for how long it may."""

    name: str
    since: float
    deadline_s: float


class Watchdog:
    """Looks after the calls of one world.

    Parameters
    ----------
    longest_s
        Longest deadline of all calls that have one; None: none has.
    hangs
        Told who hangs; it ends the process.
    """

    def __init__(self, longest_s: float | None, hangs: Callable[[str], None]) -> None:
        self._longest_s, self._hangs = longest_s, hangs
        self._call: Call | None = None
        self._watching = self._resting = False
        self._over, self._lock = threading.Event(), threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look after calls as long as the context lasts, if the process may be ended."""
        if not _owned.get() or self._longest_s is None:
            yield
            return
        self._watching = True
        self._rest(False)
        thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._watching = False
            self._over.set()
            thread.join()

    @contextmanager
    def call(self, name: str, deadline_s: float | None) -> Iterator[None]:
        """Look after a call; without a deadline it takes as long as it takes."""
        if deadline_s is not None:
            self._call = Call(name, time.monotonic(), deadline_s)
            try:
                yield
            finally:
                self._call = None
            return
        self._rest(True)  # it may well keep all of Python to itself
        try:
            yield
        finally:
            self._rest(False)

    def _rest(self, resting: bool) -> None:
        with self._lock:
            self._resting = resting
            self._arm()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            with self._lock:
                call = self._call
                if call and time.monotonic() - call.since > call.deadline_s + GRACE_S:
                    self._hangs(call.name)
                self._arm()
        faulthandler.cancel_dump_traceback_later()

    def _arm(self) -> None:
        """Let the process end with a stack if this is not called again in time."""
        if not self._watching or self._longest_s is None:
            return
        if self._resting:
            faulthandler.cancel_dump_traceback_later()
        else:  # not to sys.stderr, which others may have put something in the place of
            faulthandler.dump_traceback_later(self._longest_s + DEAF_S, exit=True, file=2)
