"""What all simulators of Quartier share: they step at equal intervals."""

from __future__ import annotations

from typing import Any

import mosaik_api_v3

HOUR_S = 3600


class TimeBased(mosaik_api_v3.Simulator):
    """A time-based mosaik simulator.

    Start it with ``step_size``, the length of a step in mosaik's unit of time (900 by default:
    a quarter of an hour if that unit is a second).
    """

    def __init__(self, models: dict[str, dict[str, Any]]) -> None:
        meta = {"api_version": "3.0", "type": "time-based", "models": models}
        super().__init__(meta)  # type: ignore[no-untyped-call]

    def init(self, sid: str, time_resolution: float = 1.0, **sim_params: Any) -> Any:
        """Remember the length of a step."""
        self.step_size = int(sim_params.pop("step_size", 900))
        self.dt_h = self.step_size * time_resolution / HOUR_S
        self.configure_run(sim_params)
        if sim_params:
            raise TypeError(f"{sid}: unknown parameter {', '.join(sim_params)}")
        return self.meta

    def configure_run(self, sim_params: dict[str, Any]) -> None:
        """Take (pop) further parameters of the simulator."""
