"""Power flow step by step: pandapower itself, its matrices recycled between steps.

Traps that this file knows: pandapower writes the results of recycled runs in place, recycles
the admittances even when a tap has changed, and leaves the results of a failed run behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from quartier.errors import InputError
from quartier.grid.compiled import pandapower
from quartier.grid.kept import kept
from quartier.grid.network import Net, Network
from quartier.grid.tables import network_of
from quartier.quantities import Array

RECYCLE = {"bus_pq": True, "trafo": False, "gen": False}
"""What is taken anew in a recycled run: injections only."""

VOLTAGE = slice(7, 9)
"""Columns of pypower's bus table with magnitude (pu) and angle (degrees)."""

REPLAY = (
    "One sgen per bus, its index is the bus. To replay a step: set p_mw and q_mvar of the sgens "
    "to the net injections in table 'buses', tap_pos of the transformers to that in table "
    "'transformers', and run pandapower.runpp(net)."
)
"""How to replay a step, written into the grid file under the key ``replay``."""


@dataclass(frozen=True)
class StepResult:
    """What a power flow of one step found; NaN throughout if it did not converge.

    Arrays have one entry per bus, line or transformer in the network's order. Of several steps,
    everything has one more axis at the front.
    """

    converged: Any
    iterations: Any
    vm_pu: Array
    va_degree: Array
    line_loading_percent: Array
    line_i_ka: Array
    line_p_from_mw: Array
    line_loss_mw: Array
    transformer_loading_percent: Array
    transformer_p_hv_mw: Array
    transformer_loss_mw: Array
    slack_p_mw: Any
    """Power from the upper grid, positive when imported."""

    @classmethod
    def of(cls, steps: Sequence[StepResult]) -> StepResult:
        """Put single steps together."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.array([getattr(one, name) for one in steps]) for name in names})

    def at(self, row: int) -> StepResult:
        """One step of several."""
        return StepResult(**{f.name: getattr(self, f.name)[row] for f in fields(self)})


class RecycledPowerFlow:
    """pandapower's Newton-Raphson on one network, for one step after the other.

    Parameters
    ----------
    network
        The grid. Generators that hold a voltage and several slacks are supported.

    Attributes
    ----------
    result
        What the last step found; its arrays are never written to again.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._net = injection_net(network)
        self._tap_pos: int | None = None
        self._ready = False
        self.result = blank(network)

    @property
    def net(self) -> Net:
        """The network that is solved, with one sgen per bus."""
        return self._net

    def step(self, p_mw: Array, q_mvar: Array, tap_pos: int) -> bool:
        """Solve a step; its figures are in :attr:`result`.

        Parameters
        ----------
        p_mw, q_mvar
            Net injection at every bus, positive into the grid, shape ``(n_bus,)``.
        tap_pos
            Tap position of the regulated transformers.

        Returns
        -------
        bool
            Whether it converged, from the last step's voltages or from a fresh start.
        """
        converged = self.solve(p_mw, q_mvar, tap_pos)
        self.result = _read(self._net) if converged else blank(self._network)
        return converged

    def solve_steps(self, p_mw: Array, q_mvar: Array, tap_pos: int) -> StepResult:
        """Solve steps one after the other, arrays ``(steps, n_bus)``."""
        found = []
        for row in zip(p_mw, q_mvar, strict=True):
            self.step(*row, tap_pos)
            found.append(self.result)
        return StepResult.of(found)

    def solve(self, p_mw: Array, q_mvar: Array, tap_pos: int) -> bool:
        """Solve a step as :meth:`step` does, leaving the figures in :attr:`net`."""
        if tap_pos != self._tap_pos:
            self._network.set_tap(self._net, tap_pos)
            self._tap_pos, self._ready = tap_pos, False
        self._net.sgen["p_mw"] = p_mw
        self._net.sgen["q_mvar"] = q_mvar
        finite = bool(np.isfinite(p_mw).all() and np.isfinite(q_mvar).all())
        recycled = finite and self._ready and self._recycled()
        # A failed run leaves its last iterate as the next start: never start from it.
        self._ready = recycled or (finite and run(self._net))
        return self._ready

    def _recycled(self) -> bool:
        """Run with the matrices of the last run.

        Switches are in these already; without them in the tables, pandapower does not write their
        results, which takes a fifth of a step and nobody reads.
        """
        switches = self._net.switch
        self._net.switch = switches.iloc[:0]
        try:
            return run(self._net, recycle=RECYCLE)
        finally:
            self._net.switch = switches

    def snapshot(self) -> dict[str, Any]:
        """What the next step starts from: the last injections and the voltages they led to."""
        if not self._ready:
            return {}
        voltages = np.array(self._net._ppc["bus"][:, VOLTAGE], dtype=float)
        p_mw, q_mvar = (self._net.sgen[name].to_numpy(dtype=float) for name in ("p_mw", "q_mvar"))
        taps = {"tap_pos": self._tap_pos}
        return {**taps, "p_mw": p_mw.copy(), "q_mvar": q_mvar.copy(), "voltages": voltages}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Start the next step from where a snapshot was taken, to the last bit."""
        self._ready = False
        if snapshot:
            self.solve(snapshot["p_mw"], snapshot["q_mvar"], int(snapshot["tap_pos"]))
        if self._ready:
            self._net._ppc["bus"][:, VOLTAGE] = snapshot["voltages"]


def grid_json(network: Network) -> str:
    """Return a network as it is simulated, so that any step can be replayed.

    It is pandapower's own JSON; its key ``replay`` says how.
    """

    def written() -> str:
        import pandapower as pp

        net = injection_net(network)
        net["replay"] = REPLAY
        return str(pp.to_json(net))

    return kept(network.digest, "json", written)


def injection_net(network: Network) -> Net:
    """Return a copy of the pandapower network with one sgen per bus, at zero.

    The index of an sgen is its bus.
    """
    import pandapower as pp

    net = network_of(network.net)
    pp.create_sgens(net, network.buses, p_mw=0.0, q_mvar=0.0, index=network.buses)
    return net


def run(net: Net, recycle: dict[str, bool] | None = None) -> bool:
    """Run pandapower's Newton-Raphson; return whether it converged.

    Raises
    ------
    InputError
        If pandapower refuses the network.
    """
    pp = pandapower()
    try:
        pp.runpp(net, recycle=recycle)
    except (pp.LoadflowNotConverged, FloatingPointError):
        return False
    except UserWarning as error:  # what pandapower raises where data contradict each other
        raise InputError([f"pandapower cannot compute the grid: {error}"]) from error
    return bool(net.converged)


def _read(net: Net) -> StepResult:
    def column(table: str, name: str) -> Array:
        return np.array(net[table][name], dtype=float)

    return StepResult(
        converged=True,
        iterations=int(net._ppc["iterations"]),
        vm_pu=column("res_bus", "vm_pu"),
        va_degree=column("res_bus", "va_degree"),
        line_loading_percent=column("res_line", "loading_percent"),
        line_i_ka=column("res_line", "i_ka"),
        line_p_from_mw=column("res_line", "p_from_mw"),
        line_loss_mw=column("res_line", "pl_mw"),
        transformer_loading_percent=column("res_trafo", "loading_percent"),
        transformer_p_hv_mw=column("res_trafo", "p_hv_mw"),
        transformer_loss_mw=column("res_trafo", "pl_mw"),
        slack_p_mw=_slack_power(net),
    )


def _slack_power(net: Net) -> float:
    power = float(net.res_ext_grid["p_mw"].sum())
    if len(net.gen):
        power += float(net.res_gen.loc[net.gen["slack"].astype(bool), "p_mw"].sum())
    return power


def blank(network: Network) -> StepResult:
    """Return the figures of a step that did not converge."""
    sizes = {"vm": network.buses, "va": network.buses, "tr": network.transformers}
    blank = {
        field.name: np.full(sizes.get(field.name[:2], network.lines).size, np.nan)
        for field in fields(StepResult)
        if field.name not in {"converged", "iterations", "slack_p_mw"}
    }
    return StepResult(converged=False, iterations=0, slack_p_mw=np.nan, **blank)
