"""What the neighbourhoods truly answer to P_set, and what that costs the DSO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quartier.centralised.individual import Process, unkept
from quartier.centralised.linear_grid import LinearGrid
from quartier.centralised.network import SOLVED, import_price
from quartier.coordination import Cap
from quartier.kpi.redispatch import BINDING_KW
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.rounds import KEPT_KW


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
        U3, counted as the KPI ``redispatch_cost`` does (M4, M12).
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
        P_set by neighbourhood: what it does not cause is not charged to redispatch.
    trouble
        What is not kept, besides the neighbourhoods' caps and the grid's limits.
    """
    price = process.problem.grid.settings.loss_price_eur_per_kwh
    state, dt_h = grid.model.solve(power_mw, tap_pos), grid.assets.dt_h
    imported = np.maximum(state.slack_p_mw, 0.0)
    rest = price * state.loss_mw.sum() + imported @ import_price(process.problem)
    redispatch = dt_h * _redispatch_eur_per_h(process, grid, power_mw, caps)
    said = [*trouble, *unkept(process.own)]
    if grid.worst(state) > SOLVED:
        said.append(f"{name}: a limit of the grid is violated in AC")
    rest_eur = KW_PER_MW * dt_h * float(rest)
    return Outcome(name, caps, power_mw, tap_pos, redispatch, rest_eur, tuple(said))


def _redispatch_eur_per_h(
    process: Process, grid: LinearGrid, power_mw: Array, caps: Mapping[str, Cap]
) -> float:
    assets, paid = grid.assets, 0.0
    for k, name in enumerate(assets.names):
        own = process.own.get(name)
        offered, p_mw = assets.offered_mw[:, k], power_mw[:, k]
        if own is None:
            lost = np.maximum(offered - p_mw, 0.0)
        else:
            curtailed_kw = sum(own.solution.curtailed_kw.values(), start=np.zeros(p_mw.size))
            binds = own.solution.p_kw >= caps[name].p_max_kw - BINDING_KW
            lost = np.where(binds, curtailed_kw, 0.0) / KW_PER_MW
            demanded = caps[name].p_min_kw > KW_PER_MW * offered + KEPT_KW
            reduced = np.where(demanded, np.maximum(p_mw - offered, 0.0), 0.0)
            paid += assets.raise_price[k] * float(reduced.sum())
        paid += assets.lower_price[k] * float(lost.sum())
    return paid
