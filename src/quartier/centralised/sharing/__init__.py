"""Sharing with everything known: each for itself, all under one operator, or at its prices (M8).

`mechanisms` has `individual`, `central` and `bilevel`. All of them solve programs of single
neighbourhoods; `pool` puts these behind one balance with the outer grid, whose multipliers are
prices; `prices` chooses among them; `game` is the leader that they do not serve.
"""

from quartier.centralised.sharing.mechanisms import (
    BilevelSharing,
    CentralSharing,
    IndividualSharing,
)

__all__ = ["BilevelSharing", "CentralSharing", "IndividualSharing"]
