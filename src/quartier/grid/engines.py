"""Power flow step by step with power-grid-model, and which engine a grid is given.

power-grid-model is told the circuit that pandapower built (buses fused by closed switches,
pi circuits in pu), not the tables: both engines solve the same equations, whatever transformer
model, open line end or vector group stands behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from quartier.errors import InputError
from quartier.grid import Engine
from quartier.grid.admittance import Admittance, Admittances, Branches
from quartier.grid.network import Network
from quartier.grid.recycled import RecycledPowerFlow, StepResult, blank
from quartier.quantities import Array

if TYPE_CHECKING:
    from power_grid_model import PowerGridModel

RATED_V = 1e4
"""Rated voltage of every bus: figures are exchanged in pu, so that one serves all."""
SHORT_CIRCUIT_VA = 1e20
"""Short-circuit power of a slack: it holds its voltage."""
VA_PER_MVA = 1e6
ERROR_PU = 1e-10
"""Change of a voltage below which Newton-Raphson has converged."""
OUTPUTS = {
    "node": ["u_pu", "u_angle"],
    "generic_branch": ["p_from", "p_to", "q_to", "i_from", "i_to"],
    "source": ["p"],
}
"""What is asked of power-grid-model, by kind of component."""


class StepPowerFlow(Protocol):
    """The power flow of one step after the other."""

    result: StepResult
    """What the last step found; NaN throughout if it did not converge."""

    def step(self, p_mw: Array, q_mvar: Array, tap_pos: int) -> bool:
        """Solve a step as :meth:`RecycledPowerFlow.step` says."""

    def solve_steps(self, p_mw: Array, q_mvar: Array, tap_pos: int) -> StepResult:
        """Solve steps, arrays ``(steps, n_bus)``, with the figures of solving them one by one."""

    def snapshot(self) -> dict[str, Any]:
        """What the next step starts from."""

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Start the next step from where a snapshot was taken, to the last bit."""


def step_power_flow(network: Network, engine: Engine) -> StepPowerFlow:
    """Return the power flow of an engine; ``auto`` is power-grid-model where it can.

    Raises
    ------
    InputError
        If power-grid-model is asked for and cannot model the grid.
    """
    if engine == "pandapower" or (engine == "auto" and beyond_power_grid_model(network)):
        return RecycledPowerFlow(network)
    return PowerGridModelFlow(network)


def beyond_power_grid_model(network: Network) -> list[str]:
    """Say what power-grid-model cannot model of a grid, a sentence each."""
    net, found = network.net, []
    holding = net.gen[net.gen["in_service"].astype(bool) & ~net.gen["slack"].astype(bool)]
    found += [f"generator {_named(net.gen, k)} holds a voltage" for k in holding.index]
    if len(net.impedance):
        sided = net.impedance[
            (net.impedance["rft_pu"] != net.impedance["rtf_pu"])
            | (net.impedance["xft_pu"] != net.impedance["xtf_pu"])
        ]
        found += [
            f"impedance {_named(net.impedance, k)} differs by direction"
            for k in sided.index[sided["in_service"].astype(bool)]
        ]
    return [f"engine: power-grid-model cannot model it: {what}; take pandapower" for what in found]


def _named(table: Any, index: Any) -> str:
    name = table.at[index, "name"]
    return f"{index} {name}" if isinstance(name, str) and name else f"{index}"


