"""What all stores share: bounds with the end-of-horizon rule, and the energy a band may use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from quartier.quantities import Array
from quartier.units.base import UnitData


def bounded_store(
    unit: UnitData, low_kwh: float, high_kwh: float, most_kw: float, loss_per_h: float
) -> UnitData:
    """Give a store its bounds: the physical ones, tightened so that it can end where it began.

    The end-of-horizon rule (M1) asks for at least ``unit.start_energy_kwh`` at the end. Going
    backwards, a boundary needs what is asked of the next one less what a step can add.

    Parameters
    ----------
    low_kwh, high_kwh
        Physical bounds of the stored energy.
    most_kw
        Greatest net power into the store, inside the store (after the charging loss).
    loss_per_h
        Standing loss as a share per hour.

    Returns
    -------
    UnitData
        With series ``energy_min_kwh`` and ``energy_max_kwh``, shape ``(T+1,)``.
    """
    steps, dt_h = unit.horizon.steps, unit.horizon.dt_h
    least = np.full(steps + 1, low_kwh)
    least[-1] = max(low_kwh, unit.start_energy_kwh)
    kept = 1 - loss_per_h * dt_h
    for t in range(steps - 1, 0, -1):
        least[t] = max(low_kwh, (least[t + 1] - dt_h * most_kw) / kept)
    # A store that starts too low for the rule climbs as fast as it can; nothing is infeasible.
    reach = np.empty(steps + 1)
    reach[0] = unit.state["energy_kwh"]
    for t in range(steps):
        reach[t + 1] = kept * reach[t] + dt_h * most_kw
    least = np.minimum(least, reach)
    most = np.full(steps + 1, high_kwh)
    least[0] = most[0] = unit.state["energy_kwh"]
    return replace(
        unit, series={**unit.series, "energy_min_kwh": least, "energy_max_kwh": most}
    )


def shift_band(unit: UnitData, energy_kwh: Array, loss_per_h: float) -> tuple[Array, Array]:
    """Energy that could leave and enter the store in each step, all other steps as planned.

    Parameters
    ----------
    energy_kwh
        Planned energy at the boundaries of the steps, shape ``(T+1,)``.

    Returns
    -------
    out_kwh, in_kwh
        Shape ``(T,)``: the least distance to the lower and the upper bound over the rest of the
        horizon; what a step adds decays with the standing loss until then.
    """
    kept = 1 - loss_per_h * unit.horizon.dt_h
    steps = unit.horizon.steps
    spare = np.maximum(energy_kwh - unit.series["energy_min_kwh"], 0.0)[1:]
    room = np.maximum(unit.series["energy_max_kwh"] - energy_kwh, 0.0)[1:]
    out_kwh, in_kwh = spare.copy(), room.copy()
    for t in range(steps - 2, -1, -1):
        out_kwh[t] = min(spare[t], out_kwh[t + 1] / kept)
        in_kwh[t] = min(room[t], in_kwh[t + 1] / kept)
    return out_kwh, in_kwh
