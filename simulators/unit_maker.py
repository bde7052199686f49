"""Makes units from plain parameters, for those who use the simulators without Quartier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quartier.quantities import Array, Horizon
from quartier.units import KINDS
from quartier.units.base import UnitData, UnitParameters
from quartier.units.stays import Session


class UnitMaker:
    """Makes units of one kind.

    Parameters
    ----------
    dt_h
        Length of a step in hours.
    steps
        Number of steps of the run.
    start
        Start of the run (local time, or with an offset), to read profiles from.
    """

    def __init__(self, kind: str, dt_h: float, steps: int | None, start: str | None) -> None:
        self.kind, self._dt_h, self._steps, self._start = kind, dt_h, steps, start

    def make(self, count: int, parameters: Mapping[str, Any], first: int) -> list[UnitData]:
        """Make ``count`` units, numbered from ``first``.

        Parameters
        ----------
        parameters
            Parameters of the kind; ``series``, lists of numbers by name; and ``sessions`` of a
            charging station, mappings with ``arrival``, ``departure`` (steps), ``due_kwh``,
            ``max_kw``.

        Raises
        ------
        ValueError
            If parameters or series are missing or wrong.
        """
        kind = KINDS[self.kind]
        own = {k: v for k, v in parameters.items() if k not in {"series", "sessions"}}
        model = kind.Parameters.model_validate({"kind": self.kind, **own})
        problems = list(kind.problems(model))
        prices = [price for price, _ in kind.priced.values()]
        problems += [f"{price} is missing" for price in prices if getattr(model, price) is None]
        if problems:
            raise ValueError("; ".join(problems))
        horizon, state = self._horizon(), kind.initial(model)
        series = self._series(model, parameters.get("series") or {}, horizon)
        sessions = tuple(Session(**s) for s in parameters.get("sessions") or ())
        names = [f"{type(kind).__name__}-{k}" for k in range(first, first + count)]
        made = [
            kind.bounded(
                UnitData(
                    name=name,
                    parameters=model,
                    neighbourhood=name,  # its own, so that it shares nothing with its like
                    agent=name,
                    horizon=horizon,
                    series=series,
                    state=state,
                    sessions=sessions,
                    start_energy_kwh=state.get("energy_kwh", 0.0),
                )
            )
            for name in names
        ]
        if short := list(kind.shortfalls(made[0])):
            raise ValueError("; ".join(short))
        return made

    def _horizon(self) -> Horizon:
        if self._steps is None:
            raise ValueError(f"start the simulator of {self.kind} with steps=<steps of the run>")
        start = pd.Timestamp(self._start or 0, tz=None if self._start else "UTC")
        if start.tzinfo is None:
            start = start.tz_localize("Europe/Berlin")
        return Horizon(start.tz_convert("UTC"), self._steps, self._dt_h)

    def _series(
        self, model: UnitParameters, given: Mapping[str, Sequence[float]], horizon: Horizon
    ) -> dict[str, Array]:
        series = {name: np.asarray(values, dtype=float) for name, values in given.items()}
        for name, values in series.items():
            if values.shape != (horizon.steps,):
                raise ValueError(f"series {name} needs {horizon.steps} values, one a step")
        missing = {n: r for n, r in KINDS[self.kind].requests(model).items() if n not in series}
        if missing and self._start is None:
            raise ValueError(
                f"{self.kind} needs series={{{', '.join(f'{n!r}: [...]' for n in missing)}}}, or "
                "the simulator a start=... from which its profiles are read"
            )
        if missing:
            from quartier.scenario.series import SeriesReader

            reader = SeriesReader(Path.cwd())
            series |= {name: reader.read(request, horizon) for name, request in missing.items()}
        return series
