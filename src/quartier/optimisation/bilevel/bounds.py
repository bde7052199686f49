"""Bounds of every entry of every follower: M for its multiplier, S for its slack, the proofs."""

from __future__ import annotations

from math import inf

import numpy as np

from quartier.errors import InputError
from quartier.optimisation.bilevel.basic_duals import basic_bounds
from quartier.optimisation.bilevel.clip import clipped
from quartier.optimisation.bilevel.dual_lp import Relaxation
from quartier.optimisation.bilevel.kkt import EntryBounds, side_name
from quartier.optimisation.bilevel.multipliers import (
    Box,
    DualSystem,
    dual_system,
    parts,
    propagated,
)
from quartier.optimisation.bilevel.region import Region, check, outwards
from quartier.optimisation.bilevel.system import (
    Ends,
    FollowerForm,
    Hint,
    System,
    entries_of,
    is_finite,
)
from quartier.program.arrays import activity


class MissingBound(InputError):
    """A slack has no finite bound; the problems name the constraints and what to bound."""


def follower_bounds(
    region: Region,
    form: FollowerForm,
    *,
    big_m: float,
    slacks: bool = True,
    guessed_slack: float = inf,
) -> EntryBounds:
    """Bounds of one follower's entries.

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
    leader, within = region.system.leader, (region.lower, region.upper)
    box, relaxation = multiplier_box(region.system, form, within, region.deadline)
    found = bounds_in(box, form.limits(leader.lower, leader.upper))
    names, problems = form.entry_names(leader.names), list[str]()
    doubts: dict[int, tuple[str, ...]] = {}
    reach = activity(form.body, *within)
    for e, sign in found.sides():
        check(region.deadline)
        hint, name = form.hints.get(e, Hint()), side_name(names[e], sign)
        said = [_bounded_dual(found, e, sign, hint, big_m, name)]
        needs = found.most[e] > 0.0 if sign > 0 else found.least[e] < 0.0
        if slacks and sign and needs:
            coefs = {k: sign * a for k, a in entries_of(form.body, e).items()}
            limit = float(found.low[e] if sign > 0 else -found.high[e])
            greatest = float(reach[1][e] if sign > 0 else -reach[0][e])
            if not is_finite(greatest):
                greatest = min(region.greatest(coefs), relaxation.greatest(coefs))
            slack, doubt = _slack(max(0.0, greatest - limit), hint, name)
            if guessed_slack < slack == inf:
                slack, doubt = guessed_slack, f"slack of '{name}' <= {guessed_slack:g}"
            if slack == inf:
                problems.append(_missing(region, form, coefs, name))
            (found.room_low if sign > 0 else found.room_high)[e] = slack
            said.append(doubt)
        if any(said):
            phrase = "; ".join(filter(None, said))
            doubts[e] = (*doubts.get(e, ()), phrase)
    if problems:
        raise MissingBound(problems, "the big-M reformulation")
    found.doubts.update(doubts)
    return found


def bounds_in(box: Box, limits: Ends) -> EntryBounds:
    """What a box says of multipliers; of slacks nothing is known."""
    equal, unknown = limits[0] == limits[1], np.full(limits[0].size, inf)
    return EntryBounds(
        *limits,
        np.where(equal, box.lower, np.minimum(box.lower, 0.0)),
        np.where(equal, box.upper, np.maximum(box.upper, 0.0)),
        unknown,
        unknown.copy(),
    )


def multiplier_box(
    system: System, form: FollowerForm, within: Ends, deadline: float = inf
) -> tuple[Box, Relaxation]:
    """Bounds of a follower's multipliers by the rules of module `multipliers`.

    Also the primal-dual relaxation, which can bound slacks that only the follower's
    optimality limits.

    Parameters
    ----------
    within
        Bounds of the system's columns where optima can lie.
    """
    limits = form.limits(system.leader.lower, system.leader.upper)
    dual = dual_system(form, limits, *within)
    plain = propagated(dual)
    box = clipped(dual, _with_proofs(dual, plain))
    for part in parts(form):
        if box.is_finite(part):
            continue
        check(deadline)
        basic = basic_bounds(dual, plain, part)
        if basic is not None:
            box.lower[part], box.upper[part] = basic.lower[part], basic.upper[part]
            for e in part.tolist():
                box.how[e] = basic.how[e]
    if not box.is_finite(np.arange(box.lower.size)):
        box = Relaxation(system, form, within, box, deadline).tightened(box)
    return box, Relaxation(system, form, within, box, deadline)


def _with_proofs(dual: DualSystem, plain: Box) -> Box:
    """Box with the hints that carry a proof, and what follows from them."""
    box = plain.copy()
    for e, hint in dual.form.hints.items():
        if hint.dual is not None and hint.proof and hint.dual < max(-box.lower[e], box.upper[e]):
            box.lower[e] = max(box.lower[e], -hint.dual)
            box.upper[e] = min(box.upper[e], hint.dual)
            box.how[e] = f"hint: {hint.proof}"
    return propagated(dual, box)


def _bounded_dual(
    found: EntryBounds, e: int, sign: int, hint: Hint, big_m: float, name: str
) -> str:
    """Bound the multiplier of a side by hint or M where need be; the doubt that goes with it."""
    limit = big_m if hint.dual is None else hint.dual
    below = -float(found.least[e]) if sign <= 0 else 0.0
    above = float(found.most[e]) if sign >= 0 else 0.0
    reach = max(abs(below), abs(above))
    if reach <= limit or (hint.dual is None and is_finite(reach)):
        return ""
    if sign <= 0:
        found.least[e] = max(found.least[e], -limit)
    if sign >= 0:
        found.most[e] = min(found.most[e], limit)
    return "" if hint.proof and hint.dual is not None else f"dual of '{name}' <= {limit:g}"


def _slack(proven: float, hint: Hint, name: str) -> tuple[float, str]:
    """Largest slack, by what is proven or by the hint, and the doubt that goes with it."""
    if is_finite(proven):
        proven = outwards(proven)
    if hint.slack is None or hint.slack >= proven:
        return proven, ""
    return hint.slack, "" if hint.proof else f"slack of '{name}' <= {hint.slack:g}"


def _missing(region: Region, form: FollowerForm, coefs: dict[int, float], name: str) -> str:
    names = region.system.leader.names
    loose = [
        f"'{names[k]}'"
        for k, a in coefs.items()
        if not is_finite(float(region.upper[k] if a > 0 else region.lower[k]))
    ]
    return (
        f"follower '{form.name}': the slack of '{name}' has no finite bound; bound "
        f"{' or '.join(loose)}, or give a hint with slack=..."
    )
