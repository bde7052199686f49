"""A local optimum of the AC optimal power flow beside the linear network's optimum (M7, end).

`bound` puts grid, plants and neighbourhoods under one operator on a linear network: rows from
sensitivities, tangents of losses, corrected by AC power flow. Here the same operator solves the AC
equations themselves: the voltages of all buses in all steps are variables, power balances are
equations, every line, transformer and bus has its limit (seed 001 eq. 6-12), losses are what is fed
in beyond what is drawn. Ipopt (interior point, Wächter, Biegler 2006) finds a local optimum from
the voltages without injections; the paper uses the NLP solver WORHP. What it finds is checked by
pandapower's Newton-Raphson, step by step.

Reactive power is that of the data, or within each plant's power factor (eq. 9), if the scenario
states one. One tap position holds throughout; the margin that is kept free in plans is kept here,
too. Needs the extra `ac`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import casadi as ca
import numpy as np
from scipy import sparse

from quartier.centralised.ac_equations import Equations, constant
from quartier.centralised.individual import Process
from quartier.centralised.member import Member
from quartier.centralised.network import joint_of
from quartier.grid.power_flow import BatchPowerFlow, RecycledPowerFlow
from quartier.program import Arrays, Indices
from quartier.program.arrays import activity
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.linear_grid import LinearGrid

Part: TypeAlias = tuple[Any, Array | float, Array | float]
"""Variables or rows of casadi's, with their lower and upper limits."""

OPTIONS: dict[str, Any] = {
    "ipopt.print_level": 0,
    "ipopt.sb": "yes",
    "print_time": False,
    "ipopt.tol": 1e-7,
    "ipopt.max_iter": 500,
    "expand": True,
}
CLOSE = {"inf_pr": 1e-6, "inf_du": 1e-3}
"""Left of infeasibility (pu) and of the Lagrangian's slope (EUR/pu) where the search may end: on
short lines, of large admittance, rounding leaves no smaller step."""


@dataclass(frozen=True)
class Optimum:
    """An operator's optimum, and what pandapower's power flow says of it.

    Attributes
    ----------
    status
        ``local optimum``, or what the solver says.
    cost_eur
        Upper cost as the operator sees it.
    ac_cost_eur
        The same with the losses that pandapower finds.
    loading_percent, voltage_pu
        Greatest excess of a loading and of a voltage beyond its limit; negative where all hold. Of
        a step without a power flow, all figures are NaN.
    wall_s
        Time to find it.
    """

    status: str
    cost_eur: float
    ac_cost_eur: float
    loading_percent: float
    voltage_pu: float
    wall_s: float


def ac_optimum(process: Process, members: Sequence[Member], tap_pos: int) -> Optimum:
    """Return a local optimum of all steps together.

    Parameters
    ----------
    process
        The offers p_off.
    members
        Relaxed neighbourhoods.
    tap_pos
        Tap position of all steps.
    """
    began = time.perf_counter()
    flow = OptimalPowerFlow(process, members, tap_pos)
    if flow.admittance.held.size:
        none = float("nan")
        return Optimum("generators hold voltages", none, none, none, none, 0.0)
    status, cost, redispatch, p_mw, q_mvar = flow.solve()
    wall_s = time.perf_counter() - began
    return checked(flow.grid, status, (cost, redispatch), (p_mw, q_mvar), wall_s)


