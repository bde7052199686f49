"""How far assets can move an element at all: a bound without a derivative at every step.

In a grid with its low-voltage grids most elements stay far from their limits whatever the assets
do. How fast a voltage or a current changes by an asset's power hardly depends on the step
(:class:`~quartier.grid.sensitivities.Rates`), so one derivative tells how far all assets together
can move every element in every step: which can reach a limit, and which cannot be cured.
"""

from __future__ import annotations

import numpy as np

from quartier.grid.power_flow import GridState
from quartier.quantities import Array
from quartier.redispatch.grid_model import GridModel

CURVATURE = 1.5
"""Factor on the rates: within a band of voltages of some 20 % a current grows by as much for the
same power, and the rates at one step stand for all."""


def most_change(model: GridModel, state: GridState, p_mw: Array, reach_mw: Array) -> Array:
    """Bound how far assets can move the excess of every element together.

    Parameters
    ----------
    state
        Solution with the assets at ``p_mw``, shape ``(T, A)``.
    reach_mw
        How far each asset can go from there, shape ``(T, A)``.

    Returns
    -------
    Array
        In tolerances, shape ``(T, E)``; infinite where no step converged.
    """
    steps = np.flatnonzero(state.converged)
    if not steps.size:
        return np.full((len(p_mw), model.elements.count), np.inf)
    most = int(steps[reach_mw[steps].sum(axis=1).argmax()])
    found: Array = CURVATURE * reach_mw @ model.rates(state, p_mw, most)
    return found
