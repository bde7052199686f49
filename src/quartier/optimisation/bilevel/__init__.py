"""Bi-level optimisation for Pyomo: a leader, and followers that answer with their own optimum.

Declare each follower as a Pyomo block, name the blocks, choose a reformulation::

    result = BilevelProblem(model, [Follower(model.low)]).solve("kkt", time_limit=60)

Nothing is called `optimal` that rests on an unproven big M, and no numbers come back that are not a
certified solution. This package needs Pyomo, HiGHS, NumPy and SciPy, and nothing else of Quartier
but its errors.
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
