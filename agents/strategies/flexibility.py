"""`auction` on redispatch: a flexibility market around the fixed offers p_off (M9)."""

from __future__ import annotations

from quartier.agents.congestion import Maker, PricingDso
from quartier.agents.flexibility import Bidder, FlexibilityDesk
from quartier.agents.strategies.congestion import CongestionPrices
from quartier.redispatch.flexibility_market import FlexibilityMarket


class MarketDso(PricingDso):
    """Buys flexibility before it resorts to P_set."""

    make: Maker = FlexibilityMarket
    desk_type = FlexibilityDesk


class FlexibilityAuction(CongestionPrices):
    """Neighbourhoods bid what they would do other than p_off; the DSO takes what is cheapest."""

    name = "auction"
    dso_type = MarketDso
    taker_type = Bidder
