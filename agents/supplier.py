"""A supplier's agent: answers prices, or bids its blocks, and keeps its costs (M9)."""

from __future__ import annotations

import numpy as np

from quartier.agents.auction_messages import BlocksBid, BlocksCall
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.messages import frozen
from quartier.agents.price_messages import Awarded, Contract, PriceCall, ServeAnswer
from quartier.optimisation.prices import serve
from quartier.problem import Supply
from quartier.quantities import Array


class SupplierAgent(QuartierAgent):
    """Knows its own blocks, and nobody else's.

    Parameters
    ----------
    own
        Its blocks; they give, and take nothing.
    market
        Name of the market's agent.
    """

    def __init__(self, name: str, own: Supply, market: str) -> None:
        super().__init__(name, principal=market)
        self._own = own
        self.contract: Contract | None = None
        self._said: dict[int, ServeAnswer] = {}

    @hears(PriceCall)
    def on_price(self, call: PriceCall, sender: str) -> None:
        """Answer a price; one that is asked again, with the same words."""
        number = call.negotiation.round
        if number not in self._said:
            found = serve(
                self._own, call.price_eur_per_kwh, call.weight_eur_per_kwh_kw, call.target_kw
            )
            self._said[number] = ServeAnswer(
                call.negotiation,
                self.title,
                frozen(found.p_kw),
                frozen(found.cost_eur),
                found.bound_eur,
            )
        self.tell(sender, self._said[number])

    @hears(BlocksCall)
    def on_call(self, call: BlocksCall, sender: str) -> None:
        """Bid all blocks."""
        price, most = frozen(self._own.price_eur_per_kwh), frozen(self._own.most_kw)
        self.tell(sender, BlocksBid(call.negotiation, self.title, price, most))

    @hears(Contract)
    def on_contract(self, contract: Contract, sender: str) -> None:
        """Note what it is to give."""
        self.contract = contract
        self.tell(sender, Awarded(contract.negotiation, self.title))


def blocks_of(bid: BlocksBid, dt_h: float) -> Supply:
    """What a supplier bid, as blocks."""
    nothing: Array = np.zeros_like(bid.most_kw)
    return Supply(dt_h, bid.price_eur_per_kwh, nothing, bid.most_kw)
