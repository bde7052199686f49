"""The DSO's agent: asks for offers, removes congestion with P_set, checks what was accepted."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from quartier.agents.base import QuartierAgent, hears
from quartier.agents.messages import Accepted, CallForOffers, Failed, OfferMade, SetCap, frozen
from quartier.coordination import Cap
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import Array
from quartier.redispatch import Redispatch, redispatch

logger = logging.getLogger(__name__)

KEPT_KW = 0.01
"""A cap exceeded by no more than this is kept."""


@dataclass(frozen=True)
class Asset:
    """What the DSO knows of a connection point before it offers anything."""

    name: str
    kind: str
    bus: int
    price_eur_per_kwh: float
    raise_price_eur_per_kwh: float


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

    def note(self, asset: str, p_kw: Array, cap: Cap) -> bool:
        """Remember where a cap was not kept; return whether that was anywhere."""
        over, under = p_kw > cap.p_max_kw + KEPT_KW, p_kw < cap.p_min_kw - KEPT_KW
        if over.any():
            floor = self.floors.get(asset, np.full_like(p_kw, -np.inf))
            self.floors[asset] = np.where(over, np.maximum(floor, p_kw), floor)
        if under.any():
            ceiling = self.ceilings.get(asset, np.full_like(p_kw, np.inf))
            self.ceilings[asset] = np.where(under, np.minimum(ceiling, p_kw), ceiling)
        return bool(over.any() or under.any())


class DsoAgent(QuartierAgent):
    """Runs the process of M5 with every connection point of at least the threshold's size.

    Parameters
    ----------
    problem
        The network, what feeds in and draws besides the assets, and the settings of redispatch.
    assets
        Who may be asked.
    rounds
        Most rounds of redispatch.
    """

    def __init__(
        self, name: str, problem: NetworkProblem, assets: Sequence[Asset], rounds: int
    ) -> None:
        super().__init__(name)
        self.problem = problem
        self.assets: Mapping[str, Asset] = {asset.name: asset for asset in assets}
        self.offers: dict[str, Offer] = {}
        self.caps: dict[str, Cap] = {}
        self.accepted: dict[str, Array] = {}
        self.history: list[Round] = []
        self.unkept: tuple[str, ...] = ()
        self.failures: dict[str, str] = {}
        self._rounds = rounds
        self._waiting: set[str] = set()
        self._shortfall = Shortfall()

    def on_ready(self) -> None:
        """Call for offers as soon as everybody is there."""
        for asset in self.assets:
            self.tell(asset, CallForOffers())

    @hears(OfferMade)
    def on_offer(self, made: OfferMade, sender: str) -> None:
        """Collect the offers; the last one starts the redispatch."""
        asset = self.assets[made.asset]
        if made.asset in self.offers:
            return  # the first offer is the one that counts: p_off is fixed (M4)
        self.offers[made.asset] = Offer(
            asset.name,
            asset.kind,
            asset.bus,
            made.p_kw,
            made.down_kw,
            made.up_kw,
            made.q_kvar,
            asset.price_eur_per_kwh,
            asset.raise_price_eur_per_kwh,
        )
        if self._all_offered():
            self._redispatch()

    @hears(Failed)
    def on_failed(self, failed: Failed, sender: str) -> None:
        """Go on without a connection point whose agent died."""
        self.failures[failed.agent] = failed.reason
        self._waiting.discard(failed.agent)
        if not self.history and self._all_offered():
            self._redispatch()

    def _all_offered(self) -> bool:
        return self.offers.keys() >= self.assets.keys() - self.failures.keys()

    def _redispatch(self) -> None:
        number = len(self.history) + 1
        began = time.perf_counter()
        offers = [self.offers[name] for name in self.assets if name in self.offers]
        result = redispatch(
            self.problem, offers, floors=self._shortfall.floors, ceilings=self._shortfall.ceilings
        )
        self.history.append(Round(number, result, time.perf_counter() - began))
        if result.tap_pos != self.problem.tap_pos or not self.problem.tap_is_fixed:
            # Chosen once for the horizon: later rounds find caps for this position.
            self.problem = replace(self.problem, tap_pos=result.tap_pos, tap_is_fixed=True)
        self._tell_caps(number, result.caps)

    def _tell_caps(self, number: int, caps: Mapping[str, Cap]) -> None:
        changed = {name: cap for name, cap in caps.items() if not _same(cap, self.caps.get(name))}
        self.caps.update(caps)
        self._waiting = set(changed)
        for name, cap in changed.items():
            self.tell(name, SetCap(number, frozen(cap.p_max_kw), frozen(cap.p_min_kw)))

    @hears(Accepted)
    def on_accepted(self, answer: Accepted, sender: str) -> None:
        """Note what will be done; solve again with what is left if a cap cannot be kept."""
        if answer.round != len(self.history):
            return  # about caps that were replaced since
        self.accepted[answer.asset] = answer.p_kw
        self._waiting.discard(answer.asset)
        if not self._waiting:
            self._review()

    def _review(self) -> None:
        self.unkept = tuple(
            name
            for name, p_kw in sorted(self.accepted.items())
            if self._shortfall.note(name, p_kw, self.caps[name])
        )
        if self.unkept and len(self.history) < self._rounds:
            logger.info("caps not kept by %s: redispatch again", ", ".join(self.unkept))
            self._redispatch()


def _same(cap: Cap, other: Cap | None) -> bool:
    if other is None:
        return False
    return np.array_equal(cap.p_max_kw, other.p_max_kw) and np.array_equal(
        cap.p_min_kw, other.p_min_kw
    )
