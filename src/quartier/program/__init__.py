"""One program, one solver: linear, mixed-integer or convex quadratic arrays, and HiGHS on them.

:mod:`~quartier.program.arrays` says what a program is, and how programs are put together and made
smaller; :mod:`~quartier.program.highs` solves one again and again, costs, bounds and rows changed
in place; :mod:`~quartier.program.answer` says what came of it. All solving is done here: what units
and nodes declare as Pyomo blocks is compiled to arrays once, and Pyomo is not asked again.
"""

from quartier.program.answer import LIMITS, PROVEN, Answer, relative_gap
from quartier.program.arrays import Arrays, Block, Flags, Indices, stacked
from quartier.program.highs import Highs

__all__ = [
    "LIMITS",
    "PROVEN",
    "Answer",
    "Arrays",
    "Block",
    "Flags",
    "Highs",
    "Indices",
    "relative_gap",
    "stacked",
]
