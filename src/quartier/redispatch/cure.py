"""Curing the violations at one tap position: linearise, relieve, check in AC, repeat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quartier.grid.power_flow import GridState
from quartier.quantities import KW_PER_MW, POWER_TOLERANCE_KW, Array
from quartier.redispatch.cheapest_powers import CheapestPowers, Congestion, cheapest_powers
from quartier.redispatch.grid_model import GridModel
from quartier.redispatch.levers import alone, make_levers, share_pro_rata

VIOLATED = 1.0
"""Excess from which an element counts as violated: the tolerance."""
TIGHT = -0.2
"""Excess of the binding element below which a step was relieved by more than needed."""
STILL_MW = 1e-7
"""A step whose powers change less than this does not change any more."""
MOVED_MW = POWER_TOLERANCE_KW / KW_PER_MW
"""Powers further apart than this differ."""
REGROUPED = 2
"""Rounds in which the pro-rata groups are taken anew; then they stay, so that rounds settle."""


@dataclass
class Cured:
    """The assets' powers at a tap position with what caps can cure being cured.

    Attributes
    ----------
    p_mw
        Power set, shape ``(T, A)``; the offer where nothing is reduced.
    state
        AC power flow with these powers.
    excess
        Its excess, shape ``(T, E)``.
    congested
        Steps in which something was violated by the offers, shape ``(T,)``.
    solved
        Steps without violation now, shape ``(T,)``.
    driving
        Element that an asset is reduced for, -1 where there is none, shape ``(T, A)``.
    fallback
        Steps that have no power flow with what is offered, but one with as little power as P_set
        can demand of everybody: that is set, shape ``(T,)``.
    """

    p_mw: Array
    state: GridState
    excess: Array
    congested: NDArray[np.bool_]
    driving: NDArray[np.int64]
    fallback: NDArray[np.bool_]

    @property
    def solved(self) -> NDArray[np.bool_]:
        """Steps that converged with what is offered, and have nothing violated."""
        kept = self.state.converged & ~(self.excess > VIOLATED).any(axis=1)
        return np.asarray(kept & ~self.fallback)


def cure(model: GridModel, offered: GridState) -> Cured:
    """Find the cheapest reductions that cure the violations of a state.

    Parameters
    ----------
    model
        The grid and the assets.
    offered
        AC power flow with everything offered, at the tap position to use.

    Returns
    -------
    Cured
        Steps that cannot be cured are relieved as far as the assets can. Where there is no power
        flow with what is offered, see :attr:`Cured.fallback`.
    """
    assets = model.assets
    excess = model.excess(offered)
    violated = np.asarray((excess > VIOLATED).any(axis=1))
    nothing = np.full(assets.shape, -1)
    cured = Cured(
        assets.offered_mw.copy(), offered, excess, violated, nothing, np.zeros_like(violated)
    )
    if not assets.shape[1]:
        return cured
    _fall_back(model, cured)
    matters = np.zeros(excess.shape, dtype=bool)
    groups = np.zeros(assets.shape, dtype=np.int64)
    steps = np.flatnonzero(violated & offered.converged)
    for number in range(model.settings.max_iterations):
        if not steps.size:
            break
        added = (cured.excess[steps] > 0) & ~matters[steps]
        matters[steps] |= added
        anew = np.asarray(added.any(axis=1) | (number < REGROUPED))
        steps = steps[_advance(model, cured, matters, steps, groups, anew)]
    untouched = np.abs(cured.p_mw - assets.offered_mw) <= MOVED_MW
    cured.p_mw = np.where(untouched, assets.offered_mw, cured.p_mw)
    return cured


def _fall_back(model: GridModel, cured: Cured) -> None:
    """Ask for as little power as P_set can demand, where that gives a step a power flow."""
    lost = np.flatnonzero(~cured.state.converged)
    if not lost.size:
        return
    least_mw = model.assets.nearest_to_nothing_mw[lost]
    state = model.solve(least_mw, cured.state.tap_pos, lost)
    found = lost[state.converged]
    cured.p_mw[found] = least_mw[state.converged]
    cured.state = cured.state.put(found, state.take(np.flatnonzero(state.converged)))
    cured.excess[found] = model.excess(cured.state)[found]
    cured.congested[found] = cured.fallback[found] = True


def _advance(
    model: GridModel,
    cured: Cured,
    matters: NDArray[np.bool_],
    steps: NDArray[np.int64],
    groups: NDArray[np.int64],
    anew: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """One round on some steps; return which of them need another one."""
    columns = np.flatnonzero(matters[steps].any(axis=0))
    now = cured.p_mw[steps]
    slopes = model.slopes(cured.state.take(steps), now, steps, columns)
    offered = model.assets.offered_mw[steps]
    congestion = Congestion(
        matters[np.ix_(steps, columns)], cured.excess[np.ix_(steps, columns)], slopes, now, offered
    )
    _group(model, congestion, steps, columns, cured, groups, anew)
    shared = make_levers(
        model.assets, steps, groups[steps], model.settings.discrete_steps, model.rated_mw
    )
    found = cheapest_powers(congestion, shared).p_mw
    cured.p_mw[steps] = found
    state = model.solve(found, cured.state.tap_pos, steps, cured.state.take(steps))
    cured.state = cured.state.put(steps, state)
    cured.excess[steps] = model.excess(state)
    worst = cured.excess[steps].max(axis=1)
    moved = np.abs(found - now).max(axis=1) > STILL_MW
    tight = (worst >= TIGHT) | (model.settings.discrete_steps is not None)
    return np.asarray(state.converged & moved & ~((worst <= 0) & tight))


def _group(
    model: GridModel,
    congestion: Congestion,
    steps: NDArray[np.int64],
    columns: NDArray[np.int64],
    cured: Cured,
    groups: NDArray[np.int64],
    anew: NDArray[np.bool_],
) -> None:
    """Find what drives every asset and who shares pro rata, for the steps ``anew``."""
    assets, chosen = model.assets, steps[anew]
    if not chosen.size:
        return
    chosen_steps = Congestion(
        *(getattr(congestion, name)[anew] for name in Congestion.__dataclass_fields__)
    )
    apart = make_levers(assets, chosen, alone(assets, chosen))
    driving = _driving(chosen_steps, cheapest_powers(chosen_steps, apart))
    slope = np.take_along_axis(chosen_steps.slopes, driving[:, None, :], axis=1)[:, 0]
    cured.driving[chosen] = np.where(slope != 0, columns[driving], -1)
    tolerance = model.settings.share_tolerance
    low, high = assets.least_mw[chosen], assets.most_mw[chosen]
    for k, step in enumerate(chosen):
        # Lowering relieves where a rising power adds to the excess, raising where it takes off.
        room = np.abs(np.where(slope[k] > 0, low[k], high[k]) - chosen_steps.offered_mw[k])
        prices = np.where(slope[k] > 0, assets.lower_price, assets.raise_price)
        together = share_pro_rata(slope[k], driving[k], room, prices, tolerance)
        groups[step] = together


def _driving(congestion: Congestion, cheapest: CheapestPowers) -> NDArray[np.int64]:
    """Element that gives every asset its worth, ``(steps, A)`` as positions in the congestion.

    Among the elements that bind, the one with the greatest dual times effect; where none
    binds, the one that is exceeded most.
    """
    worth = np.abs(cheapest.value[..., None] * congestion.slopes)
    # Far below any dual, so that it decides only where no dual does.
    need = np.where(
        congestion.matters, np.maximum(congestion.excess - congestion.excess.min(), 0.0), 0.0
    )
    worth = worth + 1e-12 * need[..., None] * np.abs(congestion.slopes)
    return np.asarray(worth.argmax(axis=1))
