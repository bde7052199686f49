"""Exact AC power flow of many steps at once, and its sensitivities.

With constant power injections ``S`` the bus voltages are the fixed point of
``V = w + Z conj(S / V)`` (implicit Z-bus method; it contracts well in distribution grids, see
Bernstein et al. 2018, IEEE Trans. Power Syst. 33(6) 5832). All steps are columns of one matrix
product. Its derivative is a fixed point of the same kind, so sensitivities are exact too.
Steps that do not get there are left to pandapower's Newton-Raphson.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.grid.admittance import MAX_ITERATIONS, Admittance, Admittances, Complex, product
from quartier.grid.network import Network
from quartier.grid.recycled import RecycledPowerFlow, StepResult
from quartier.grid.sensitivities import Chosen, Rates, Sensitivities, differentiate, rates
from quartier.quantities import Array

__all__ = ["BatchPowerFlow", "GridState", "RecycledPowerFlow", "Sensitivities", "StepResult"]

ACCURACY_PU = 1e-11
"""Change of a voltage in an iteration below which a step has converged."""


@dataclass(frozen=True)
class GridState:
    """What a power flow of many steps found; rows of steps not converged are NaN.

    Attributes
    ----------
    tap_pos
        Tap position it was solved at.
    vm_pu
        Bus voltages, shape ``(steps, n_bus)``; NaN at buses that are not supplied.
    line_loading_percent, transformer_loading_percent
        Larger of the two ends' currents in percent of the rated current, as pandapower
        defines them; 0 where out of service.
    slack_p_mw
        Power from the upper grid, positive when imported, shape ``(steps,)``.
    loss_mw
        Active power lost in lines and transformers, shape ``(steps,)``.
    converged
        Shape ``(steps,)``.
    voltage
        Complex voltages of the fused buses, to start from or to differentiate at.
    """

    tap_pos: int
    vm_pu: Array
    line_loading_percent: Array
    transformer_loading_percent: Array
    slack_p_mw: Array
    loss_mw: Array
    converged: NDArray[np.bool_]
    voltage: Complex

    def take(self, steps: NDArray[np.int64]) -> GridState:
        """Return some of the steps."""
        parts: dict[str, Any] = {name: values[steps] for name, values in self._arrays()}
        return replace(self, **parts)

    def put(self, steps: NDArray[np.int64], part: GridState) -> GridState:
        """Return the state with some of its steps replaced by those of ``part``."""
        merged: dict[str, Any] = {name: values.copy() for name, values in self._arrays()}
        for name, values in part._arrays():
            merged[name][steps] = values
        return replace(self, **merged)

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        return ((f.name, getattr(self, f.name)) for f in fields(self) if f.name != "tap_pos")


class BatchPowerFlow:
    """Power flow of many steps at once; :meth:`of` gives the one of a network.

    Parameters
    ----------
    network
        The grid. If generators in it hold a voltage, every step goes to Newton-Raphson, which
        is some thousand times slower.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._admittances = Admittances(network)
        self._newton: RecycledPowerFlow | None = None
        gen = network.net.gen
        self._holds_voltage = bool((gen["in_service"] & ~gen["slack"].astype(bool)).any())

    @classmethod
    def of(cls, network: Network) -> BatchPowerFlow:
        """Return the power flow of a network, whose matrices serve all that ask for it."""
        flow: BatchPowerFlow = network.cache.setdefault("batch_power_flow", None) or cls(network)
        network.cache["batch_power_flow"] = flow
        return flow

    def admittance(self, tap_pos: int) -> Admittance:
        """The network at a tap position."""
        return self._admittances.at(tap_pos)

    def solve(
        self, p_mw: Array, q_mvar: Array, tap_pos: int, start: GridState | None = None
    ) -> GridState:
        """Solve many steps, or many scenarios: every row is solved on its own.

        Parameters
        ----------
        p_mw, q_mvar
            Net injections, positive into the grid, shape ``(steps, n_bus)``.
        tap_pos
            Tap position of the regulated transformers.
        start
            State of the same number of steps to start from; it saves iterations if near.
        """
        grid = self.admittance(tap_pos)
        power = grid.injections(p_mw, q_mvar)
        voltage = np.empty((len(power), grid.size), dtype=complex)
        voltage[:, grid.slack] = grid.slack_voltage
        if self._holds_voltage:
            done = np.zeros(len(power), dtype=bool)
        else:
            begin = None if start is None else start.voltage[:, grid.free]
            free, done = _fixed_point(grid, power[:, grid.free], begin)
            voltage[:, grid.free] = free
        for row in np.flatnonzero(~done):
            newton = self._newton = self._newton or RecycledPowerFlow(self._network)
            done[row] = newton.solve(p_mw[row], q_mvar[row], tap_pos)
            if done[row]:
                voltage[row] = newton.net._ppc["internal"]["V"]
        voltage[~done] = np.nan
        return _state(grid, tap_pos, voltage, power, done)

    def sensitivities(
        self,
        state: GridState,
        p_mw: Array,
        q_mvar: Array,
        buses: Sequence[int],
        chosen: Chosen | None = None,
    ) -> Sensitivities:
        """Differentiate a state by the active power fed in at ``buses``.

        Parameters
        ----------
        state
            Solution for ``p_mw`` and ``q_mvar``, or some rows of both.
        buses
            pandapower's indices of the buses.
        chosen
            Elements to differentiate; all if None.
        """
        places = [self._network.position(bus) for bus in buses]
        grid = self.admittance(state.tap_pos)
        return differentiate(grid, state.voltage, grid.injections(p_mw, q_mvar), places, chosen)

    def rates(self, state: GridState, p_mw: Array, q_mvar: Array, buses: Sequence[int]) -> Rates:
        """Bound how fast a state of one step changes by the active power fed in at ``buses``."""
        places = [self._network.position(bus) for bus in buses]
        grid = self.admittance(state.tap_pos)
        return rates(grid, state.voltage, grid.injections(p_mw, q_mvar), places)


