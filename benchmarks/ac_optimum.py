"""The linear optimum against a local optimum of the AC optimal power flow (M7, end).

`bound` puts grid, plants and neighbourhoods under one operator on a linear network: rows from
sensitivities, tangents of losses, corrected by AC power flow. Here the same operator solves the AC
equations themselves: the voltages of all buses in all steps are variables, power balances are
equations, every line, transformer and bus has its limit, losses are what is fed in beyond what is
drawn. Ipopt (interior point, Wächter, Biegler 2006) finds a local optimum from the voltages without
injections. Admittances are pandapower's own; nothing of the linear network and no power flow of
ours goes into it, and what it finds is checked by pandapower's Newton-Raphson, step by step.

Wrong sensitivities or losses make the linear operator move the wrong assets: its cost in AC is then
above the local optimum. Asked for with ``--wrong``, they show by how much.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import casadi as ca
import numpy as np
import pandapower as pp
from scipy import sparse
from scipy.sparse.linalg import spsolve

from quartier.centralised.individual import Process
from quartier.centralised.member import Member
from quartier.centralised.network import converge, joint_of, linear_grid
from quartier.instance import build
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.linear_grid import LinearGrid, Tangents
from quartier.scenario.load import load

VARIANTS = ("max-feed-in", "large-battery", "three-neighbourhoods", "max-load")
OPTIONS = {
    "ipopt.print_level": 0,
    "ipopt.sb": "yes",
    "print_time": False,
    "ipopt.tol": 1e-7,
    "ipopt.max_iter": 500,
    "expand": True,
}
Spoil = Callable[[LinearGrid], None]


@dataclass(frozen=True)
class Optimum:
    """An operator's optimum.

    Attributes
    ----------
    cost_eur
        Upper cost as the operator sees it.
    ac_cost_eur
        The same with the losses that pandapower finds.
    loading_percent, voltage_pu
        Greatest excess of a loading and of a voltage in pandapower's power flow.
    wall_s
        Time to find it.
    """

    cost_eur: float
    ac_cost_eur: float
    loading_percent: float
    voltage_pu: float
    wall_s: float


class Case:
    """What both operators are asked: offers, tap position, relaxed neighbourhoods."""

    def __init__(self, scenario: str, overrides: list[str]) -> None:
        instance = build(load(scenario, overrides))
        self.problem = instance.problem(0, 0, instance.initial_state())
        self.process = Process(self.problem)
        self.process.run()
        tasks = self.problem.neighbourhoods
        self.members = [Member(task, aggregate=True, convex=True) for task in tasks]

    def linear(self, spoil: Spoil = lambda grid: None) -> Optimum:
        """`bound`: the leader's cost alone, on the linear network, settled in AC."""
        began = time.perf_counter()
        grid = linear_grid(self.process)
        spoil(grid)
        joint = joint_of(self.process, grid, self.members)
        values = converge(joint, (1.0, 0.0), "bound").values
        wall_s = time.perf_counter() - began
        power = joint.power_mw(values)
        losses = joint.upper_cost()[0][joint.layout.loss] @ values[joint.layout.loss]
        cost = joint.upper_value(values)
        return self.checked(cost, cost - float(losses), power, wall_s)

    def checked(self, cost: float, redispatch: float, power_mw: Array, wall_s: float) -> Optimum:
        """An optimum, with losses and limits as pandapower's Newton-Raphson finds them."""
        problem, tap_pos = self.problem.grid, self.process.rounds.tap_pos
        settings, network = problem.settings, problem.network
        p_mw, q_mvar = self.injections(power_mw)
        net = network.with_tap(tap_pos)
        for bus in network.buses:
            pp.create_sgen(net, bus, p_mw=0.0, q_mvar=0.0)
        loss_mw, loading, voltage = 0.0, -np.inf, -np.inf
        for p_now, q_now in zip(p_mw, q_mvar, strict=True):
            net.sgen["p_mw"], net.sgen["q_mvar"] = p_now, q_now
            pp.runpp(net)
            loss_mw += float(net.res_line["pl_mw"].sum() + net.res_trafo["pl_mw"].sum())
            over = net.res_line["loading_percent"].to_numpy() - network.line_limit_percent
            above = net.res_trafo["loading_percent"].to_numpy() - network.transformer_limit_percent
            vm_pu = net.res_bus["vm_pu"].to_numpy()
            loading = max(loading, np.nanmax(over), np.nanmax(above))
            high, low = vm_pu - network.vm_max_pu, network.vm_min_pu - vm_pu
            voltage = max(voltage, np.nanmax(high), np.nanmax(low))
        lost_eur = loss_mw * KW_PER_MW * settings.loss_price_eur_per_kwh * self.problem.horizon.dt_h
        return Optimum(cost, redispatch + lost_eur, loading, voltage, wall_s)

    def injections(self, power_mw: Array) -> tuple[Array, Array]:
        """Injections at all buses with the assets at ``power_mw``, shape ``(T, n_bus)`` each."""
        problem, offers = self.problem.grid, self.process.offers
        p_mw, q_mvar = problem.background_p_mw.copy(), problem.background_q_mvar.copy()
        for k, offer in enumerate(offers):
            column = problem.network.position(offer.bus)
            p_mw[:, column] += power_mw[:, k]
            q_mvar[:, column] += offer.q_kvar / KW_PER_MW
        return p_mw, q_mvar

    def ac(self) -> Optimum:
        """A local optimum of the AC optimal power flow of all steps."""
        began = time.perf_counter()
        found = OptimalPowerFlow(self).solve()
        return self.checked(*found, time.perf_counter() - began)


