"""What all simulators of Quartier share: they step at equal intervals, and can be continued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import mosaik_api_v3

HOUR_S = 3600

Snapshot: TypeAlias = Mapping[str, Any]
"""What goes from one step to the next: numbers, texts, arrays, and mappings and lists of them."""


class TimeBased(mosaik_api_v3.Simulator):
    """A time-based mosaik simulator.

    Start it with ``step_size``, the length of a step in mosaik's unit of time (900 by default:
    a quarter of an hour if that unit is a second). ``first_step`` is the number of the step that a
    world begins with (0), and ``snapshot`` what :meth:`snapshot` returned at the end of the step
    before.
    """

    def __init__(self, models: dict[str, dict[str, Any]]) -> None:
        meta = {"api_version": "3.0", "type": "time-based", "models": models}
        super().__init__(meta)  # type: ignore[no-untyped-call]
        self.first_step = 0

    def init(self, sid: str, time_resolution: float = 1.0, **sim_params: Any) -> Any:
        """Remember the length of a step, and what to begin with."""
        self.step_size = int(sim_params.pop("step_size", 900))
        self.dt_h = self.step_size * time_resolution / HOUR_S
        self.first_step = int(sim_params.pop("first_step", 0))
        self._start: Snapshot | None = sim_params.pop("snapshot", None)
        self.configure_run(sim_params)
        if sim_params:
            raise TypeError(f"{sid}: unknown parameter {', '.join(sim_params)}")
        return self.meta

    def configure_run(self, sim_params: dict[str, Any]) -> None:
        """Take (pop) further parameters of the simulator."""

    def setup_done(self) -> None:
        """Prepare all that is the same in every step, then begin where a snapshot was taken."""
        self.prepare()
        if self._start is not None:
            self.restore(self._start)

    def prepare(self) -> None:
        """Prepare what is the same in every step."""

    def step_number(self, time: int) -> int:
        """Number of the step at a time of mosaik's."""
        return self.first_step + time // self.step_size

    def snapshot(self) -> Snapshot:
        """What this simulator needs to go on after the last step; nothing by default."""
        return {}

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of this simulator, or of one made in the same way."""
