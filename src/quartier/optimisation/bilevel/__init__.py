"""Bi-level optimisation for Pyomo: a leader, and followers that answer with their own optimum.

Declare each follower as a Pyomo block, name the blocks, choose a reformulation::

    result = BilevelProblem(model, [Follower(model.low)]).solve("kkt", time_limit=60)

Nothing is called `optimal` that rests on an unproven big M, and no numbers come back that are not a
certified solution. The way of a solve, module by module: `extract` reads the blocks into a `system`
of numbers; `incumbent` looks for a first certified point; `prepare` proves bounds on a `region`
(`bounds`, with the rules for duals in `multipliers`, `clip`, `basic_duals`, `dual_lp`) and calls
`reformulate`, which has the conditions of optimality (`kkt`, `duality`) `placed` in the leader's
program; `milp` solves; `certify` solves the followers alone; `judge` says what it is worth.

`charged` has followers in matrix form that the leader charges, of thousands of rows and columns:
bounds and conditions are the same, points are found and proven in a way of its own.

The package stands alone but for `quartier.program`, `quartier.errors` and the array type of
`quartier.quantities`.
"""

from quartier.optimisation.bilevel.follower import Follower
from quartier.optimisation.bilevel.problem import BilevelProblem
from quartier.optimisation.bilevel.reformulate import REFORMULATIONS, Reformulation
from quartier.optimisation.bilevel.result import BilevelResult, Status

__all__ = [
    "REFORMULATIONS",
    "BilevelProblem",
    "BilevelResult",
    "Follower",
    "Reformulation",
    "Status",
]