class Branches:
    """pandapower's admittances at a tap position in pu, one row a bus or the end of a branch."""

    def __init__(self, network, tap_pos: int) -> None:
        net = network.with_tap(tap_pos)
        pp.runpp(net)
        ppc, lookup = net._ppc, net._pd2ppc_lookups
        inner = ppc["internal"]
        self.base_mva = float(inner["baseMVA"])
        self.ybus = sparse.csr_array(inner["Ybus"])
        self.slack = np.asarray(inner["ref"])
        self.free = np.setdiff1d(np.arange(self.ybus.shape[0]), self.slack)
        self.slack_voltage = np.asarray(inner["V"])[self.slack]
        self.bus = np.asarray(lookup["bus"])[network.buses]
        self.supplied = (self.bus >= 0) & (self.bus < self.ybus.shape[0])
        ends, limits = [], []
        used = np.asarray(inner["branch_is"], dtype=bool)
        volts_kv = ppc["bus"][:, 9].real
        kinds = {"line": self._line_ka(network), "trafo": self._trafo_ka(network)}
        for kind, limits_ka in kinds.items():
            first, last = lookup["branch"][kind]
            rows = np.arange(first, last)
            inside = np.cumsum(used)[rows] - 1
            for end, matrix in enumerate((inner["Yf"], inner["Yt"])):
                base_ka = self.base_mva / (
                    np.sqrt(3) * volts_kv[ppc["branch"][rows, end].real.astype(int)]
                )
                ends.append(sparse.csr_array(matrix)[inside[used[rows]]])
                limits.append((limits_ka[end] / base_ka)[used[rows]])
        self.ends, self.limit = sparse.csr_array(sparse.vstack(ends)), np.concatenate(limits)

    @staticmethod
    def _line_ka(network) -> list[Array]:
        line = network.net.line
        rated = (line["max_i_ka"] * line["df"] * line["parallel"]).to_numpy()
        return 2 * [rated * network.line_limit_percent / 100]

    @staticmethod
    def _trafo_ka(network) -> list[Array]:
        trafo = network.net.trafo
        rated = (trafo["sn_mva"] * trafo["df"] * trafo["parallel"]).to_numpy() / np.sqrt(3)
        limit = rated * network.transformer_limit_percent / 100
        return [limit / trafo[side].to_numpy() for side in ("vn_hv_kv", "vn_lv_kv")]

    def spread(self, values: Array) -> Array:
        """Sum of values at the network's buses by bus in pu, shape ``(T, n)``."""
        found = np.zeros((len(values), self.ybus.shape[0]))
        places = np.flatnonzero(self.supplied)
        np.add.at(found.T, self.bus[places], values.T[places] / self.base_mva)
        return found

    def band(self, low: Array, high: Array) -> tuple[Array, Array]:
        """The narrowest voltage band of the buses that are one in pu, shape ``(n,)``."""
        least, most = np.zeros(self.ybus.shape[0]), np.full(self.ybus.shape[0], np.inf)
        places = np.flatnonzero(self.supplied)
        np.maximum.at(least, self.bus[places], low[places])
        np.minimum.at(most, self.bus[places], high[places])
        return least, most

    def unloaded(self) -> Array:
        """Voltages of the free buses without injections."""
        driven = -(self.ybus[self.free][:, self.slack] @ self.slack_voltage)
        return spsolve(sparse.csc_array(self.ybus[self.free][:, self.free]), driven)

    def step(self) -> ca.Function:
        """Injections at free buses, squares of voltages and currents, and losses of a step."""
        free, size = self.free.size, self.ybus.shape[0]
        x = ca.SX.sym("x", 2 * free)
        re, im = ca.SX(size, 1), ca.SX(size, 1)
        re[self.free], im[self.free] = x[:free], x[free:]
        re[self.slack], im[self.slack] = self.slack_voltage.real, self.slack_voltage.imag
        real, imag = _currents(self.ybus, re, im)
        p, q = re * real + im * imag, im * real - re * imag
        ends = _currents(self.ends, re, im)
        squares = re**2 + im**2
        parts = [p[self.free], q[self.free], squares[self.free], ends[0] ** 2 + ends[1] ** 2]
        return ca.Function("step", [x], [ca.vertcat(*parts), ca.sum1(p)])


