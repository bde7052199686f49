"""From a bi-level problem to one program: the four reformulations."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from quartier.errors import InputError
from quartier.optimisation.bilevel.bounds import BoundedSide, FollowerBounds, follower_bounds
from quartier.optimisation.bilevel.duality import duality_row, exact_duality_row, leader_terms
from quartier.optimisation.bilevel.kkt import (
    Conditions,
    add_complementarity,
    add_dual_feasibility,
)
from quartier.optimisation.bilevel.pricing import linearise_objective
from quartier.optimisation.bilevel.products import Envelopes
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.sides import sides
from quartier.optimisation.bilevel.system import FollowerForm, System

Reformulation = Literal["kkt", "kkt+cut", "strong-duality", "primal-dual"]
REFORMULATIONS: tuple[str, ...] = get_args(Reformulation)


@dataclass(frozen=True)
class SingleLevel:
    """A reformulated problem.

    Parameters
    ----------
    program
        The columns of the system first, then what the reformulation added.
    conditions
        Per follower, the added columns and the bounds they rest on.
    is_relaxation
        Whether solutions must still be checked for the followers' optimality (`primal-dual`).
    """

    program: Program
    conditions: tuple[Conditions, ...]
    is_relaxation: bool

    @property
    def unproven(self) -> tuple[str, ...]:
        """Phrases for the bounds that are not proven."""
        return tuple(doubt for c in self.conditions for doubt in c.bounds.unproven)


def reformulate(region: Region, how: str, big_m: float, guessed_slack: float = inf) -> SingleLevel:
    """Replace the followers by conditions.

    Parameters
    ----------
    region
        Where optima can lie.
    how
        One of `REFORMULATIONS`.
    big_m, guessed_slack
        For duals and slacks that nothing else bounds, unproven.

    Raises
    ------
    InputError
        If the reformulation does not apply, naming the constraint that stands against it.
    """
    if how not in REFORMULATIONS:
        raise InputError([unknown(how)], "solve()")
    system = region.system
    program = system.high_point()
    guesses = big_m, guessed_slack
    conditions = tuple(_add_follower(program, region, f, how, guesses) for f in system.followers)
    linearise_objective(program, system, conditions)
    return SingleLevel(program, conditions, how == "primal-dual")


def unknown(how: str) -> str:
    """What is wrong with the name of a reformulation."""
    known = ", ".join(f"'{name}'" for name in REFORMULATIONS)
    return f"no reformulation '{how}'; there are {known}"


def _add_follower(
    program: Program, region: Region, form: FollowerForm, how: str, guesses: tuple[float, float]
) -> Conditions:
    big_m, guessed_slack = guesses
    if how == "primal-dual":
        _must_be_lp(form, how)
        return add_dual_feasibility(program, _unbounded(region.system, form))
    if how == "strong-duality":
        _must_be_lp(form, how)
        return _strong_duality(program, region, form, big_m)
    bounds = follower_bounds(region, form, big_m=big_m, guessed_slack=guessed_slack)
    found = add_dual_feasibility(program, bounds)
    add_complementarity(program, found)
    if how == "kkt+cut":
        with_bounds = _with_region(program, region)
        found_sides = [b.side for b in found.bounds.sides]
        row = duality_row(form, found_sides, found.multipliers, Envelopes(with_bounds))
        if row is not None:
            program.rows.append(row)
    return found


def _strong_duality(
    program: Program, region: Region, form: FollowerForm, big_m: float
) -> Conditions:
    found_sides = sides(form, region.system.leader)
    multiplied = {s for s, _, _ in leader_terms(form, found_sides)}
    bounds = _unbounded(region.system, form)
    if multiplied:
        # Only multipliers in a product need a bound; the others stay free of any doubt.
        bounded = follower_bounds(region, form, big_m=big_m, slacks=False)
        chosen = [b if s in multiplied else bounds.sides[s] for s, b in enumerate(bounded.sides)]
        bounds = FollowerBounds(form, tuple(chosen))
    found = add_dual_feasibility(program, bounds)
    envelopes = Envelopes(_with_region(program, region))
    program.rows.append(exact_duality_row(form, found_sides, found.multipliers, envelopes))
    return found


def _unbounded(system: System, form: FollowerForm) -> FollowerBounds:
    """Sides with nothing but the sign of their multipliers."""
    return FollowerBounds(
        form,
        tuple(
            BoundedSide(side, (-inf, inf) if side.equality else (0.0, inf), inf)
            for side in sides(form, system.leader)
        ),
    )


def _with_region(program: Program, region: Region) -> Program:
    """The program itself, its system columns tightened to the region (products need bounds)."""
    for k in range(len(region.lower)):
        program.lower[k] = max(program.lower[k], float(region.lower[k]))
        program.upper[k] = min(program.upper[k], float(region.upper[k]))
    return program


def _must_be_lp(form: FollowerForm, how: str) -> None:
    if not form.is_linear:
        raise InputError(
            [f"follower '{form.name}' is a QP; '{how}' needs LPs: use 'kkt' or 'kkt+cut'"],
            f"reformulation '{how}'",
        )
