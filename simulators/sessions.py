"""Accounts for what vehicles were due and what they got."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from quartier.quantities import Array
from quartier.simulators.time_based import Snapshot
from quartier.units.base import UnitData


class SessionLog:
    """Energy delivered to each vehicle, known when it departs.

    Parameters
    ----------
    stations
        Charging stations in the order of their power; stays at a station do not overlap.
    times
        Start of every step (UTC), shape ``(T,)``.
    """

    def __init__(self, stations: Sequence[UnitData], times: pd.DatetimeIndex) -> None:
        self._times = times
        self._charged_kwh = np.zeros(len(stations))
        self._at_arrival_kwh = np.zeros(len(stations))
        self._arriving: dict[int, list[int]] = {}
        self._leaving: dict[int, list[tuple[int, str, int, Any]]] = {}
        for k, station in enumerate(stations):
            for number, stay in enumerate(station.sessions):
                row = (k, station.name, number, stay)
                self._leaving.setdefault(stay.departure - 1, []).append(row)
                self._arriving.setdefault(stay.arrival, []).append(k)
        self._dt_h = stations[0].horizon.dt_h if stations else 0.0

    def record(self, first: int, p_kw: Array) -> Iterator[dict[str, Any]]:
        """Count what some steps charge, and yield a row for every vehicle that leaves in them.

        Parameters
        ----------
        p_kw
            Power of the stations, negative when drawn, shape ``(steps, N)``.
        """
        for step, now_kw in enumerate(p_kw, start=first):
            arriving = self._arriving.get(step, [])
            self._at_arrival_kwh[arriving] = self._charged_kwh[arriving]
            self._charged_kwh = self._charged_kwh - now_kw * self._dt_h
            for k, station, number, stay in self._leaving.get(step, ()):
                yield {
                    "unit": station,
                    "session": number,
                    "arrival": self._time(stay.arrival),
                    "departure": self._time(stay.departure),
                    "due_kwh": stay.due_kwh,
                    "delivered_kwh": self._charged_kwh[k] - self._at_arrival_kwh[k],
                }

    def snapshot(self) -> Snapshot:
        """What was charged at each station so far, and when the vehicle there arrived."""
        return {"charged_kwh": self._charged_kwh, "at_arrival_kwh": self._at_arrival_kwh.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        """Go on counting from there."""
        self._charged_kwh = np.array(snapshot["charged_kwh"], dtype=float)
        self._at_arrival_kwh = np.array(snapshot["at_arrival_kwh"], dtype=float)

    def _time(self, step: int) -> pd.Timestamp:
        return self._times[0] + step * pd.Timedelta(hours=self._dt_h)