def _currents(matrix, re: ca.SX, im: ca.SX) -> tuple[ca.SX, ca.SX]:
    g, b = (ca.DM(sparse.csc_matrix(part)) for part in (matrix.real, matrix.imag))
    return g @ re - b @ im, g @ im + b @ re


class OptimalPowerFlow:
    """The operator's nonlinear program over ``[voltages | units, plants and load reduced]``."""

    def __init__(self, case: Case) -> None:
        self.case, self.problem = case, case.problem
        self.branches = Branches(case.problem.grid.network, case.process.rounds.tap_pos)
        self.steps, self.dt_h = case.problem.horizon.steps, case.problem.horizon.dt_h
        self.offers = case.process.offers
        self.plants = self.offers[len(case.members) :]
        self._lay_out()

    def _lay_out(self) -> None:
        """Columns in kW: those of every neighbourhood, load reduced in it, power of the plants."""
        at, self.first = 0, []
        lower, upper, cost, self.offset = [], [], [], 0.0
        for member, offer in zip(self.case.members, self.offers, strict=False):
            self.first.append(at)
            arrays, own = member.arrays, np.zeros(member.arrays.size)
            own[member.curtailed] = offer.price_eur_per_kwh
            raising = np.full(self.steps, offer.raise_price_eur_per_kwh)
            cost += [own, raising]
            lower += [arrays.lower, np.zeros(self.steps)]
            upper += [arrays.upper, np.full(self.steps, np.inf)]
            at += arrays.size + self.steps
        for offer in self.plants:
            self.first.append(at)
            cost.append(np.full(self.steps, -offer.price_eur_per_kwh))
            lower.append(np.zeros(self.steps))
            upper.append(np.maximum(offer.p_kw, 0.0))
            self.offset += offer.price_eur_per_kwh * self.dt_h * float(offer.p_kw.sum())
            at += self.steps
        self.size, self.cost = at, self.dt_h * np.concatenate(cost)
        self.lower, self.upper = np.concatenate(lower), np.concatenate(upper)

    def _power(self) -> list[sparse.csr_array]:
        """Power of every asset in kW as rows over the columns, by step."""
        found = []
        for k, first in enumerate(self.first):
            steps = np.arange(self.steps)
            if k < len(self.case.members):
                member = self.case.members[k]
                rows, ones = np.tile(steps, 2), np.repeat([1.0, -1.0], self.steps)
                places = first + np.concatenate([member.exported, member.imported])
            else:
                rows, ones, places = steps, np.ones(self.steps), first + steps
            shape = (self.steps, self.size)
            found.append(sparse.csr_array((ones, (rows, places)), shape=shape))
        return found

    def _rows(self, power: list[sparse.csr_array]) -> tuple[sparse.csr_array, Array, Array]:
        """The neighbourhoods' own rows, and ``reduced >= p - p_off`` where p_off draws power."""
        blocks, low, high = [], [], []
        for k, member in enumerate(self.case.members):
            arrays, first, offered = member.arrays, self.first[k], self.offers[k].p_kw
            own = arrays.matrix.tocoo()
            shape = (arrays.row_lower.size, self.size)
            blocks.append(sparse.csr_array((own.data, (own.row, own.col + first)), shape=shape))
            steps = np.arange(self.steps)
            reduced = sparse.csr_array(
                (np.ones(self.steps), (steps, first + arrays.size + steps)), shape=power[k].shape
            )
            blocks.append(reduced - power[k])
            low += [arrays.row_lower, np.where(offered < 0, -offered, -np.inf)]
            high += [arrays.row_upper, np.full(self.steps, np.inf)]
        return sparse.csr_array(sparse.vstack(blocks)), np.concatenate(low), np.concatenate(high)

    def solve(self) -> tuple[float, float, Array]:
        """Cost, cost without losses, and power of the assets in MW.

        Raises
        ------
        RuntimeError
            If Ipopt does not converge.
        """
        branches, power = self.branches, self._power()
        free, count = branches.free.size, branches.limit.size
        x, z = ca.MX.sym("x", 2 * free, self.steps), ca.MX.sym("z", self.size)
        inside, lost = branches.step().map(self.steps)(x)
        matrix, low, high = self._rows(power)
        network, settings = self.problem.grid.network, self.problem.grid.settings
        least, most = branches.band(network.vm_min_pu, network.vm_max_pu)
        injected = self._injected(power, z)
        g = ca.vertcat(
            ca.vec(inside[: 2 * free, :] - injected),
            ca.vec(inside[2 * free :, :]),
            ca.DM(sparse.csc_matrix(matrix)) @ z,
        )
        limits_low = np.concatenate([least[branches.free] ** 2, np.full(count, -np.inf)])
        limits_high = np.concatenate([most[branches.free] ** 2, branches.limit**2])
        balance = np.zeros(2 * free * self.steps)
        loss_price = settings.loss_price_eur_per_kwh * self.dt_h * KW_PER_MW * branches.base_mva
        redispatch = ca.dot(ca.DM(self.cost), z) + self.offset
        cost = redispatch + loss_price * ca.sum2(lost)
        variables = ca.vertcat(ca.vec(x), z)
        solver = ca.nlpsol("opf", "ipopt", {"x": variables, "f": cost, "g": g}, OPTIONS)
        start, nowhere = branches.unloaded(), np.full(2 * free * self.steps, np.inf)
        rest = np.clip(np.zeros(self.size), self.lower, self.upper)
        answer = solver(
            x0=np.concatenate([np.tile([*start.real, *start.imag], self.steps), rest]),
            lbx=np.concatenate([-nowhere, self.lower]),
            ubx=np.concatenate([nowhere, self.upper]),
            lbg=np.concatenate([balance, np.tile(limits_low, self.steps), low]),
            ubg=np.concatenate([balance, np.tile(limits_high, self.steps), high]),
        )
        if not solver.stats()["success"]:
            raise RuntimeError(f"Ipopt: {solver.stats()['return_status']}")
        values = np.asarray(answer["x"]).ravel()[2 * free * self.steps :]
        power_mw = np.column_stack([rows @ values for rows in power]) / KW_PER_MW
        return float(answer["f"]), float(self.cost @ values) + self.offset, power_mw

    def _injected(self, power: list[sparse.csr_array], z: ca.MX) -> ca.MX:
        """Active and reactive power injected at the free buses in pu, shape ``(2 free, T)``."""
        branches, unit = self.branches, 1 / (KW_PER_MW * self.branches.base_mva)
        nothing = np.zeros((self.steps, len(self.offers)))
        fixed = [
            branches.spread(part)[:, branches.free].T for part in self.case.injections(nothing)
        ]
        injected = ca.MX(ca.DM(np.vstack(fixed)))
        place = {int(bus): k for k, bus in enumerate(branches.free)}
        for rows, offer in zip(power, self.offers, strict=True):
            bus = place[int(branches.bus[self.problem.grid.network.position(offer.bus)])]
            at = sparse.csc_matrix(([unit], ([bus], [0])), shape=(2 * branches.free.size, 1))
            injected = injected + ca.DM(at) @ (ca.DM(sparse.csc_matrix(rows)) @ z).T
        return injected


