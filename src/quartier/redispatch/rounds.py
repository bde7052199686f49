"""Rounds of redispatch: what a connection point cannot keep, the next round respects (M5)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from quartier.coordination import Cap
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import Array
from quartier.redispatch.process import Redispatch, redispatch

KEPT_KW = 0.01
"""A cap exceeded by no more than this is kept."""


@dataclass(frozen=True)
class Round:
    """One round of redispatch: what was decided, and how long it took."""

    number: int
    result: Redispatch
    wall_s: float


@dataclass
class Shortfall:
    """What connection points reported they cannot keep: bounds of their power, ``(T,)``."""

    floors: dict[str, Array] = field(default_factory=dict)
    ceilings: dict[str, Array] = field(default_factory=dict)

    def note(self, asset: str, p_kw: Array, cap: Cap, counted_kw: Array) -> bool:
        """Remember where a cap was not kept; return whether that was anywhere.

        No limit demands consumption: one at zero also was not enough where the grid operator
        counted on less, and feed-in likewise.
        """
        over = p_kw > np.where(cap.p_max_kw == 0, np.minimum(counted_kw, 0), cap.p_max_kw) + KEPT_KW
        least = np.where(cap.p_min_kw == 0, np.maximum(counted_kw, 0), cap.p_min_kw)
        under = p_kw < least - KEPT_KW
        if over.any():
            floor = self.floors.get(asset, np.full_like(p_kw, -np.inf))
            self.floors[asset] = np.where(over, np.maximum(floor, p_kw), floor)
        if under.any():
            ceiling = self.ceilings.get(asset, np.full_like(p_kw, np.inf))
            self.ceilings[asset] = np.where(under, np.minimum(ceiling, p_kw), ceiling)
        return bool(over.any() or under.any())


class Rounds:
    """Redispatch, asked again as long as caps are not kept and rounds are left.

    Parameters
    ----------
    problem
        The network, what feeds in and draws besides the assets, and the settings of redispatch.
    most
        Most rounds.
    """

    def __init__(self, problem: NetworkProblem, most: int) -> None:
        self.problem = problem
        self.history: list[Round] = []
        self.caps: dict[str, Cap] = {}
        self._most = most
        self._shortfall = Shortfall()

    @property
    def tap_pos(self) -> int | None:
        """Tap position chosen; None before the first round."""
        return self.history[-1].result.tap_pos if self.history else None

    def decide(self, offers: Sequence[Offer]) -> dict[str, Cap]:
        """Redispatch what is offered, and return the caps that are new."""
        began = time.perf_counter()
        result = redispatch(
            self.problem, offers, floors=self._shortfall.floors, ceilings=self._shortfall.ceilings
        )
        number = len(self.history) + 1
        self.history.append(Round(number, result, time.perf_counter() - began))
        if result.tap_pos != self.problem.tap_pos or not self.problem.tap_is_fixed:
            # Chosen once for the horizon: later rounds find caps for this position.
            self.problem = replace(self.problem, tap_pos=result.tap_pos, tap_is_fixed=True)
        changed = {n: cap for n, cap in result.caps.items() if not _same(cap, self.caps.get(n))}
        self.caps.update(result.caps)
        return changed

    def unkept(self, accepted: Mapping[str, Array]) -> tuple[str, ...]:
        """Names of those whose accepted power in kW, shape ``(T,)``, does not keep its cap."""
        counted = self.history[-1].result.p_kw
        return tuple(
            name
            for name, p_kw in sorted(accepted.items())
            if self._shortfall.note(name, p_kw, self.caps[name], counted.get(name, p_kw))
        )

    @property
    def any_caps(self) -> bool:
        """Whether anybody has a cap in any step."""
        return any(np.isfinite([c.p_max_kw, c.p_min_kw]).any() for c in self.caps.values())

    @property
    def left(self) -> bool:
        """Whether there may be another round."""
        return len(self.history) < self._most

    def trouble(self) -> Iterator[str]:
        """What the last round could not cure."""
        reasons = self.history[-1].result.reasons if self.history else {}
        if reasons:
            step, reason = next(iter(reasons.items()))
            yield (
                f"redispatch: {len(reasons)} steps not cured, the first is {step} of the gate: "
                f"{reason}"
            )


def _same(cap: Cap, other: Cap | None) -> bool:
    if other is None:
        return False
    return np.array_equal(cap.p_max_kw, other.p_max_kw) and np.array_equal(
        cap.p_min_kw, other.p_min_kw
    )
