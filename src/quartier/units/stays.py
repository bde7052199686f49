"""Stays of vehicles at a charging point, and what they ask of its power and energy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array


@dataclass(frozen=True)
class Session:
    """A vehicle's stay at a charging point.

    ``arrival`` and ``departure`` count steps from the horizon's start (in a window cut from a
    longer horizon they may lie outside it); the vehicle is there in the steps
    ``arrival <= t < departure`` and is due ``due_kwh`` by ``departure``.
    """

    arrival: int
    departure: int
    due_kwh: float
    max_kw: float


class Stays(Sequence[Session]):
    """Sessions kept as columns, shape ``(N,)`` each.

    A year of them is cut at every gate: as columns, that is a subtraction.
    """

    def __init__(
        self,
        arrival: NDArray[np.int64],
        departure: NDArray[np.int64],
        due_kwh: Array,
        max_kw: Array,
    ) -> None:
        self.arrival, self.departure = arrival, departure
        self.due_kwh, self.max_kw = due_kwh, max_kw

    @classmethod
    def of(cls, sessions: Iterable[Session]) -> Stays:
        """Return sessions as columns; those that are columns already as they are."""
        if isinstance(sessions, Stays):
            return sessions
        rows = [(s.arrival, s.departure, s.due_kwh, s.max_kw) for s in sessions]
        arrival, departure, due_kwh, max_kw = np.array(rows, dtype=float).reshape(-1, 4).T.copy()
        return cls(arrival.astype(np.int64), departure.astype(np.int64), due_kwh, max_kw)

    def from_step(self, first: int) -> Stays:
        """Return the same stays, with steps counted from step ``first``."""
        return Stays(self.arrival - first, self.departure - first, self.due_kwh, self.max_kw)

    def within(self, steps: int) -> Iterator[Session]:
        """Those of which a part lies in the first ``steps`` steps."""
        return map(self._at, np.flatnonzero((self.departure > 0) & (self.arrival < steps)))

    def over_kwh(self, power_kw: float, dt_h: float) -> float:
        """Energy delivered to those that were over before the first step."""
        over = self.departure <= 0
        stay = self.departure[over] - self.arrival[over]
        full_kwh = np.minimum(self.max_kw[over], power_kw) * dt_h
        done_kwh = np.minimum(self.due_kwh[over], full_kwh * stay)
        # One after another, as they are counted while they come: rounding is the same.
        return float(np.cumsum(done_kwh)[-1]) if len(done_kwh) else 0.0

    def _at(self, k: int | np.intp) -> Session:
        return Session(
            int(self.arrival[k]),
            int(self.departure[k]),
            float(self.due_kwh[k]),
            float(self.max_kw[k]),
        )

    def at(self, places: NDArray[np.integer]) -> Stays:
        """Return those at some places, in their order."""
        return Stays(
            self.arrival[places],
            self.departure[places],
            self.due_kwh[places],
            self.max_kw[places],
        )

    def __len__(self) -> int:
        return len(self.arrival)

    @overload
    def __getitem__(self, k: int) -> Session: ...
    @overload
    def __getitem__(self, k: slice) -> Stays: ...
    def __getitem__(self, k: int | slice) -> Session | Stays:
        if isinstance(k, slice):
            return Stays(self.arrival[k], self.departure[k], self.due_kwh[k], self.max_kw[k])
        return self._at(k)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Stays.of({list(self)!r})"


def plugged_kw(sessions: Sequence[Session], steps: int, power_kw: float) -> Array:
    """Greatest power in each step: that of the vehicle there and of the point, shape ``(T,)``."""
    plug_kw = np.zeros(steps)
    for session in Stays.of(sessions).within(steps):
        plug_kw[max(session.arrival, 0) : session.departure] = min(session.max_kw, power_kw)
    return plug_kw


def corridor(
    sessions: Sequence[Session], steps: int, power_kw: float, dt_h: float
) -> tuple[Array, Array]:
    """Least and greatest energy delivered at the boundaries of the steps, shape ``(T+1,)``.

    Sessions that were over before the first step count in full, as they do in the unit's state.
    """
    stays = Stays.of(sessions)
    least, most = np.full((2, steps + 1), stays.over_kwh(power_kw, dt_h))
    for session in stays.within(steps):
        full_kwh = min(session.max_kw, power_kw) * dt_h
        stay = session.departure - session.arrival
        # Before, nothing is delivered; after, what is at the departure.
        there = slice(max(session.arrival, 0), session.departure + 1)
        boundary = np.arange(steps + 1)[there]
        been = boundary - session.arrival
        left = session.departure - boundary
        soonest = np.minimum(session.due_kwh, full_kwh * been)
        # Sessions that ask for more than their stay allows are cut; rounding may not.
        latest = np.minimum(np.clip(session.due_kwh - full_kwh * left, 0.0, None), soonest)
        most[there] += soonest
        least[there] += latest
        most[there.stop :] += min(session.due_kwh, full_kwh * stay)
        least[there.stop :] += latest[-1]
    return least, most