def checked(
    grid: LinearGrid,
    status: str,
    costs_eur: tuple[float, float],
    power: tuple[Array, Array],
    wall_s: float,
) -> Optimum:
    """An optimum, with losses and limits as pandapower's Newton-Raphson finds them.

    Parameters
    ----------
    costs_eur
        Upper cost, and what of it is not for losses.
    power
        Active power of all assets in MW, shape ``(T, A)``, and reactive power at all buses in
        Mvar, shape ``(T, n_bus)``.
    """
    network, settings = grid.problem.network, grid.problem.settings
    injected = (grid.assets.p_mw(power[0]), power[1])
    found = RecycledPowerFlow(network).solve_steps(*injected, grid.tap_pos)
    if not np.all(found.converged):
        return Optimum(f"{status}, no power flow", *4 * (float("nan"),), wall_s)
    loadings = (
        found.line_loading_percent - network.line_limit_percent,
        found.transformer_loading_percent - network.transformer_limit_percent,
    )
    outside = np.maximum(found.vm_pu - network.vm_max_pu, network.vm_min_pu - found.vm_pu)
    loss_mw = np.nansum(found.line_loss_mw) + np.nansum(found.transformer_loss_mw)
    lost_eur = loss_mw * KW_PER_MW * settings.loss_price_eur_per_kwh * grid.assets.dt_h
    loading = np.nanmax(np.concatenate(loadings, axis=1), initial=-np.inf)
    return Optimum(
        status, costs_eur[0], costs_eur[1] + lost_eur, loading, np.nanmax(outside), wall_s
    )


