"""Simulators of the user's own in the world of a run: how they are reached."""

from __future__ import annotations

import asyncio
import os
import shlex
from pathlib import Path
from typing import Any

from mosaik.async_scenario import MosaikConfigTotal
from mosaik.exceptions import ScenarioError, SimulationError
from mosaik.proxies import BaseProxy
from mosaik.simmanager import MosaikRemote
from mosaik.starters import ConnectStarter, PythonStarter, Starter

from quartier.errors import RunFailed
from quartier.own_code import named
from quartier.scenario.own_simulators import OwnSimulator
from quartier.simulators.child import Child

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


class OwnStarter(Starter):
    """Starts a simulator of the user's own, or calls it.

    Parameters
    ----------
    folder
        Where what a command writes to standard error is kept, in ``simulator-<name>.txt``.
    """

    api_version = None

    def __init__(self, name: str, own: OwnSimulator, folder: Path) -> None:
        self._name, self._own, self._folder = name, own, folder
        self.called = f"simulator {name!r} ({own.where}), which acts for {own.unit},"
        """Words for it."""

    async def start(
        self, sim_id: str, mosaik_remote: MosaikRemote, mosaik_config: MosaikConfigTotal
    ) -> BaseProxy:
        """Reach it (RunFailed: nobody is there)."""
        own = self._own
        limit_s = ANSWER_S if own.connect else own.timeout_s
        try:
            starter = self._starter()
            began = starter.start(self._name, mosaik_remote, mosaik_config)
            proxy = await asyncio.wait_for(began, limit_s)
        except (TimeoutError, ScenarioError, SimulationError) as error:
            why = f"nobody answers within {limit_s:g} s" if own.connect else f"{error or 'no call'}"
            hint = "start it before the run" if own.connect else "see what it prints"
            raise RunFailed(
                f"simulator {self._name!r} ({own.where}) cannot be reached: {why}; {hint}"
            ) from error
        init = proxy.init

        async def checked(sid: str, **params: Any) -> list[int]:
            try:
                version = await init(sid, **params)
                if version[0] != API:
                    spoken = ".".join(map(str, version))
                    what = f"speaks version {spoken} of mosaik's API, not {API}; update it"
                    raise RunFailed(f"{self.called} {what}")
            except RunFailed:
                await proxy.stop()  # mosaik knows nothing of it yet
                raise
            return version

        proxy.init = checked  # type: ignore[method-assign]
        return proxy

    def _starter(self) -> Starter:
        own = self._own
        if own.connect is not None:
            return ConnectStarter.from_addr_string(own.connect)
        if own.cmd is not None:
            command = shlex.split(own.cmd, posix=os.name != "nt")
            return Child(command, own.timeout_s, self._folder / f"simulator-{self._name}.txt")
        return PythonStarter(named(str(own.python), f"simulator {self._name!r}"))

    @classmethod
    def from_starter_config(cls, starter_config: Any) -> None:
        """Take no part in mosaik's own configuration."""
        return
