"""From a bi-level problem to one program: the four reformulations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Literal, get_args

from quartier.errors import InputError
from quartier.optimisation.bilevel.bounds import follower_bounds
from quartier.optimisation.bilevel.duality import leader_terms
from quartier.optimisation.bilevel.kkt import Conditions, EntryBounds, signs_only
from quartier.optimisation.bilevel.placed import Placed
from quartier.optimisation.bilevel.pricing import linearise_objective
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.system import FollowerForm

Reformulation = Literal["kkt", "kkt+cut", "strong-duality", "primal-dual"]
REFORMULATIONS: tuple[str, ...] = get_args(Reformulation)


@dataclass(frozen=True)
class SingleLevel:
    """A reformulated problem.

    Parameters
    ----------
    program
        The columns of the system first, then what the reformulation added.
    placed
        Per follower, its conditions in the program.
    is_relaxation
        Whether solutions must still be checked for the followers' optimality (`primal-dual`).
    """

    program: Program
    placed: tuple[Placed, ...]
    is_relaxation: bool

    @property
    def unproven(self) -> tuple[str, ...]:
        """Phrases for the bounds that are not proven."""
        return tuple(doubt for p in self.placed for doubt in p.conditions.bounds.unproven)


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
    placed = tuple(_add_follower(program, region, f, how, guesses) for f in system.followers)
    linearise_objective(program, system, placed)
    return SingleLevel(program, placed, how == "primal-dual")


def unknown(how: str) -> str:
    """What is wrong with the name of a reformulation."""
    known = ", ".join(f"'{name}'" for name in REFORMULATIONS)
    return f"no reformulation '{how}'; there are {known}"


def _add_follower(
    program: Program, region: Region, form: FollowerForm, how: str, guesses: tuple[float, float]
) -> Placed:
    big_m, guessed_slack = guesses
    if how in ("primal-dual", "strong-duality"):
        if not form.is_linear:
            raise InputError(
                [f"follower '{form.name}' is a QP; '{how}' needs LPs: use 'kkt' or 'kkt+cut'"],
                f"reformulation '{how}'",
            )
        leader = region.system.leader
        bounds = signs_only(form, form.limits(leader.lower, leader.upper))
        if how == "strong-duality":
            bounds = _bounded_where_multiplied(region, form, bounds, big_m)
        placed = Placed(program, Conditions(form, bounds, switched=False))
        if how == "strong-duality":
            placed.add_duality(_with_region(program, region), exact=True)
        return placed
    bounds = follower_bounds(region, form, big_m=big_m, guessed_slack=guessed_slack)
    placed = Placed(program, Conditions(form, bounds))
    if how == "kkt+cut":
        placed.add_duality(_with_region(program, region))
    return placed


def _bounded_where_multiplied(
    region: Region, form: FollowerForm, bounds: EntryBounds, big_m: float
) -> EntryBounds:
    """Only multipliers in a product need a bound; the others stay free of any doubt."""
    rows = sorted({i for i, _, _ in leader_terms(form)})
    if not rows:
        return bounds
    known = follower_bounds(region, form, big_m=big_m, slacks=False)
    bounds.least[rows], bounds.most[rows] = known.least[rows], known.most[rows]
    return replace(bounds, doubts={i: known.doubts[i] for i in rows if i in known.doubts})


def _with_region(program: Program, region: Region) -> Program:
    """The program itself, its system columns tightened to the region (products need bounds)."""
    for k in range(len(region.lower)):
        program.lower[k] = max(program.lower[k], float(region.lower[k]))
        program.upper[k] = min(program.upper[k], float(region.upper[k]))
    return program
