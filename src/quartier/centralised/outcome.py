"""What the neighbourhoods truly answer to P_set, and what that costs the DSO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quartier.centralised.individual import Process, unkept
from quartier.centralised.network import SOLVED
from quartier.coordination import Cap
from quartier.problem.upper_cost import grid_eur, lost_kw, redispatch_eur, reduced_kw
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.linear_grid import LinearGrid


@dataclass(frozen=True)
class Outcome:
    """What the neighbourhoods truly answer to some caps, and what that costs.

    Attributes
    ----------
    name
        Whose caps they are, as the table ``solves`` says it.
    caps
        P_set by neighbourhood.
    power_mw
        Power of all assets, shape ``(T, A)``.
    tap_pos
        Tap position.
    redispatch_eur
        U3 (M4), as the KPI ``redispatch_cost`` counts it.
    rest_eur
        Losses in AC, and the CO2 of imports.
    trouble
        What is not kept.
    """

    name: str
    caps: Mapping[str, Cap]
    power_mw: Array
    tap_pos: int
    redispatch_eur: float
    rest_eur: float
    trouble: tuple[str, ...]

    @property
    def cost_eur(self) -> float:
        """Upper cost."""
        return self.redispatch_eur + self.rest_eur


def outcome_of(
    name: str,
    process: Process,
    grid: LinearGrid,
    power_mw: Array,
    tap_pos: int,
    caps: Mapping[str, Cap],
    trouble: Sequence[str],
) -> Outcome:
    """The outcome of the neighbourhoods' last answers.

    Parameters
    ----------
    power_mw
        Power of all assets, shape ``(T, A)``; that of the neighbourhoods is what they answered.
    caps
        P_set by neighbourhood: load is paid for as far as it is ordered off.
    trouble
        What is not kept, besides the neighbourhoods' caps and the grid's limits.
    """
    state, energy = grid.model.solve(power_mw, tap_pos), KW_PER_MW * grid.assets.dt_h
    settings, factor = process.problem.grid.settings, process.problem.grid.co2_kg_per_kwh
    drawn_kwh = energy * np.maximum(state.slack_p_mw, 0.0)
    co2_kg = 0.0 if factor is None else float(factor @ drawn_kwh)
    loss_kwh = energy * float(state.loss_mw.sum())
    prices = (settings.loss_price_eur_per_kwh, settings.import_co2_eur_per_kg)
    rest_eur = grid_eur(loss_kwh, prices[0], co2_kg, prices[1])
    redispatch = _redispatch_eur(process, grid, power_mw, caps)
    said = [*trouble, *unkept(process.optimisers)]
    if grid.worst(state) > SOLVED:
        said.append(f"{name}: a limit of the grid is violated in AC")
    return Outcome(name, caps, power_mw, tap_pos, redispatch, rest_eur, tuple(said))


def _redispatch_eur(
    process: Process, grid: LinearGrid, power_mw: Array, caps: Mapping[str, Cap]
) -> float:
    """U3 of the answers, by :mod:`quartier.problem.upper_cost`."""
    assets, p_kw = grid.assets, KW_PER_MW * power_mw
    offered_kw = KW_PER_MW * assets.offered_mw
    lost, reduced = lost_kw(offered_kw, p_kw, 0.0), np.zeros_like(p_kw)
    for k, name in enumerate(assets.names):
        optimiser = process.optimisers.get(name)
        if optimiser is not None:
            curtailed = sum(optimiser.solution.curtailed_kw.values(), start=np.zeros(len(p_kw)))
            lost[:, k] = lost_kw(curtailed, np.zeros(len(p_kw)), grid.own_curtailed_kw[:, k])
            reduced[:, k] = reduced_kw(p_kw[:, k], offered_kw[:, k], caps[name].p_min_kw)
    prices = (assets.lower_price / KW_PER_MW, assets.raise_price / KW_PER_MW)
    return redispatch_eur(lost, prices[0], reduced, prices[1], assets.dt_h)
