"""Redispatch as the DSO does it (M4): taps first, then the cheapest caps, checked in AC.

Caps are weighed as in seed 001 eq. 4-5, by the reduction against the offer: the DSO cannot know
what a neighbourhood will store instead of losing it. What was lost in the end, and what that
costs, is the KPI ``redispatch_cost`` (M4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.coordination import Cap
from quartier.grid.limits import Violations, violations
from quartier.grid.power_flow import GridState
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.assets import read_assets
from quartier.redispatch.caps import Room, cap_rows, caps_of
from quartier.redispatch.cure import VIOLATED, Cured, cure
from quartier.redispatch.grid_model import GridModel
from quartier.redispatch.headroom import headroom
from quartier.redispatch.taps import choose_tap

NO_POWER_FLOW = "the power flow does not converge with what is offered"


@dataclass(frozen=True)
class Redispatch:
    """What the DSO decided, and what it is for. Arrays over steps have shape ``(T,)``.

    Attributes
    ----------
    tap_pos
        Tap position for the window.
    caps
        P_set by asset; infinite where there is no cap.
    p_kw
        Power of every asset with all reductions kept: the offer where there is none.
    rows
        Rows of the table ``redispatch``, without gate and round.
    before, after
        AC power flow with everything offered at the tap position before the DSO acted, and its
        violations; AC power flow with every asset at ``p_kw`` at the tap position chosen.
    before_violations, after_violations
        Violations beyond the scenario's tolerances.
    unsolved, reasons
        Steps that could not be cured, and why by step.
    cost_eur
        Cost of all reductions if nothing of them is stored.
    """

    tap_pos: int
    caps: Mapping[str, Cap]
    p_kw: Mapping[str, Array]
    rows: tuple[Mapping[str, Any], ...]
    before: GridState
    after: GridState
    before_violations: Violations
    after_violations: Violations
    unsolved: NDArray[np.bool_]
    reasons: Mapping[int, str]
    cost_eur: float


def redispatch(
    problem: NetworkProblem,
    offers: Sequence[Offer],
    floors: Mapping[str, Array] | None = None,
    ceilings: Mapping[str, Array] | None = None,
) -> Redispatch:
    """Remove the violations that the offers cause: taps first, then the cheapest caps.

    Parameters
    ----------
    problem
        Network, horizon, background and settings.
    offers
        Schedules and bands of all assets that take part.
    floors, ceilings
        Least and greatest power in kW that an asset reported it can be set to, shape ``(T,)``,
        NaN or infinite where it reported none: what a failed renegotiation brought to light.

    Raises
    ------
    InputError
        If the offers are not as :func:`~quartier.redispatch.assets.read_assets` wants them.
    SolveFailed
        If the solver ends without a solution.
    """
    assets = read_assets(problem, offers, floors, ceilings)
    rated_mw = {
        offer.asset: offer.rated_kw / KW_PER_MW for offer in offers if offer.rated_kw is not None
    }
    model = GridModel(problem.network, assets, problem.settings, rated_mw)
    asked = read_assets(problem, offers).offered_mw
    before = model.solve(asked, problem.tap_pos)
    offered = model.solve(assets.offered_mw, problem.tap_pos, start=before)
    if problem.settings.taps and not problem.tap_is_fixed:
        cured = choose_tap(model, offered, problem.network.tap_min, problem.network.tap_max)
    else:
        cured = cure(model, offered)
    return _decide(problem, offers, model, before, cured)


def _decide(
    problem: NetworkProblem,
    offers: Sequence[Offer],
    model: GridModel,
    before: GridState,
    cured: Cured,
) -> Redispatch:
    room = Room(headroom(model, cured, 1), headroom(model, cured, -1))
    caps = caps_of(model.assets, cured, room)
    settings, dt_h = problem.settings, problem.horizon.dt_h
    tolerances = settings.loading_tolerance_percent, settings.voltage_tolerance_pu
    power = {name: KW_PER_MW * cured.p_mw[:, k].copy() for k, name in enumerate(model.assets.names)}
    return Redispatch(
        tap_pos=cured.state.tap_pos,
        caps=caps,
        p_kw=power,
        rows=tuple(cap_rows(problem.horizon, offers, model, cured, room, caps)),
        before=before,
        after=cured.state,
        before_violations=violations(problem.network, before, dt_h, *tolerances),
        after_violations=violations(problem.network, cured.state, dt_h, *tolerances),
        unsolved=~cured.solved,
        reasons=_reasons(model, cured),
        cost_eur=float(model.assets.cost_eur(cured.p_mw).sum()),
    )


def _reasons(model: GridModel, cured: Cured) -> dict[int, str]:
    reasons = {}
    for step in np.flatnonzero(~cured.solved):
        if not cured.state.converged[step]:
            reasons[int(step)] = NO_POWER_FLOW
            continue
        if cured.fallback[step]:
            reasons[int(step)] = f"{NO_POWER_FLOW}: everybody is asked for as little as can be"
            continue
        excess = cured.excess[step]
        worst = int(excess.argmax())
        others = int((excess > VIOLATED).sum()) - 1
        more = f" and {others} more" if others else ""
        found = model.elements.describe(worst, float(excess[worst]))
        reasons[int(step)] = f"{found}{more}, with all that is offered to relieve it"
    return reasons
