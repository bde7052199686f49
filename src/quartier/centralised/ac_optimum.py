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
from typing import Any

import casadi as ca
import numpy as np
import pandapower as pp
from scipy import sparse

from quartier.centralised.ac_branches import Branches
from quartier.centralised.individual import Process
from quartier.centralised.member import Member
from quartier.centralised.network import import_price
from quartier.program import Indices
from quartier.quantities import KW_PER_MW, Array

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
    if flow.branches.holding:
        none = float("nan")
        return Optimum("generators hold voltages", none, none, none, none, 0.0)
    status, cost, redispatch, power_mw, q_mvar = flow.solve()
    wall_s = time.perf_counter() - began
    return checked(process, tap_pos, status, (cost, redispatch), (power_mw, q_mvar), wall_s)


def checked(
    process: Process,
    tap_pos: int,
    status: str,
    costs_eur: tuple[float, float],
    power: tuple[Array, Array | None],
    wall_s: float,
) -> Optimum:
    """An optimum, with losses and limits as pandapower's Newton-Raphson finds them.

    Parameters
    ----------
    costs_eur
        Upper cost, and what of it is not for losses.
    power
        Active power of all assets in MW, and reactive power in Mvar, if it is not that of the
        offers, shape ``(T, A)`` each.
    """
    problem, network = process.problem.grid, process.problem.grid.network
    p_mw, q_mvar = injections(process, *power)
    net = network.with_tap(tap_pos)
    for bus in network.buses:
        pp.create_sgen(net, bus, p_mw=0.0, q_mvar=0.0)
    loss_mw, loading, voltage = 0.0, -np.inf, -np.inf
    for p_now, q_now in zip(p_mw, q_mvar, strict=True):
        net.sgen["p_mw"], net.sgen["q_mvar"] = p_now, q_now
        try:
            pp.runpp(net)
        except pp.LoadflowNotConverged:
            return Optimum(f"{status}, no power flow", *4 * (float("nan"),), wall_s)
        loss_mw += float(net.res_line["pl_mw"].sum() + net.res_trafo["pl_mw"].sum())
        for found, limit in (
            (net.res_line["loading_percent"], network.line_limit_percent),
            (net.res_trafo["loading_percent"], network.transformer_limit_percent),
        ):
            loading = max(loading, np.nanmax(found.to_numpy() - limit, initial=-np.inf))
        vm_pu = net.res_bus["vm_pu"].to_numpy()
        outside = np.maximum(vm_pu - network.vm_max_pu, network.vm_min_pu - vm_pu)
        voltage = max(voltage, np.nanmax(outside))
    price = problem.settings.loss_price_eur_per_kwh
    lost_eur = loss_mw * KW_PER_MW * price * process.problem.horizon.dt_h
    return Optimum(status, costs_eur[0], costs_eur[1] + lost_eur, loading, voltage, wall_s)


def injections(
    process: Process, power_mw: Array, reactive_mvar: Array | None = None
) -> tuple[Array, Array]:
    """Injections at all buses with the assets at some power, shape ``(T, n_bus)`` each."""
    problem = process.problem.grid
    p_mw, q_mvar = problem.background_p_mw.copy(), problem.background_q_mvar.copy()
    for k, offer in enumerate(process.offers):
        column = problem.network.position(offer.bus)
        p_mw[:, column] += power_mw[:, k]
        own = offer.q_kvar / KW_PER_MW if reactive_mvar is None else reactive_mvar[:, k]
        q_mvar[:, column] += own
    return p_mw, q_mvar


