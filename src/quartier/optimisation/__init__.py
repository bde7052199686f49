"""Pyomo models of units and neighbourhoods, and their solver.

`block` declares units and nodes as Pyomo blocks, `connection` their connection point; `declared`
puts them together, `compiled` makes arrays of it once, and `readings` finds the controls among
the columns. From there on only numbers change, also from one planning window to the next
(`window`): `assembly` is that program, solved again and again by `mixed` and mended by `repair`;
`local_choice` and `directed` (with `bands`) ask it for an agent, `own_optimum` for a whole
neighbourhood. `closed_loop` checks a kind against optimiser, simulator and sampler. `bilevel` is
the one bi-level stack.
"""

from quartier.optimisation.local_choice import LocalChoice
from quartier.optimisation.own_optimum import NeighbourhoodModel, Solution

__all__ = ["LocalChoice", "NeighbourhoodModel", "Solution"]
