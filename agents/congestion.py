"""The grid operator's agent with prices: offers, prices of what is congested, P_set at the end.

Offers come first, as always (M5); the DSO's own redispatch on them gives the tap position, and the
caps that hold if prices fail. Where nothing is congested, that is all. Else it calls prices of the
limits until no price promises a better plan, AC power flow between rounds, and awards. Plants get
a cap where the plan takes less of them than they offer: at any price their answer is known from
the offer and the price of their lost energy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from quartier.agents.base import hears
from quartier.agents.dso import DsoAgent
from quartier.agents.market import MarketAgent
from quartier.agents.messages import Failed, OfferMade
from quartier.agents.price_messages import Awarded, PriceAnswer
from quartier.coordination import Cap
from quartier.errors import SolveFailed
from quartier.hiccups import note_kept
from quartier.optimisation.prices import Response, Search
from quartier.planning import Asset, Forecast
from quartier.problem import NetworkProblem
from quartier.quantities import KW_PER_MW, POWER_TOLERANCE_KW, Array
from quartier.redispatch.grid_others import GridOthers
from quartier.redispatch.limit_prices import LimitPrices
from quartier.redispatch.linear_grid import LinearGrid
from quartier.scenario.settings import MarketSettings

FOR_PRICES = 0.7
"""Part of the time of a gate in which prices are called and awarded; the rest is for P_set.

Calls end earlier, after :data:`~quartier.agents.asking.FOR_ROUNDS` of it: 0.63 of the gate's time.
"""

Maker = Callable[[GridOthers, Mapping[str, Response], float], LimitPrices]
"""Makes a search from what the grid operator decides, what is published, and the tolerance."""


class PriceDesk(MarketAgent):
    """The part of the DSO's agent that calls prices, in its name and over its lines.

    Parameters
    ----------
    owner
        The DSO's agent.
    decided
        What to do when prices are found, or time is over.
    """

    _search: LimitPrices

    def __init__(
        self,
        owner: DsoAgent,
        settings: MarketSettings,
        patience_s: float,
        lead_s: float,
        decided: Callable[[], None],
    ) -> None:
        super().__init__(owner.title, None, settings, patience_s, FOR_PRICES * lead_s)
        self._owner, self._decided = owner, decided
        self.search: LimitPrices | None = None
        """What answers come to, as soon as there is a congestion."""

    @property
    def now_s(self) -> float:
        """Simulated time in seconds."""
        return self._owner.now_s

    def tell(self, receiver: str, content: object) -> None:
        """Send a message in the owner's name."""
        self._owner.tell(receiver, content)

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        """Do something later, contained in the owner."""
        self._owner.later(delay_s, work)

    def fail(self, error: Exception) -> None:
        """Fail with the owner."""
        raise error

    def serve(self, search: Search[GridOthers]) -> None:
        """Begin to call prices."""
        super().serve(search)
        assert isinstance(search, LimitPrices)
        self.search = search
        self.on_ready()

    def _conclude(self) -> None:
        try:
            super()._conclude()
        except SolveFailed as failure:
            note_kept(failure, "P_set holds")
            self._search.worst = np.inf
            super()._end()
            self._decided()

    def _end(self) -> None:
        self._search.verify()
        super()._end()
        self._decided()

    def _insist(self, times: int = 1) -> None:
        if self._search.is_clean:
            super()._insist(times)
        else:
            self.unacknowledged = set()


class PricingDso(DsoAgent):
    """Calls prices of what is congested before it resorts to P_set.

    Parameters
    ----------
    settings
        How prices are found.
    patience_s, lead_s
        Simulated time in s after which nobody is waited for, and that everything may take.
    published
        What each neighbourhood published beforehand: what it does by its own rules.
    import_price_eur_per_kwh
        Price of the CO2 of imports (U2), shape ``(T,)``.
    """

    make: Maker = LimitPrices
    """Makes the search."""
    desk_type: type[PriceDesk] = PriceDesk

    def __init__(
        self,
        name: str,
        problem: NetworkProblem,
        assets: Sequence[Asset],
        rounds: int,
        forecasts: Mapping[str, Forecast],
        settings: MarketSettings,
        patience_s: float,
        lead_s: float,
        published: Mapping[str, Response],
        import_price_eur_per_kwh: Array,
    ) -> None:
        super().__init__(name, problem, assets, rounds, forecasts)
        self.desk = self.desk_type(self, settings, patience_s, lead_s, self._decided)
        self.is_priced = False
        """Whether prices led to a plan that keeps all limits in AC."""
        self._tolerance, self._published = settings.tolerance, published
        self._import_price = import_price_eur_per_kwh
        self._fallback: set[str] = set()

    @property
    def is_pricing(self) -> bool:
        """Whether prices are being looked for."""
        return self.desk.search is not None and self.desk.outcome is None

    def _order(self, names: set[str]) -> None:
        offered = {name: self._published[name] for name in self._published if name in self.offers}
        if len(self.history) > 1 or not self.rounds.any_caps or not offered:
            super()._order(names)
            return
        self._fallback, self.waiting = names, set()
        offers = [self.offers[name] for name in self.assets if name in self.offers]
        result = self.history[0].result
        grid = LinearGrid(self.rounds.problem, offers, result.tap_pos)
        grid.note(grid.assets.offered_mw)
        grid.linearise(np.column_stack([result.p_kw[o.asset] for o in offers]) / KW_PER_MW)
        others = GridOthers(grid, len(offered), self._import_price)
        self.desk.serve(type(self).make(others, offered, self._tolerance))

    def _decided(self) -> None:
        """Set the plants for what was awarded; without a clean plan, P_set is for everybody."""
        search = self.desk.search
        assert search is not None
        self.is_priced = search.is_clean
        names = self._fallback
        if self.is_priced:
            self.rounds.caps.update(self.dispatch(search))
            names = {name for name in self.rounds.caps if name not in self._published}
        super()._order(names)

    @staticmethod
    def dispatch(search: LimitPrices) -> dict[str, Cap]:
        """Caps of the plants as planned; the neighbourhoods have none."""
        assets, found = search.supply.grid.assets, {}
        for k, name in enumerate(assets.names):
            p_kw = KW_PER_MW * search.power_mw[:, k]
            none = np.full(p_kw.size, -np.inf)
            lowered = p_kw < KW_PER_MW * assets.offered_mw[:, k] - POWER_TOLERANCE_KW
            lowered &= k >= len(search.published)
            found[name] = Cap(np.where(lowered, np.maximum(p_kw, 0.0), np.inf), none)
        return found

    # -- what is heard ------------------------------------------------------------------------
    @hears(OfferMade)
    def on_offer(self, made: OfferMade, sender: str) -> None:
        """Collect the offers; one that comes after prices were called is too late."""
        if self.desk.search is None:
            self._take_offer(made)

    @hears(PriceAnswer)
    def on_answer(self, answer: PriceAnswer, sender: str) -> None:
        """Take in an answer to a price."""
        self.desk.on_answer(answer, {"sender_id": sender})

    @hears(Awarded)
    def on_awarded(self, answer: Awarded, sender: str) -> None:
        """Note who does what it was awarded."""
        self.desk.on_awarded(answer, {"sender_id": sender})

    @hears(Failed)
    def on_failed(self, failed: Failed, sender: str) -> None:
        """Go on without an agent that died."""
        self._take_failure(failed)
        if self.desk.search is not None and failed.agent in self._published:
            self.desk.on_failed(failed, {"sender_id": sender})