class PowerGridModelFlow:
    """power-grid-model's Newton-Raphson on one network, for one step after the other.

    Parameters
    ----------
    network
        The grid.

    Attributes
    ----------
    result
        What the last step found; its arrays are never written to again. The engine does not
        tell its ``iterations``: 0. A step that it does not solve is left to pandapower.

    Raises
    ------
    InputError
        If the grid has what power-grid-model cannot model.
    """

    def __init__(self, network: Network) -> None:
        if beyond := beyond_power_grid_model(network):
            raise InputError(beyond)
        self._network = network
        self._admittances = Admittances(network)
        self._circuits: dict[int, _Circuit] = {}
        self._newton: RecycledPowerFlow | None = None
        self.result: StepResult = blank(network)

    def step(self, p_mw: Array, q_mvar: Array, tap_pos: int) -> bool:
        """Solve a step as :meth:`RecycledPowerFlow.step` says."""
        self.result = self.solve_steps(p_mw[None], q_mvar[None], tap_pos).at(0)
        return bool(self.result.converged)

    def solve_steps(self, p_mw: Array, q_mvar: Array, tap_pos: int) -> StepResult:
        """Solve steps at once; each has its own start, so none changes another.

        A batch of power-grid-model with a step that it cannot solve is solved again one by one:
        such a step has changed others before. It is left to pandapower.
        """
        if tap_pos not in self._circuits:
            self._circuits[tap_pos] = _Circuit(self._network, self._admittances.at(tap_pos))
        circuit = self._circuits[tap_pos]
        solved = circuit.solve(p_mw, q_mvar)
        if solved is not None:
            return solved
        return StepResult.of(
            [self._single(circuit, p_mw[k], q_mvar[k], tap_pos) for k in range(len(p_mw))]
        )

    def _single(self, circuit: _Circuit, p_mw: Array, q_mvar: Array, tap_pos: int) -> StepResult:
        solved = circuit.solve(p_mw[None], q_mvar[None])
        return self._by_newton(p_mw, q_mvar, tap_pos) if solved is None else solved.at(0)

    def _by_newton(self, p_mw: Array, q_mvar: Array, tap_pos: int) -> StepResult:
        """What pandapower finds, which starts and stops differently: it has the last word."""
        self._newton = self._newton or RecycledPowerFlow(self._network)
        self._newton.restore({})  # so that nothing follows from the steps before
        self._newton.step(p_mw, q_mvar, tap_pos)
        return self._newton.result

    def snapshot(self) -> dict[str, Any]:
        """Nothing: every step starts on its own."""
        return {}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take back what :meth:`snapshot` gave."""


class _Circuit:
    """The circuit of a network at one tap position, as power-grid-model holds it.

    Nodes are the fused buses, numbered as in :class:`Admittance`; loads stand at all of them
    and draw what is not fed in.
    """

    def __init__(self, network: Network, grid: Admittance) -> None:
        self._grid = grid
        self._va = grid.base_mva * VA_PER_MVA
        self._model: Any = self._built()
        self._line_ka = network.line_rating_ka()
        line, trafo = network.net.line, network.net.trafo
        self._line_ends = network.places(line[["from_bus", "to_bus"]]).T
        self._trafo_ends = network.places(trafo[["hv_bus", "lv_bus"]]).T

    def _built(self) -> PowerGridModel:
        from power_grid_model import LoadGenType, PowerGridModel, initialize_array

        grid, pi = self._grid, self._grid.pi
        at_bus = pi.at_bus.copy()
        np.add.at(at_bus, grid.to_bus, pi.more_to)  # a branch has no end of its own for it
        ohm = RATED_V**2 / self._va
        nodes, sources = np.arange(grid.size, dtype=np.int32), grid.slack.size
        node = initialize_array("input", "node", grid.size)
        node["id"], node["u_rated"] = nodes, RATED_V
        branch = initialize_array("input", "generic_branch", pi.series.size)
        branch["id"] = grid.size + np.arange(pi.series.size)
        branch["from_node"], branch["to_node"] = grid.from_bus, grid.to_bus
        branch["from_status"] = branch["to_status"] = 1
        branch["r1"], branch["x1"] = (ohm / pi.series).real, (ohm / pi.series).imag
        branch["g1"], branch["b1"] = pi.shunt.real / ohm, pi.shunt.imag / ohm
        branch["k"], branch["theta"] = np.abs(pi.ratio), np.angle(pi.ratio)
        branch["sn"] = self._va
        first = grid.size + pi.series.size
        shunt = initialize_array("input", "shunt", grid.size)
        shunt["id"], shunt["node"], shunt["status"] = first + nodes, nodes, 1
        shunt["g1"], shunt["b1"] = at_bus.real / ohm, at_bus.imag / ohm
        shunt["g0"] = shunt["b0"] = 0.0  # of the zero sequence, which balanced steps have not
        load = initialize_array("input", "sym_load", grid.size)
        load["id"], load["node"], load["status"] = first + grid.size + nodes, nodes, 1
        load["type"], load["p_specified"], load["q_specified"] = LoadGenType.const_power, 0.0, 0.0
        self._loads = load["id"]
        source = initialize_array("input", "source", sources)
        source["id"] = first + 2 * grid.size + np.arange(sources)
        source["node"], source["status"] = grid.slack, 1
        source["u_ref"] = np.abs(grid.slack_voltage)
        source["u_ref_angle"] = np.angle(grid.slack_voltage)
        source["sk"], source["rx_ratio"] = SHORT_CIRCUIT_VA, 0.1
        parts = {"node": node, "generic_branch": branch, "sym_load": load, "source": source}
        return PowerGridModel({**parts, "shunt": shunt[at_bus != 0]})

    def solve(self, p_mw: Array, q_mvar: Array) -> StepResult | None:
        """Solve steps, arrays ``(steps, n_bus)``; None if one of them does not converge."""
        from power_grid_model import initialize_array
        from power_grid_model.errors import PowerGridError  # type: ignore[attr-defined]

        grid = self._grid
        drawn = -VA_PER_MVA * grid.base_mva * grid.injections(p_mw, q_mvar)
        if not np.isfinite(drawn).all():
            return None
        loads = initialize_array("update", "sym_load", drawn.shape)
        loads["id"] = self._loads
        loads["p_specified"], loads["q_specified"] = drawn.real, drawn.imag
        try:
            solved = self._model.calculate_power_flow(
                update_data={"sym_load": loads},
                error_tolerance=ERROR_PU,
                output_component_types=OUTPUTS,
                threading=-1,
            )
        except PowerGridError:
            return None
        node, branch = solved["node"], solved["generic_branch"]
        vm_pu, angle = (grid.at_buses(node[name]) for name in ("u_pu", "u_angle"))
        pu = np.sqrt(3) * RATED_V / self._va
        into_to_pu, to_pu = self._into_to_ends(node, branch)
        currents = branch["i_from"] * pu, to_pu
        sent_mw = branch["p_from"] / VA_PER_MVA
        lost_mw = sent_mw + into_to_pu * grid.base_mva
        # As pandapower has it: NaN out of service beside a bus without voltage, else 0.
        line_percent, transformer_percent = (
            np.where(
                (part.rows < 0) & np.isnan(vm_pu[:, ends]).any(axis=1),
                np.nan,
                part.loading(*currents),
            )
            for part, ends in ((grid.lines, self._line_ends), (grid.transformers, self._trafo_ends))
        )
        return StepResult(
            converged=np.ones(len(p_mw), dtype=bool),
            iterations=np.zeros(len(p_mw), dtype=int),
            vm_pu=vm_pu,
            va_degree=np.rad2deg(angle),
            line_loading_percent=line_percent,
            line_i_ka=line_percent / 100 * self._line_ka,
            line_p_from_mw=_carried(grid.lines, sent_mw),
            line_loss_mw=_carried(grid.lines, lost_mw),
            transformer_loading_percent=transformer_percent,
            transformer_p_hv_mw=_carried(grid.transformers, sent_mw),
            transformer_loss_mw=_carried(grid.transformers, lost_mw),
            slack_p_mw=solved["source"]["p"].sum(axis=1) / VA_PER_MVA,
        )

    def _into_to_ends(self, node: Any, branch: Any) -> tuple[Array, Any]:
        """Power and current in pu into all branches at their ``to`` ends, ``more_to`` with it."""
        vm_pu = node["u_pu"][:, self._grid.to_bus]
        into_pu = (branch["p_to"] + 1j * branch["q_to"]) / self._va
        into_pu = into_pu + vm_pu**2 * self._grid.pi.more_to.conj()
        return into_pu.real, np.abs(into_pu) / vm_pu


def _carried(part: Branches, values: Array) -> Array:
    """Values of branches for lines or transformers; 0 where out of service."""
    carried = np.zeros((len(values), part.rows.size))
    used = part.rows >= 0
    carried[:, used] = values[:, part.rows[used]]
    return carried