def _fixed_point(
    grid: Admittance, power: Complex, start: Complex | None
) -> tuple[Complex, NDArray[np.bool_]]:
    """Iterate ``V = w + Z conj(S / V)``; return the voltages and which steps converged."""
    voltage = np.broadcast_to(grid.no_load, power.shape)
    if start is not None:
        voltage = np.where(np.isfinite(start), start, voltage)
    if not power.size:
        return voltage, np.ones(len(power), dtype=bool)
    change = np.full(len(power), np.inf)
    with np.errstate(all="ignore"):  # a diverging step may overflow; it is left to Newton
        for _ in range(MAX_ITERATIONS):
            following = grid.no_load + grid.voltages(np.conj(power / voltage))
            change = np.abs(following - voltage).max(axis=1)
            voltage = following
            if not (change > ACCURACY_PU).any():
                break
    return voltage, change <= ACCURACY_PU


def _state(
    grid: Admittance, tap_pos: int, voltage: Complex, power: Complex, done: NDArray[np.bool_]
) -> GridState:
    into_from, into_to = product(voltage, grid.from_branch), product(voltage, grid.to_branch)
    lost = voltage[:, grid.from_bus] * into_from.conj() + voltage[:, grid.to_bus] * into_to.conj()
    at_slack = voltage[:, grid.slack] * product(voltage, grid.slack_rows).conj()
    imported = (at_slack - power[:, grid.slack]).real.sum(axis=1)
    return GridState(
        tap_pos=tap_pos,
        vm_pu=grid.at_buses(np.abs(voltage)),
        line_loading_percent=grid.lines.loading(into_from, into_to),
        transformer_loading_percent=grid.transformers.loading(into_from, into_to),
        slack_p_mw=grid.base_mva * imported,
        loss_mw=grid.base_mva * lost.real.sum(axis=1),
        converged=done,
        voltage=voltage,
    )