class OptimalPowerFlow:
    """The operator's nonlinear program over ``[voltages | units, what is lost, plants, imports]``.

    As `bound` has it, no load is ordered off: what is drawn is the operator's own.

    Parameters
    ----------
    process, members, tap_pos
        As :func:`ac_optimum` takes them.
    """

    def __init__(self, process: Process, members: Sequence[Member], tap_pos: int) -> None:
        self.process, self.problem, self.members = process, process.problem, members
        self.branches = Branches(self.problem.grid.network, tap_pos)
        self.steps, self.dt_h = self.problem.horizon.steps, self.problem.horizon.dt_h
        self.offers, self.settings = process.offers, self.problem.grid.settings
        self.plants, self.import_price = self.offers[len(members) :], import_price(self.problem)
        self._lay_out()

    def _lay_out(self) -> None:
        """Columns in kW: every neighbourhood's, and what it loses; power of plants; imports; kvar.

        Reactive power has columns only where the scenario states how far it may go, imports where
        their CO2 has a price (U2).
        """
        at, self.first, self.offset = 0, list[int](), 0.0
        lower, upper, cost = list[Array](), list[Array](), list[Array]()
        every, nothing = np.full(self.steps, np.inf), np.zeros(self.steps)
        for member, offer in zip(self.members, self.offers, strict=False):
            self.first.append(at)
            size = member.arrays.size
            cost += [np.zeros(size), np.full(self.steps, offer.price_eur_per_kwh)]
            # What fits both ways of a connection: Ipopt strays where nothing ends them.
            least, most = member.reach
            lower += [least, nothing]
            upper += [most, member.curtailable_kw]
            at += size + self.steps
        for offer in self.plants:
            self.first.append(at)
            cost.append(np.full(self.steps, -offer.price_eur_per_kwh))
            lower.append(nothing)
            upper.append(np.maximum(offer.p_kw, 0.0))
            self.offset += offer.price_eur_per_kwh * self.dt_h * float(offer.p_kw.sum())
            at += self.steps
        self.imports = at
        if self.import_price.any():
            at += self.steps
            cost.append(self.import_price)
            lower.append(nothing)
            upper.append(every)
        self.reactive = at
        if self.settings.min_cos_phi is not None:
            at += len(self.plants) * self.steps
            for _ in self.plants:
                cost.append(nothing)
                lower.append(-every)
                upper.append(every)
        self.size, self.cost = at, self.dt_h * np.concatenate(cost)
        self.lower, self.upper = np.concatenate(lower), np.concatenate(upper)

    def _at(self, *columns: tuple[float, Indices]) -> sparse.csr_array:
        """Rows, one a step, with a factor at each of some columns."""
        steps = np.tile(np.arange(self.steps), len(columns))
        factors = np.repeat([factor for factor, _ in columns], self.steps)
        places = np.concatenate([places for _, places in columns])
        return sparse.csr_array((factors, (steps, places)), shape=(self.steps, self.size))

    def _power(self) -> list[sparse.csr_array]:
        """Power of every asset in kW as rows over the columns, by step."""
        found, steps = [], np.arange(self.steps)
        for k, first in enumerate(self.first):
            if k < len(self.members):
                member = self.members[k]
                found.append(
                    self._at((1.0, first + member.exported), (-1.0, first + member.imported))
                )
            else:
                found.append(self._at((1.0, first + steps)))
        return found

    def _free_reactive(self) -> dict[int, sparse.csr_array]:
        """Reactive power in kvar of the assets that choose it, likewise, by asset."""
        if self.settings.min_cos_phi is None:
            return {}
        steps, known = np.arange(self.steps), len(self.members)
        return {
            known + k: self._at((1.0, self.reactive + k * self.steps + steps))
            for k in range(len(self.plants))
        }

    def _rows(self) -> Iterator[tuple[sparse.csr_array, Array, Array]]:
        """The neighbourhoods' own rows, ``lost >= curtailed - own``, and ``|q| <= tan φ · p``."""
        power, steps = self._power(), np.arange(self.steps)
        none = np.full(self.steps, np.inf)
        for member, first, offer in zip(self.members, self.first, self.offers, strict=False):
            arrays = member.arrays
            own = arrays.matrix.tocoo()
            shape = (arrays.row_lower.size, self.size)
            moved = (own.data, (own.coords[0], own.coords[1] + first))
            yield sparse.csr_array(moved, shape=shape), arrays.row_lower, arrays.row_upper
            if member.curtailed.size:
                at = first + arrays.size + steps
                lost = self._at((1.0, at), (-1.0, first + member.curtailed))
                yield lost, np.broadcast_to(-offer.curtailed_kw, self.steps), none
        for k, reactive in self._free_reactive().items():
            tangent = np.tan(np.arccos(float(self.settings.min_cos_phi or 1.0)))
            for sign in (1.0, -1.0):
                row = sparse.csr_array(sign * reactive - tangent * power[k])
                yield row, -none, np.zeros(self.steps)

    def _upper_grid(self, power: list[sparse.csr_array], lost: Any, z: Any) -> Any:
        """``imports + injections - losses`` in pu, shape ``(T,)``; at least 0; empty: no price."""
        if not self.import_price.any():
            return ca.MX(0, 1)
        unit = KW_PER_MW * self.branches.base_mva
        rows = self._at((1.0, self.imports + np.arange(self.steps)))
        for own in power:
            rows = sparse.csr_array(rows + own)
        given_kw = KW_PER_MW * self.problem.grid.background_p_mw.sum(axis=1)
        return (ca.DM(sparse.csc_matrix(rows)) @ z + ca.DM(given_kw)) / unit - lost.T

    def solve(self) -> tuple[str, float, float, Array, Array | None]:
        """Status, cost, cost without losses, power of the assets in MW, and in Mvar if free."""
        branches, power, free_q = self.branches, self._power(), self._free_reactive()
        free, count = branches.free.size, branches.limit.size
        x, z = ca.MX.sym("x", 2 * free, self.steps), ca.MX.sym("z", self.size)
        inside, lost = branches.step().map(self.steps)(x)
        blocks = list(self._rows())
        matrix = sparse.csc_matrix(sparse.vstack([block for block, _, _ in blocks]))
        least, most = self._band()
        drawn = self._upper_grid(power, lost, z)
        g = ca.vertcat(
            ca.vec(inside[: 2 * free, :] - self._injected(power, free_q, z)),
            ca.vec(inside[2 * free :, :]),
            ca.DM(matrix) @ z,
            drawn,
        )
        limits_low = np.concatenate([least[branches.free] ** 2, np.full(count, -np.inf)])
        loads = (1 - self.settings.margin) * branches.limit
        limits_high = np.concatenate([most[branches.free] ** 2, loads**2])
        balance, nowhere = np.zeros(2 * free * self.steps), np.full(2 * free * self.steps, np.inf)
        price = self.settings.loss_price_eur_per_kwh * self.dt_h * KW_PER_MW * branches.base_mva
        cost = ca.dot(ca.DM(self.cost), z) + self.offset + price * ca.sum2(lost)
        program: dict[str, Any] = {"x": ca.vertcat(ca.vec(x), z), "f": cost, "g": g}
        solver = ca.nlpsol("opf", "ipopt", program, OPTIONS)
        start = branches.unloaded()
        rest = np.clip(np.zeros(self.size), self.lower, self.upper)
        answer = solver(
            x0=np.concatenate([np.tile([*start.real, *start.imag], self.steps), rest]),
            lbx=np.concatenate([-nowhere, self.lower]),
            ubx=np.concatenate([nowhere, self.upper]),
            lbg=np.concatenate(
                [
                    *(balance, np.tile(limits_low, self.steps)),
                    *(low for _, low, _ in blocks),
                    np.zeros(drawn.shape[0]),
                ]
            ),
            ubg=np.concatenate(
                [
                    *(balance, np.tile(limits_high, self.steps)),
                    *(high for _, _, high in blocks),
                    np.full(drawn.shape[0], np.inf),
                ]
            ),
        )
        said = solver.stats()
        values = np.asarray(answer["x"]).ravel()[2 * free * self.steps :]
        power_mw = np.column_stack([rows @ values for rows in power]) / KW_PER_MW
        q_mvar = None
        if free_q:
            given = [offer.q_kvar for offer in self.offers]
            q_kvar = [free_q[k] @ values if k in free_q else q for k, q in enumerate(given)]
            q_mvar = np.column_stack(q_kvar) / KW_PER_MW
        close = all(said["iterations"][name][-1] <= most for name, most in CLOSE.items())
        status = "local optimum" if said["success"] or close else str(said["return_status"])
        redispatch = float(self.cost @ values) + self.offset
        return status, float(answer["f"]), redispatch, power_mw, q_mvar

    def _band(self) -> tuple[Array, Array]:
        """Voltages of the buses in pu that are allowed, less the margin."""
        network = self.problem.grid.network
        kept_pu = self.settings.margin / 2 * (network.vm_max_pu - network.vm_min_pu)
        return self.branches.band(network.vm_min_pu + kept_pu, network.vm_max_pu - kept_pu)

    def _injected(
        self, power: list[sparse.csr_array], free_q: dict[int, sparse.csr_array], z: Any
    ) -> Any:
        """Active and reactive power injected at the free buses in pu, shape ``(2 free, T)``."""
        branches, unit = self.branches, 1 / (KW_PER_MW * self.branches.base_mva)
        nothing = np.zeros((self.steps, len(self.offers)))
        given = np.column_stack([offer.q_kvar for offer in self.offers]) / KW_PER_MW
        given[:, list(free_q)] = 0.0
        parts = injections(self.process, nothing, given)
        fixed = [branches.spread(part)[:, branches.free].T for part in parts]
        injected = ca.MX(ca.DM(np.vstack(fixed)))
        place = {int(bus): k for k, bus in enumerate(branches.free)}
        count = branches.free.size
        for k, offer in enumerate(self.offers):
            bus = place.get(int(branches.bus[self.problem.grid.network.position(offer.bus)]))
            if bus is None:  # at the slack, which takes whatever comes
                continue
            sides = [(bus, power[k])] + ([(count + bus, free_q[k])] if k in free_q else [])
            for row, rows in sides:
                at = sparse.csc_matrix(([unit], ([row], [0])), shape=(2 * count, 1))
                injected = injected + ca.DM(at) @ (ca.DM(sparse.csc_matrix(rows)) @ z).T
        return injected