def wrong_sensitivities(grid: LinearGrid) -> None:
    """Halve the effect of the first asset on everything."""
    right = grid.model.slopes

    def slopes(*args, **kwargs):
        found = right(*args, **kwargs).copy()
        found[..., 0] *= 0.5
        return found

    grid.model.slopes = slopes


def wrong_losses(grid: LinearGrid) -> None:
    """Let losses grow with all power fed in, ten times as fast as they do."""
    right = grid._tangents

    def tangents(p_mw, state) -> Tangents:
        found = right(p_mw, state)
        slopes = 10 * found.slopes
        constant = found.constant + np.einsum("ta,ta->t", found.slopes - slopes, p_mw)
        return replace(found, slopes=slopes, constant=constant)

    grid._tangents = tangents


WRONG = {"sensitivities": wrong_sensitivities, "losses": wrong_losses}


def main() -> None:
    """Print a row for every variant that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=130)
    parser.add_argument("--wrong", choices=[*WRONG], help="spoil the linear network")
    options = parser.parse_args()
    print(
        f"{'variant, operator':<32}{'EUR':>11}{'EUR in AC':>11}{'apart':>10}"
        f"{'loading %':>11}{'voltage pu':>12}{'s':>8}"
    )
    for variant in options.variants:
        case = Case(f"fliegerhorst:{variant}", [f"horizon.steps={options.steps}"])
        linear = case.linear(WRONG.get(options.wrong, lambda grid: None))
        show(f"{variant}, linear", linear, None)
        show(f"{variant}, AC", case.ac(), linear)


def show(label: str, found: Optimum, other: Optimum | None) -> None:
    """Print a row; ``other`` is compared with, in AC."""
    apart = "" if other is None else f"{other.ac_cost_eur / found.ac_cost_eur - 1:.1e}"
    print(
        f"{label:<32}{found.cost_eur:>11.3f}{found.ac_cost_eur:>11.3f}{apart:>10}"
        f"{found.loading_percent:>11.1e}{found.voltage_pu:>12.1e}{found.wall_s:>8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
