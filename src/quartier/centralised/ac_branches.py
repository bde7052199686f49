"""The AC equations of a grid for casadi: pandapower's own admittances, and a step's power flow.

Needs the extra `ac`. Nothing of the linear network and no power flow of ours goes into it.
"""

from __future__ import annotations

from typing import Any

import casadi as ca
import numpy as np
import pandapower as pp
from scipy import sparse
from scipy.sparse.linalg import spsolve

from quartier.grid.network import Network
from quartier.quantities import Array


class Branches:
    """Admittances and limits at a tap position in pu.

    Attributes
    ----------
    base_mva
        Power of 1 pu.
    ybus
        Admittances, one row a bus.
    free, slack
        Positions of the buses whose voltage is free, and of the others.
    bus
        Position of each of the network's buses; beyond the last one where it is not supplied.
    holding
        Number of generators that hold a voltage, which the program does not know.
    ends, limit
        Admittances and greatest currents, one row an end of a line or transformer.
    """

    def __init__(self, network: Network, tap_pos: int) -> None:
        net = network.with_tap(tap_pos)
        pp.runpp(net)
        ppc, lookup = net._ppc, net._pd2ppc_lookups
        inner = ppc["internal"]
        self.base_mva = float(inner["baseMVA"])
        self.ybus = sparse.csr_array(inner["Ybus"])
        self.slack = np.asarray(inner["ref"])
        self.free = np.setdiff1d(np.arange(self.ybus.shape[0]), self.slack)
        self.holding = np.asarray(inner["pv"]).size
        self.slack_voltage = np.asarray(inner["V"])[self.slack]
        self.bus = np.asarray(lookup["bus"])[network.buses]
        self.supplied = (self.bus >= 0) & (self.bus < self.ybus.shape[0])
        ends, limits = [], []
        used = np.asarray(inner["branch_is"], dtype=bool)
        volts_kv = ppc["bus"][:, 9].real
        kinds = {"line": _line_ka(network), "trafo": _trafo_ka(network)}
        for kind, limits_ka in kinds.items():
            if kind not in lookup["branch"]:
                continue
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
        found: Array = spsolve(sparse.csc_array(self.ybus[self.free][:, self.free]), driven)
        return found

    def step(self) -> Any:
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


def _line_ka(network: Network) -> list[Array]:
    line = network.net.line
    rated = (line["max_i_ka"] * line["df"] * line["parallel"]).to_numpy()
    return 2 * [rated * network.line_limit_percent / 100]


def _trafo_ka(network: Network) -> list[Array]:
    trafo = network.net.trafo
    rated = (trafo["sn_mva"] * trafo["df"] * trafo["parallel"]).to_numpy() / np.sqrt(3)
    limit = rated * network.transformer_limit_percent / 100
    return [limit / trafo[side].to_numpy() for side in ("vn_hv_kv", "vn_lv_kv")]


def _currents(matrix: Any, re: Any, im: Any) -> tuple[Any, Any]:
    g, b = (ca.DM(sparse.csc_matrix(part)) for part in (matrix.real, matrix.imag))
    return g @ re - b @ im, g @ im + b @ re