class OptimalPowerFlow:
    """The operator's nonlinear program over ``[voltages | columns of the linear one | Mvar]``.

    Cost, bounds and rows are those of the linear program (:mod:`quartier.redispatch.joint`), with
    the AC equations in place of what stands for the network there. As `bound` has it, no load is
    ordered off: what is drawn is the operator's own.

    Parameters
    ----------
    process, members, tap_pos
        As :func:`ac_optimum` takes them.
    """

    def __init__(self, process: Process, members: Sequence[Member], tap_pos: int) -> None:
        self.grid = LinearGrid(process.problem.grid, process.offers, tap_pos)  # without rows yet
        self.joint = joint_of(process, self.grid, members)
        self.admittance = BatchPowerFlow.of(self.grid.problem.network).admittance(tap_pos)
        self.equations = Equations(self.admittance, self.grid.model.elements)
        self.linear = self._linear()
        cos_phi = self.grid.problem.settings.min_cos_phi
        choosing = () if cos_phi is None else process.offers[len(members) :]
        self.tangent = np.tan(np.arccos(cos_phi or 1.0))
        q_kvar = [offer.q_kvar for offer in choosing]
        self.q_mvar = np.reshape(q_kvar, (-1, self.joint.steps)) / KW_PER_MW

    def _linear(self) -> Arrays:
        """The linear program less what the AC equations say, and what holds at any rate."""
        joint, layout, arrays = self.joint, self.joint.layout, self.joint.arrays(1.0, 0.0)
        lower, upper = arrays.lower, arrays.upper
        for where, lost, member in zip(layout.members, layout.lost.T, joint.members, strict=True):
            # What fits both ways of a connection: Ipopt strays where nothing ends them.
            lower[where], upper[where] = member.reach
            upper[lost] = member.curtailable_kw
        upper[layout.reduced] = upper[layout.ordered] = 0.0
        least, greatest = activity(arrays.matrix, lower, upper)
        rows = (least < arrays.row_lower) | (greatest > arrays.row_upper)
        if not arrays.cost[layout.imports].any():
            upper[layout.imports] = 0.0
            rows &= np.diff(arrays.matrix[:, layout.imports].indptr) == 0
        upper[layout.loss] = 0.0  # what the equations lose stands in its place
        return arrays.select(np.ones(arrays.size, dtype=bool), rows)

    def solve(self) -> tuple[str, float, float, Array, Array]:
        """Status, cost, cost without losses, the assets' power in MW, reactive at buses in Mvar."""
        steps, lower, upper = self.joint.steps, self.linear.lower, self.linear.upper
        no_load, far = self.admittance.no_load, np.inf
        x = ca.MX.sym("x", 2 * no_load.size, steps)
        z, q = ca.MX.sym("z", lower.size), ca.MX.sym("q", *self.q_mvar.shape)
        variables: list[Part] = [(x, -far, far), (z, lower, upper), (q, -far, far)]
        cost, rows = self._program(x, z, q)
        program = {"x": _stacked(variables), "f": cost, "g": _stacked(rows)}
        solver = ca.nlpsol("opf", "ipopt", program, OPTIONS)
        unloaded = np.tile([*no_load.real, *no_load.imag], steps)
        start = np.concatenate([unloaded, np.clip(0.0, lower, upper), np.zeros(q.numel())])
        (lbx, ubx), (lbg, ubg) = _limits(variables), _limits(rows)
        answer = solver(x0=start, lbx=lbx, ubx=ubx, lbg=lbg, ubg=ubg)
        ends = np.cumsum([x.numel(), z.numel()])
        _, values, beyond = np.split(np.asarray(answer["x"]).ravel(), ends)
        q_mvar = self.grid.assets.other_q_mvar.copy()
        np.add.at(q_mvar.T, self._choosing, beyond.reshape(steps, -1).T)
        power_mw, redispatch = self.joint.power_mw(values), self.linear.value(values)
        return _status(solver), float(answer["f"]), redispatch, power_mw, q_mvar

    def _program(self, x: Any, z: Any, q: Any) -> tuple[Any, list[Part]]:
        """Cost and rows over voltages, columns, and reactive power beyond that of the data."""
        linear, steps = self.linear, self.joint.steps
        injected, squares, lost = self.equations.step().map(steps)(x)
        columns = ca.MX(z)
        columns[self.joint.layout.loss] = KW_PER_MW * self.admittance.base_mva * lost.T
        power = ca.reshape(constant(self.joint.power_rows) @ columns, -1, steps)
        low, high = (np.tile(limit, steps) for limit in self.equations.limits)
        return ca.dot(ca.DM(linear.cost), columns) + linear.offset, [
            (injected - self._injected(power, q), 0.0, 0.0),
            (squares, low, high),
            (constant(linear.matrix) @ columns, linear.row_lower, linear.row_upper),
            (self._within_power_factor(power, q), 0.0, np.inf),
        ]

    @property
    def _choosing(self) -> Indices:
        """Buses, as columns of arrays over buses, of the plants that choose reactive power."""
        return self.grid.assets.columns[self.grid.assets.columns.size - len(self.q_mvar) :]

    def _injected(self, power: Any, q: Any) -> Any:
        """Active and reactive power injected at the free buses in pu, shape ``(2 free, T)``."""
        grid, assets = self.admittance, self.grid.assets
        given = grid.injections(assets.other_p_mw, assets.other_q_mvar)[:, grid.free].T
        active, reactive = (self._at_free(each) for each in (assets.columns, self._choosing))
        return ca.DM(np.vstack([given.real, given.imag])) + ca.vertcat(active @ power, reactive @ q)

    def _at_free(self, columns: Indices) -> Any:
        """Where in pu what is fed in at some buses arrives, shape ``(free, columns)``."""
        grid = self.admittance
        bus = grid.bus[columns]
        used = np.flatnonzero(bus >= 0)
        entries = (np.full(used.size, 1 / grid.base_mva), (bus[used], used))
        return constant(sparse.csr_array(entries, shape=(grid.size, columns.size))[grid.free])

    def _within_power_factor(self, power: Any, q: Any) -> Any:
        """``tan φ · p - |q|`` of the plants that choose ``q``: both signs, at least 0 (eq. 9)."""
        most, given = self.tangent * power[power.shape[0] - len(self.q_mvar) :, :], self.q_mvar
        return ca.vertcat(most - (given + q), most + (given + q))


def _stacked(parts: Sequence[Part]) -> Any:
    return ca.vertcat(*(ca.vec(part) for part, _, _ in parts))


def _limits(parts: Sequence[Part]) -> Iterator[Array]:
    """Lower and upper limits of parts, one below the other."""
    for side in (1, 2):
        yield np.concatenate([np.broadcast_to(part[side], part[0].numel()) for part in parts])


def _status(solver: Any) -> str:
    """``local optimum``, or what the solver says."""
    said = solver.stats()
    close = all(said["iterations"][name][-1] <= most for name, most in CLOSE.items())
    return "local optimum" if said["success"] or close else str(said["return_status"])
