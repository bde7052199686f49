"""The distribution grid as a mosaik simulator: an AC power flow in every step, or of a block.

``Grid`` has child entities ``Bus``, ``Line``, ``Transformer`` and ``ConnectionPoint``. Whatever
is connected to ``p_kw`` and ``q_kvar`` of a bus or a connection point is added to the grid's
background injections. A step that does not converge gives NaN, never an old value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from quartier.grid.engines import step_power_flow
from quartier.quantities import KW_PER_MW, Array
from quartier.simulators.background import Background, from_file
from quartier.simulators.execution import Journal
from quartier.simulators.inputs import AtBoundary, Inputs, Outputs, only, scalar
from quartier.simulators.time_based import Snapshot, TimeBased

MODELS = {
    "Grid": {
        "public": True,
        "params": ["json_file", "tap_pos", "background", "connection_points", "engine"],
        "attrs": [
            "power",
            "tap_pos",
            "converged",
            "slack_p_mw",
            "buses",
            "lines",
            "transformers",
            "steps",
            "connection_points",
        ],
    },
    "Bus": {
        "public": False,
        "params": [],
        "attrs": ["p_kw", "q_kvar", "vm_pu", "va_degree", "p_mw", "q_mvar"],
    },
    "Line": {
        "public": False,
        "params": [],
        "attrs": ["loading_percent", "i_ka", "p_from_mw", "loss_mw"],
    },
    "Transformer": {
        "public": False,
        "params": [],
        "attrs": ["loading_percent", "p_hv_mw", "loss_mw", "tap_pos"],
    },
    "ConnectionPoint": {
        "public": False,
        "params": [],
        "attrs": ["p_kw", "q_kvar", "vm_pu"],
    },
}


class Grid(TimeBased):
    """Solves a grid step by step.

    The model ``Grid`` takes ``json_file``, a pandapower file whose loads and generators are the
    background, and ``tap_pos``; or (in process) a ``background``. ``connection_points`` maps
    names to buses; ``engine`` is one of :data:`quartier.grid.engines.Engine`.
    """

    def __init__(self) -> None:
        super().__init__(MODELS)
        self._entities: dict[str, tuple[str, int]] = {}

    def configure_run(self, sim_params: dict[str, Any]) -> None:
        """Take the journal of a run, if there is one."""
        self._journal: Journal = sim_params.pop("journal", None) or Journal()

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Make the one grid of this simulator, with all its elements as children."""
        if num != 1 or self._entities:
            raise ValueError("one Grid a simulator: start another simulator for another grid")
        self._background = _background(model_params)
        self._network = network = self._background.network
        self._flow = step_power_flow(network, model_params.get("engine", "auto"))
        self._tap_pos = network.tap_pos
        # The first power flow of a process takes seconds (numba): not in a step of the run.
        self._flow.solve_steps(*self._background.at(self.first_step, 1), self._tap_pos)
        points: Mapping[str, int] = model_params.get("connection_points") or {}
        self._points = np.array([network.position(bus) for bus in points.values()], dtype=int)
        children = self._children(points)
        self._entities = {c["eid"]: (c["type"], k) for k, c in children}
        return [{"eid": "Grid", "type": "Grid", "children": [child for _, child in children]}]

    def _children(self, points: Mapping[str, int]) -> list[tuple[int, dict[str, Any]]]:
        network = self._network
        lines, trafos = range(network.lines.size), range(network.transformers.size)
        return [
            *_entities("Bus", [f"bus-{bus}" for bus in network.buses]),
            *_entities("Line", [f"line-{i}" for i in network.lines], map(network.line_name, lines)),
            *_entities(
                "Transformer",
                [f"transformer-{i}" for i in network.transformers],
                map(network.transformer_name, trafos),
            ),
            *_entities("ConnectionPoint", list(points), points.values()),
        ]

    def prepare(self) -> None:
        """Prepare what is the same in every step."""
        network = self._network
        self._line_names = network.net.line["name"].astype(object).to_numpy()
        self._transformer_names = network.net.trafo["name"].astype(object).to_numpy()
        self._taps: Array = network.net.trafo["tap_pos"].to_numpy(dtype=float, copy=True)

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int:
        """Solve the power flow with what the background and all others feed in."""
        if only(inputs, "Grid", "tap_pos") is not None:  # the planner's, until it chooses one
            self._tap_pos = _tap_pos(inputs)
        self._taps[self._network.regulated] = self._network.tap_positions(self._tap_pos)
        self._p_mw, self._q_mvar = self._background.at(self.step_number(time), self.pace.steps)
        points = self._points.size
        power = self.total(inputs, "Grid", "power", (2, points + 1))
        self._power = power[..., :points]
        self._add_entities(inputs)
        for injected, fed in ((self._p_mw, 0), (self._q_mvar, 1)):
            np.add.at(injected.T, self._points, self._power[:, fed].T / KW_PER_MW)
        self._result = self._flow.solve_steps(self._p_mw, self._q_mvar, self._tap_pos)
        self._journal.steps_not_converged += int(np.sum(~self._result.converged))
        return self.after(time)

    def snapshot(self) -> Snapshot:
        """Tap position, and what the next power flow starts from."""
        return {"tap_pos": self._tap_pos, "flow": self._flow.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Let the next power flow start as it would have."""
        self._tap_pos = int(snapshot["tap_pos"])
        self._flow.restore(snapshot["flow"])

    def _add_entities(self, inputs: Inputs) -> None:
        """Add what is connected to single buses and connection points."""
        for eid in inputs:
            if eid == "Grid":
                continue
            model, k = self._entities[eid]
            p_kw, q_kvar = (scalar(inputs, eid, name) or 0.0 for name in ("p_kw", "q_kvar"))
            if model == "ConnectionPoint":
                self._power[..., k] += p_kw, q_kvar
            else:
                self._p_mw[:, k] += p_kw / KW_PER_MW
                self._q_mvar[:, k] += q_kvar / KW_PER_MW

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Hand out what the last step found."""
        return {
            eid: {name: self._value(eid, name) for name in names} for eid, names in outputs.items()
        }

    def _value(self, eid: str, name: str) -> Any:
        if eid == "Grid":
            return self.given(getattr(self, f"_out_{name}")())
        model, k = self._entities[eid]
        if model == "ConnectionPoint":
            vm_pu = self._result.vm_pu[-1, self._points[k]]
            p_kw, q_kvar = self._power[-1, :, k]
            return {"p_kw": p_kw, "q_kvar": q_kvar, "vm_pu": vm_pu}[name]
        table = {"Bus": "buses", "Line": "lines", "Transformer": "transformers"}[model]
        if name in {"p_kw", "q_kvar"}:
            injected = self._p_mw if name == "p_kw" else self._q_mvar
            return float(injected[-1, k]) * KW_PER_MW
        return float(getattr(self, f"_out_{table}")()[name][-1, k])

    # -- tables: columns of the block ------------------------------------------------------------
    def _out_power(self) -> Array:
        return self._power

    def _out_tap_pos(self) -> int:
        return self._tap_pos

    def _out_converged(self) -> Any:
        return self._result.converged

    def _out_slack_p_mw(self) -> Any:
        return self._result.slack_p_mw

    def _out_connection_points(self) -> dict[str, Any]:
        return {"p_kw": self._power[:, 0], "q_kvar": self._power[:, 1]}

    def _out_steps(self) -> dict[str, Any]:
        result = self._result
        iterations = np.where(result.iterations > 0, result.iterations, np.nan)
        return {"converged": result.converged[:, None], "iterations": iterations[:, None]}

    def _out_buses(self) -> dict[str, Any]:
        return {
            "bus": self._each(self._network.buses),
            "vm_pu": self._result.vm_pu,
            "va_degree": self._result.va_degree,
            "p_mw": self._p_mw,
            "q_mvar": self._q_mvar,
        }

    def _out_lines(self) -> dict[str, Any]:
        result = self._result
        return {
            "index": self._each(self._network.lines),
            "name": self._each(self._line_names),
            "loading_percent": result.line_loading_percent,
            "i_ka": result.line_i_ka,
            "p_from_mw": result.line_p_from_mw,
            "loss_mw": result.line_loss_mw,
        }

    def _out_transformers(self) -> dict[str, Any]:
        result = self._result
        return {
            "index": self._each(self._network.transformers),
            "name": self._each(self._transformer_names),
            "loading_percent": result.transformer_loading_percent,
            "tap_pos": self._each(self._taps.copy()),
            "p_hv_mw": result.transformer_p_hv_mw,
            "loss_mw": result.transformer_loss_mw,
        }

    def _each(self, values: Any) -> Any:
        """The same values in every step."""
        return np.broadcast_to(values, (self.pace.steps, len(values)))


def _tap_pos(inputs: Inputs) -> int:
    found = scalar(inputs, "Grid", "tap_pos") or 0.0
    if not found.is_integer():
        raise AtBoundary(f"Grid.tap_pos is {found}, not a whole number")
    return int(found)


def _entities(
    model: str, names: Sequence[str], infos: Any = None
) -> list[tuple[int, dict[str, Any]]]:
    """Describe child entities, with their positions in the network's arrays."""
    infos = list(infos) if infos is not None else [None] * len(names)
    return [
        (k, {"eid": name, "type": model, "extra_info": info})
        for k, (name, info) in enumerate(zip(names, infos, strict=True))
    ]


def _background(model_params: Mapping[str, Any]) -> Background:
    """The background that was handed over, or that of a file."""
    if (background := model_params.get("background")) is not None:
        return cast(Background, background)
    path = model_params.get("json_file")
    if path is None:
        raise ValueError("Grid needs json_file=<pandapower JSON file>")
    return from_file(Path(path), model_params.get("tap_pos"))
