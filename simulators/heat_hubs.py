"""Closes the heat balance of every hub: what is rejected, and what is not served (M1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from quartier.simulators.inputs import Inputs, Outputs, total
from quartier.simulators.places import Places
from quartier.simulators.time_based import TimeBased
from quartier.units.heat_hub import balance

MODELS = {
    "HeatHubs": {
        "public": True,
        "params": ["places"],
        "attrs": ["heat_in", "heat_out", "heat"],
    }
}


class HeatHubs(TimeBased):
    """All heat hubs of a world; ``heat`` is a block of rows for the recorder.

    ``heat_in`` takes the heat of all that make or store it by hub, ``heat_out`` that of the
    demand (negative).
    """

    def __init__(self) -> None:
        super().__init__(MODELS)

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Make the one entity."""
        places: Places = model_params["places"]
        self._hubs = np.array(list(places.hubs), dtype=object)
        return [{"eid": "HeatHubs", "type": "HeatHubs"}]

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int:
        """Add up the heat."""
        shape = (len(self._hubs) + 1,)
        made_kw = total(inputs, "HeatHubs", "heat_in", shape)[:-1]
        demand_kw = -total(inputs, "HeatHubs", "heat_out", shape)[:-1]
        left = balance(made_kw - demand_kw)
        self._rows = {
            "hub": self._hubs,
            "demand_kw": demand_kw,
            "unserved_kw": left.unserved_kw,
            "rejected_kw": left.rejected_kw,
        }
        return time + self.step_size

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Hand out the step's rows."""
        return {eid: dict.fromkeys(names, self._rows) for eid, names in outputs.items()}
