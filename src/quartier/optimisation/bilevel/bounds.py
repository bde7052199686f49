"""Bounds of every side of every follower: M for its multiplier, S for its slack, and the proofs."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from quartier.errors import InputError
from quartier.optimisation.bilevel.basic_duals import basic_bounds
from quartier.optimisation.bilevel.clip import clipped
from quartier.optimisation.bilevel.dual_lp import Relaxation
from quartier.optimisation.bilevel.multipliers import (
    Box,
    DualSystem,
    dual_system,
    parts,
    propagated,
)
from quartier.optimisation.bilevel.region import Region, check, outwards
from quartier.optimisation.bilevel.sides import Side, sides
from quartier.optimisation.bilevel.system import FollowerForm, Hint, is_finite


class MissingBound(InputError):
    """A slack has no finite bound; the problems name the constraints and what to bound."""


@dataclass(frozen=True)
class BoundedSide:
    """A side with its bounds.

    Parameters
    ----------
    side
        The condition `g >= 0` or `g = 0`.
    dual
        Interval of its multiplier μ.
    slack
        Largest g, `inf` if none is known.
    unproven
        What rests on a guess: `""`, or a phrase for the result's reason.
    """

    side: Side
    dual: tuple[float, float]
    slack: float
    unproven: str = ""


@dataclass(frozen=True)
class FollowerBounds:
    """All sides of a follower with their bounds."""

    form: FollowerForm
    sides: tuple[BoundedSide, ...]

    @property
    def unproven(self) -> tuple[str, ...]:
        """Phrases for what is not proven."""
        return tuple(b.unproven for b in self.sides if b.unproven)


def follower_bounds(
    region: Region,
    form: FollowerForm,
    *,
    big_m: float,
    slacks: bool = True,
    guessed_slack: float = inf,
) -> FollowerBounds:
    """Bounds of one follower's sides.

    Parameters
    ----------
    region
        Where optima can lie.
    form
        The follower.
    big_m
        Bound for multipliers that no rule and no hint bounds; such a side counts as unproven.
    slacks
        Whether slacks need bounds (KKT does, strong duality does not).
    guessed_slack
        Bound for slacks that nothing bounds, unproven.

    Raises
    ------
    MissingBound
        If a slack is unbounded and has no hint: names the constraint and what to bound.
    """
    box, relaxation = multiplier_box(region, form)
    found, problems = [], []
    for side in sides(form, region.system.leader):
        check(region.deadline)
        hint = _hint(form, side)
        dual, doubt = _dual(side, _interval(box, form, side), hint, big_m)
        slack = inf
        if slacks and not side.equality and dual[1] > 0.0:
            slack, slack_doubt = _slack(region, relaxation, side, hint)
            if guessed_slack < slack == inf:
                slack, slack_doubt = guessed_slack, f"slack of '{side.name}' <= {guessed_slack:g}"
            doubt = "; ".join(d for d in (doubt, slack_doubt) if d)
            if slack == inf:
                problems.append(_missing(region, form, side))
        found.append(BoundedSide(side, dual, slack, doubt))
    if problems:
        raise MissingBound(problems, "the big-M reformulation")
    return FollowerBounds(form, tuple(found))


def multiplier_box(region: Region, form: FollowerForm) -> tuple[Box, Relaxation]:
    """Bounds of a follower's multipliers by the rules of module `multipliers`.

    Also the primal-dual relaxation, which can bound slacks that only the follower's
    optimality limits.
    """
    dual = dual_system(region.system, form, region.lower, region.upper)
    plain = propagated(dual)
    box = clipped(dual, _with_proofs(dual, plain))
    for part in parts(form):
        entries = dual.entries(part)
        if box.is_finite(entries):
            continue
        check(region.deadline)
        basic = basic_bounds(dual, plain, part)
        if basic is not None:
            box.lower[entries], box.upper[entries] = basic.lower[entries], basic.upper[entries]
            for e in entries:
                box.how[e] = basic.how[e]
    if np.isfinite(box.lower).all() and np.isfinite(box.upper).all():
        return box, Relaxation(region.system, dual, box, region.deadline)
    box = Relaxation(region.system, dual, box, region.deadline).tightened(box)
    return box, Relaxation(region.system, dual, box, region.deadline)


def _with_proofs(dual: DualSystem, plain: Box) -> Box:
    """Box with the hints that carry a proof, and what follows from them."""
    box, form = plain.copy(), dual.form
    entries = [(i, hint) for i, hint in form.row_hints.items()]
    shift = len(form.rows)
    entries += [(shift + form.columns.index(k), hint) for k, hint in form.column_hints.items()]
    for e, hint in entries:
        if hint.dual is not None and hint.proof and hint.dual < max(-box.lower[e], box.upper[e]):
            box.lower[e] = max(box.lower[e], -hint.dual)
            box.upper[e] = min(box.upper[e], hint.dual)
            box.how[e] = f"hint: {hint.proof}"
    return propagated(dual, box)


def _interval(box: Box, form: FollowerForm, side: Side) -> tuple[float, float]:
    if side.row is not None:
        entry = side.row
    else:
        assert side.column is not None
        entry = len(form.rows) + form.columns.index(side.column)
    low, high = float(box.lower[entry]), float(box.upper[entry])
    if side.equality:
        return low, high
    return (0.0, max(0.0, high)) if side.sign > 0 else (0.0, max(0.0, -low))


def _hint(form: FollowerForm, side: Side) -> Hint:
    hints = form.row_hints if side.row is not None else form.column_hints
    place = side.row if side.row is not None else side.column
    assert place is not None
    return hints.get(place, Hint())


def _dual(
    side: Side, proven: tuple[float, float], hint: Hint, big_m: float
) -> tuple[tuple[float, float], str]:
    """Interval of μ, and the doubt that goes with it."""
    low, high = proven
    limit = hint.dual if hint.dual is not None else big_m
    needs = max(abs(low), abs(high)) > limit if hint.dual is not None else not is_finite(high - low)
    if not needs:
        return proven, ""
    doubt = "" if hint.proof and hint.dual is not None else f"dual of '{side.name}' <= {limit:g}"
    return (max(low, -limit), min(high, limit)), doubt


def _slack(region: Region, relaxation: Relaxation, side: Side, hint: Hint) -> tuple[float, str]:
    """Largest g: by propagated bounds, by LP over the region, by duality; else the hint."""
    greatest = sum(
        a * float(region.upper[k] if a > 0 else region.lower[k]) for k, a in side.coefs.items()
    )
    if not is_finite(greatest):
        greatest = min(region.greatest(side.coefs), relaxation.greatest(side.coefs))
    proven = max(0.0, greatest - side.rhs)
    if is_finite(proven):
        proven = outwards(proven)
    if hint.slack is None or hint.slack >= proven:
        return proven, ""
    return hint.slack, "" if hint.proof else f"slack of '{side.name}' <= {hint.slack:g}"


def _missing(region: Region, form: FollowerForm, side: Side) -> str:
    names = region.system.leader.names
    loose = [
        f"'{names[k]}'"
        for k, a in side.coefs.items()
        if not is_finite(float(region.upper[k] if a > 0 else region.lower[k]))
    ]
    return (
        f"follower '{form.name}': the slack of '{side.name}' has no finite bound; bound "
        f"{' or '.join(loose)}, or give a hint with slack=..."
    )
