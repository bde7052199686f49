"""What stands for a grid where there is none: it meters the power at the connection points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from quartier.quantities import Array, through
from quartier.simulators.inputs import Inputs, Outputs
from quartier.simulators.time_based import TimeBased

MODELS = {
    "CopperPlate": {
        "public": True,
        "params": ["connection_points", "efficiency"],
        "attrs": ["power", "connection_points"],
    }
}


class CopperPlate(TimeBased):
    """Carries any power; only connection points lose some of it, both ways.

    ``connection_points`` are names, in the order of arrays, ``efficiency`` is what is left of a kW
    at each, shape ``(points,)``; without it, all of it.
    """

    def __init__(self) -> None:
        super().__init__(MODELS)

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Make the one copper plate."""
        self._points = len(model_params["connection_points"])
        efficiency = model_params.get("efficiency")
        self._efficiency = np.ones(self._points) if efficiency is None else efficiency
        self._power: Array = np.zeros((1, 2, self._points))
        return [{"eid": "CopperPlate", "type": "CopperPlate"}]

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int:
        """Take the power of all fleets, ``(steps, 2, points + 1)``: active and reactive."""
        shape = (2, self._points + 1)
        found = self.total(inputs, "CopperPlate", "power", shape)[..., : self._points]
        p_kw, q_kvar = found[:, 0], found[:, 1]
        self._power = np.stack([through(p_kw, self._efficiency), q_kvar], axis=1)
        return self.after(time)

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Hand out the power at the connection points, as columns of their table."""
        power = self.given(self._power)
        columns = {"p_kw": power[..., 0, :], "q_kvar": power[..., 1, :]}
        values = {"power": power, "connection_points": columns}
        return {eid: {name: values[name] for name in names} for eid, names in outputs.items()}
