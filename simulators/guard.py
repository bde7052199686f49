"""Watches over the simulators of a world: a fault names who, where and when; nobody hangs for ever.

mosaik lets a remote simulator that raises pass with a line in its log, waits for ever for one that
hangs, and names nobody. So every call goes through here.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mosaik.exceptions import ConnectionClosedError
from mosaik.proxies import BaseProxy, LocalProxy
from mosaik.starters import Starter
from mosaik_api_v3.connection import RemoteException

from quartier.errors import QuartierError, RunFailed
from quartier.hanging import Watchdog
from quartier.progress import is_cancellation
from quartier.simulators.child import ChildProxy
from quartier.simulators.inputs import AtBoundary
from quartier.simulators.pace import Pace
from quartier.simulators.time_based import TimeBased

SETTLE_S = 0.3
"""Wall time in which others may fail of the same cause, after the first did."""

MOST = 3
"""Entities that are named."""
STOP_S = 2.0
"""Wall time that a remote simulator has to stop."""


class Hangs(Exception):
    """A call took longer than it may."""


@dataclass(frozen=True)
class Fault:
    """A simulator that failed."""

    simulator: str
    """What it is called."""
    when: str
    """In which call, at what time."""
    cause: str
    follows: bool
    """Whether it is likely to have died of something else: its connection was closed."""

    def __str__(self) -> str:
        return f"{self.simulator} failed {self.when}: {self.cause}"


@dataclass(frozen=True)
class Limit:
    """How long a call may take, and by which setting."""

    seconds: float | None = None
    setting: str = "deadlines.call_s"

    def __str__(self) -> str:
        return f"it did not answer within {self.seconds:g} s ({self.setting})"


NO_LIMIT = Limit()


class Guard:
    """Watches the simulators of one world.

    Parameters
    ----------
    limit
        Of calls to simulators that have none of their own.
    told
        Says what time of mosaik's is meant, and which step of a block that begins then.
    pace
        Says how many steps a call is for.
    watchdog
        Looks after calls in this process that never come back to Python.
    """

    def __init__(
        self,
        limit: Limit = NO_LIMIT,
        told: Callable[[int, int], str] = "time {0}".format,
        pace: Pace | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._limit, self._told = limit, told
        self._pace = pace or Pace()
        self._watchdog = watchdog or Watchdog(None, lambda _: None)
        self._now: dict[str, int] = {}
        self._entities: dict[str, list[str]] = {}
        self._called: dict[str, str] = {}
        self.faults: list[Fault] = []

    def over(
        self, starter: Starter, limit: Limit | None = None, called: str | None = None
    ) -> Starter:
        """Return a starter of simulators that are watched.

        They may have a limit of their own, and be called by other words than their name.
        """
        return _Watched(starter, self, limit or self._limit, called)

    def watch(self, name: str, proxy: BaseProxy, limit: Limit, called: str | None = None) -> None:
        """Let all calls to a simulator go through here."""
        send, deadline_s = proxy.send, limit.seconds
        self._called[name] = called or f"simulator {name!r}"

        async def guarded(request: Any) -> Any:
            if request[0] == "step":
                self._now[name], self._entities[name] = request[1][0], list(request[1][1])
            try:
                if not isinstance(proxy, LocalProxy):  # it takes one step at a time
                    return await asyncio.wait_for(send(request), deadline_s)
                longest_s = deadline_s and deadline_s + self._pace.leave_s
                with _alarm(longest_s, limit), self._watchdog.call(name, longest_s):
                    return await send(request)
            except (Exception, SystemExit) as error:
                if is_cancellation(error):
                    raise
                told = self._noted(name, request[0], proxy, error, limit)
                if told is error:
                    raise
                raise told from error

        proxy.send = guarded  # type: ignore[method-assign]
        if not isinstance(proxy, LocalProxy):
            stop = proxy.stop

            async def stopped() -> None:
                with suppress(Exception, asyncio.CancelledError):  # it may be gone already
                    await asyncio.wait_for(stop(), STOP_S)
                if isinstance(proxy, ChildProxy):
                    proxy.end(0.0 if self.faults else STOP_S)

            proxy.stop = stopped  # type: ignore[method-assign]

    def called(self, name: str) -> str:
        """Words for a simulator."""
        return self._called[name]

    def when(self, name: str, call: str, row: int = 0) -> str:
        """In which call of a simulator, of what, in which step of a block."""
        if name not in self._now:
            return f"in {call}()"
        of = ", ".join(self._entities[name][:MOST]) or "all its entities"
        return f"in {call}() of {of} at {self._told(self._now[name], row)}"

    def _noted(
        self, name: str, call: str, proxy: BaseProxy, error: BaseException, limit: Limit
    ) -> BaseException:
        when = self.when(name, call, self._row(proxy, error))
        closed = isinstance(error, ConnectionClosedError | ConnectionError)
        cause = f"{type(error).__name__}: {error}"
        if isinstance(error, RemoteException):
            cause = f"{error.remote_type}: {error.remote_msg}"
        if isinstance(error, Hangs | TimeoutError):
            cause = str(limit)
        if closed:
            cause = "its process ended, or closed the connection"
        if isinstance(proxy, ChildProxy):
            proxy.kill()
            cause += proxy.last_words()
        fault = Fault(self.called(name), when, cause, closed)
        self.faults.append(fault)
        if isinstance(error, AtBoundary):
            return RunFailed(f"{name}.{error} @ {self._told(self._now.get(name, 0), error.row)}")
        return error if isinstance(error, QuartierError) else RunFailed(str(fault))

    @staticmethod
    def _row(proxy: BaseProxy, error: BaseException) -> int:
        """In which step of a block a simulator fails."""
        if isinstance(error, AtBoundary):
            return error.row
        sim = proxy.sim if isinstance(proxy, LocalProxy) else None
        return sim.row if isinstance(sim, TimeBased) else 0

    def settle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear who else fails of what the first one failed of."""
        if self.faults and (tasks := asyncio.all_tasks(loop)):
            loop.run_until_complete(asyncio.wait(tasks, timeout=SETTLE_S))

    def explained(self, error: Exception) -> Exception:
        """Return one error: its root first, what followed below it."""
        if len(self.faults) < 2:
            return error
        root, *rest = sorted(self.faults, key=lambda fault: fault.follows)
        what = str(error) if isinstance(error, QuartierError) and not root.follows else str(root)
        if str(self.faults[0]) != str(root):
            what = str(root)
        followed = "".join(f"\n  - {fault}" for fault in rest)
        return RunFailed(f"{what}\nWhat followed:{followed}")


class _Watched(Starter):
    """Starts a simulator and lets a guard watch it."""

    def __init__(self, starter: Starter, guard: Guard, limit: Limit, called: str | None) -> None:
        self._starter, self._guard, self._limit, self._called = starter, guard, limit, called
        self.api_version = starter.api_version

    async def start(self, sim_id: str, mosaik_remote: Any, mosaik_config: Any) -> BaseProxy:
        proxy = await self._starter.start(sim_id, mosaik_remote, mosaik_config)
        self._guard.watch(sim_id, proxy, self._limit, self._called)
        return proxy

    @classmethod
    def from_starter_config(cls, starter_config: Any) -> None:
        """There is none in words."""


@contextmanager
def _alarm(deadline_s: float | None, limit: Limit) -> Iterator[None]:
    """Raise :class:`Hangs` inside a call in this process that takes too long.

    Only in the main thread and where there are such signals; code that never comes back to
    Python is left to the watchdog.
    """
    main = threading.current_thread() is threading.main_thread()
    if deadline_s is None or not main or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise Hangs(str(limit))

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, deadline_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
