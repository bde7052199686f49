"""Closes the balance of every node: what is bought, sold, not served and rejected (M1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from quartier.quantities import Array
from quartier.simulators.inputs import Inputs, Outputs, only
from quartier.simulators.time_based import TimeBased
from quartier.simulators.topology import Topology, by_position

MODELS = {
    "Nodes": {
        "public": True,
        "params": ["topology"],
        "attrs": ["led", "fixed", "sales", "nodes", "unit_cost"],
    }
}


class Nodes(TimeBased):
    """All nodes of a world; ``nodes`` is a block of rows for the recorder.

    ``led`` takes, by node, what units give and take that choose it, ``fixed`` what the others do:
    the demand (negative), ``sales`` the most that each may sell by a plan. ``unit_cost`` is what
    nodes pay for what they buy and sell, by connection point.
    """

    def __init__(self) -> None:
        super().__init__(MODELS)

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Make the one entity."""
        self._topology: Topology = model_params["topology"]
        self._nodes = list(self._topology.nodes.values())
        self._names = np.array([node.name for node in self._nodes], dtype=object)
        self._carriers = np.array([node.carrier for node in self._nodes], dtype=object)
        return [{"eid": "Nodes", "type": "Nodes"}]

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int:
        """Add up the flows, and settle what is left."""
        shape, first, steps = (len(self._nodes) + 1,), self.step_number(time), self.pace.steps
        now = slice(first, first + steps)
        made_kw = self.total(inputs, "Nodes", "led", shape)[:, :-1]
        demand_kw = -self.total(inputs, "Nodes", "fixed", shape)[:, :-1]
        if self._topology.demand_kw is not None:
            demand_kw = demand_kw + self._topology.demand_kw[now, :-1]
        net_kw = made_kw - demand_kw
        may_kw = None  # without a plan
        if only(inputs, "Nodes", "sales") is not None:
            may_kw = self.asked(inputs, "Nodes", "sales", (len(self._nodes),))
        may_kw = np.full(net_kw.shape, np.nan) if may_kw is None else may_kw
        may_kw = np.where(np.isnan(may_kw), np.inf, may_kw)
        left = [
            node.balance(net, most)
            for node, net, most in zip(self._nodes, net_kw.T, may_kw.T, strict=True)
        ]
        pairs, dt_h = list(zip(self._nodes, left, strict=True)), self.dt_h

        def columns(values: Iterable[Any]) -> Array:
            found = [np.broadcast_to(v, steps) for v in values]
            return np.array(found, dtype=float).reshape(-1, steps).T

        cost_eur = columns(dt_h * n.money_eur_per_h(b.bought_kw, b.sold_kw, now) for n, b in pairs)
        self._rows = {
            "node": self._names,
            "carrier": self._carriers,
            "demand_kw": demand_kw,
            "unserved_kw": columns(b.unserved_kw for b in left),
            "rejected_kw": columns(b.rejected_kw for b in left),
            "bought_kw": columns(b.bought_kw if n.buy else np.nan for n, b in pairs),
            "sold_kw": columns(b.sold_kw if n.sell else np.nan for n, b in pairs),
            "price_eur_per_kwh": columns(
                n.buy.price_eur_per_kwh[now] if n.buy else np.nan for n in self._nodes
            ),
            "cost_eur": cost_eur,
            "co2_kg": columns(dt_h * n.co2_kg_per_h(b.bought_kw) for n, b in pairs),
        }
        size = len(self._topology.points) + 1
        self._cost_eur = by_position(self._topology.point_of_node, cost_eur, size)
        return self.after(time)

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Hand out the step's rows, and what they cost."""
        made = {"nodes": self._rows, "unit_cost": self._cost_eur}
        return {eid: {name: made[name] for name in names} for eid, names in outputs.items()}
