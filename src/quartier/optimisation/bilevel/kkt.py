"""KKT conditions of a follower in a program, complementarity by binaries.

Per side `g >= 0` with multiplier μ: `g <= S (1 - z)`, `μ <= M z`, z binary (Fortuny-Amat, McCarl,
J. Oper. Res. Soc. 32(9), 1981).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from quartier.optimisation.bilevel.bounds import FollowerBounds
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.system import stationarity


@dataclass
class Conditions:
    """Columns that a follower's optimality conditions added to a program.

    Parameters
    ----------
    bounds
        The follower's sides with their bounds.
    multipliers
        Column of each side's multiplier, by position of the side.
    switches
        Column of each side's binary z, where it has one.
    """

    bounds: FollowerBounds
    multipliers: dict[int, int] = field(default_factory=dict)
    switches: dict[int, int] = field(default_factory=dict)


def add_dual_feasibility(program: Program, bounds: FollowerBounds) -> Conditions:
    """Add multipliers and stationarity `∂f/∂y_j = Σ_s a_sj μ_s`."""
    found = Conditions(bounds)
    for s, bounded in enumerate(bounds.sides):
        found.multipliers[s] = program.column(f"dual of {bounded.side.name}", *bounded.dual)
    by_column: dict[int, dict[int, float]] = {}
    for s, bounded in enumerate(bounds.sides):
        for k, a in bounded.side.coefs.items():
            by_column.setdefault(k, {})[found.multipliers[s]] = a
    for j, _, gradient in stationarity(bounds.form):
        coefs = dict(by_column.get(j, {}))
        coefs.update({k: -c for k, c in gradient.items()})
        c_j = bounds.form.cost.get(j, 0.0)
        program.row(f"stationarity of {program.names[j]}", coefs, c_j, c_j)
    return found


def add_complementarity(program: Program, conditions: Conditions) -> None:
    """Add one binary per inequality whose slack and multiplier can both be positive."""
    for s, bounded in enumerate(conditions.bounds.sides):
        side, most = bounded.side, bounded.dual[1]
        if side.equality or most <= 0.0 or bounded.slack <= 0.0:
            continue
        z = program.column(f"active: {side.name}", 0.0, 1.0, integer=True)
        conditions.switches[s] = z
        mu = conditions.multipliers[s]
        program.row(f"dual only if active: {side.name}", {mu: 1.0, z: -most}, upper=0.0)
        limit = side.rhs + bounded.slack
        program.row(f"active: {side.name}", {**side.coefs, z: bounded.slack}, upper=limit)
