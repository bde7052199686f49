"""Prices that let everybody do what is best for all: answers, their bounds, the next price (M9).

For every price λ, ``L(λ) = Σ_i min_x [C_i(x) - λ·p_i(x)] <= optimum <= cost of any plan``: what
agents answer to a price says how far the plan made of their answers can be from the best.

`response` is how a neighbourhood answers, `suppliers` how a supplier does; `search` collects
answers, and knows bound and cost; `memory` (with `projection`) and `exchange` say what price comes
next. `bids` is how a neighbourhood bids for an hour, `clearing` what comes of the bids of all,
`hourly` the auction of one hour after the other; `blocks` an auction of all hours at once. None of
them knows of agents or messages.
"""

from quartier.optimisation.prices.bids import Bid, Bidder
from quartier.optimisation.prices.blocks import Blocks
from quartier.optimisation.prices.congested import CongestedResponder, Demand
from quartier.optimisation.prices.exchange import Exchange
from quartier.optimisation.prices.hourly import Hourly, Pass
from quartier.optimisation.prices.memory import Memory
from quartier.optimisation.prices.response import Responder, Response
from quartier.optimisation.prices.search import (
    OWN_RULE,
    Balanced,
    Question,
    Round,
    Search,
    cost_of_all,
)
from quartier.optimisation.prices.suppliers import Served, Suppliers, serve

__all__ = [
    "OWN_RULE",
    "Balanced",
    "Bid",
    "Bidder",
    "Blocks",
    "CongestedResponder",
    "Demand",
    "Exchange",
    "Hourly",
    "Memory",
    "Pass",
    "Question",
    "Responder",
    "Response",
    "Round",
    "Search",
    "Served",
    "Suppliers",
    "cost_of_all",
    "serve",
]
