"""Simulators of the user's own in the world of a run: reached in time, and named when they fail.

mosaik waits for ever for a simulator that hangs, and lets a run end as if nothing were wrong when
a remote one raises. So every call goes through a guard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from mosaik.async_scenario import MosaikConfigTotal
from mosaik.exceptions import ScenarioError, SimulationError
from mosaik.proxies import BaseProxy
from mosaik.simmanager import MosaikRemote
from mosaik.starters import CmdStarter, ConnectStarter, PythonStarter, Starter
from mosaik_api_v3 import Meta
from mosaik_api_v3.connection import RemoteException

from quartier.errors import RunFailed
from quartier.own_code import named
from quartier.scenario.own_simulators import OwnSimulator

ANSWER_S = 2.0
"""Time in which somebody must answer at an address."""
API = 3
"""Version of mosaik's API that is spoken."""
GIVES = {"p_kw": "measured_kw", "energy_kwh": "measured_kwh"}
"""What a model may give, and what the unit takes it for; it must give its power."""
OWN = "own-"
"""What their names in mosaik's world begin with: no kind of unit is called so."""
TAKES = ("set_point_kw", "planned_kw")
"""What a model may take."""

T = TypeVar("T")


class OwnStarter(Starter):
    """Starts a simulator of the user's own, and guards all that is said to it."""

    api_version = None

    def __init__(self, name: str, own: OwnSimulator) -> None:
        self._name, self._own = name, own

    async def start(
        self, sim_id: str, mosaik_remote: MosaikRemote, mosaik_config: MosaikConfigTotal
    ) -> BaseProxy:
        """Reach it (RunFailed: nobody is there)."""
        own = self._own
        limit_s = ANSWER_S if own.connect else own.timeout_s
        try:
            starter = self._starter()
            began = starter.start(sim_id, mosaik_remote, mosaik_config)
            proxy = await asyncio.wait_for(began, limit_s)
        except (TimeoutError, ScenarioError, SimulationError) as error:
            why = f"nobody answers within {limit_s:g} s" if own.connect else f"{error or 'no call'}"
            hint = "start it before the run" if own.connect else "see what it prints"
            raise RunFailed(
                f"simulator {self._name!r} ({own.where}) cannot be reached: {why}; {hint}"
            ) from error
        return _Guarded(proxy, self._name, own)

    def _starter(self) -> Starter:
        own = self._own
        if own.connect is not None:
            return ConnectStarter.from_addr_string(own.connect)
        if own.cmd is not None:
            return CmdStarter(own.cmd, connect_timeout=own.timeout_s)
        return PythonStarter(named(str(own.python), f"simulator {self._name!r}"))

    @classmethod
    def from_starter_config(cls, starter_config: Any) -> None:
        """Take no part in mosaik's own configuration."""
        return


class _Guarded(BaseProxy):
    """Hands on every call, with a limit of time, and names the simulator where one fails."""

    def __init__(self, inner: BaseProxy, name: str, own: OwnSimulator) -> None:
        self._inner, self._name, self._own = inner, name, own

    @property
    def meta(self) -> Meta:
        return self._inner.meta

    async def init(self, sid: str, **params: Any) -> list[int]:
        try:
            version = await self._answer("init", self._inner.init(sid, **params))
            if version[0] != API:
                spoken = ".".join(map(str, version))
                raise self._failed(f"speaks version {spoken} of mosaik's API, not {API}; update it")
        except RunFailed:
            await self.stop()  # mosaik knows nothing of it yet
            raise
        return version

    async def send(self, request: Any) -> Any:
        return await self._answer(request[0], self._inner.send(request))

    async def stop(self) -> None:
        try:
            await self._inner.stop()
        except (OSError, EOFError):  # it has gone already
            return

    async def _answer(self, call: str, asked: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(asked, self._own.timeout_s)
        except TimeoutError as error:
            limit = f"{self._own.timeout_s:g} s (timeout_s)"
            raise self._failed(f"does not answer {call}() within {limit}") from error
        except RemoteException as error:
            said = f"{error.remote_type}: {error.remote_msg}"
            raise self._failed(f"fails in {call}(): {said}") from error
        except (Exception, SystemExit) as error:
            said = " ".join(str(error).split())
            raise self._failed(f"fails in {call}(): {type(error).__name__}: {said}") from error

    def _failed(self, what: str) -> RunFailed:
        return RunFailed(
            f"simulator {self._name!r} ({self._own.where}), which acts for {self._own.unit}, {what}"
        )
