"""Admittances of a network at a tap position, as pandapower builds them.

pandapower does the modelling: it fuses buses that closed switches join, adds auxiliary buses
at open line ends and leaves out what is out of service. Bus voltages ``V`` and currents ``I``
obey ``I = Y V``; with the slack eliminated, ``V = w + Z I`` at all other buses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.grid.factors import Factors
from quartier.grid.kept import kept
from quartier.grid.network import Indices, Net, Network
from quartier.grid.recycled import injection_net, run
from quartier.quantities import Array

Complex: TypeAlias = NDArray[np.complex128]

MAX_ITERATIONS = 60
"""Iterations of a fixed point after which a step counts as not converging."""
DENSE_BUSES = 1500
"""Up to so many buses ``Z`` is a dense matrix, beyond a sparse factorisation."""


@dataclass(frozen=True)
class Branches:
    """Lines or transformers as rows of the admittance matrices of branches.

    ``rows`` is -1 for what is out of service. ``from_scale`` and ``to_scale`` turn a current in
    pu at either end into percent of the rated current.
    """

    rows: Indices
    from_scale: Array
    to_scale: Array

    def part(self, places: Indices | None) -> Branches:
        """Return some of them by their places, or all."""
        if places is None:
            return self
        return Branches(self.rows[places], self.from_scale[places], self.to_scale[places])

    def loading(self, into_from: Complex, into_to: Complex) -> Array:
        """Loading in percent by the larger of the currents into both ends, ``(steps, rows)``."""
        percent = np.maximum(
            np.abs(into_from[:, self.rows]) * self.from_scale,
            np.abs(into_to[:, self.rows]) * self.to_scale,
        )
        return np.where((self.rows >= 0) | np.isnan(percent), percent, 0.0)


@dataclass(frozen=True)
class PiCircuits:
    """Branches as pi circuits behind ideal transformers at their ``from`` ends, in pu.

    ``shunt`` is halved between both ends; ``more_to`` is what transformers with a lopsided T
    circuit have beside it at their ``to`` ends. ``at_bus`` holds the shunts of the fused buses.
    """

    series: Complex
    shunt: Complex
    more_to: Complex
    ratio: Complex
    at_bus: Complex


@dataclass(frozen=True)
class Admittance:
    """A network at one tap position, in pu; ``n`` buses after fusing, ``m`` of them no slack.

    Attributes
    ----------
    base_mva
        Power base.
    bus
        Position of every bus of the network among the ``n``, or -1 if it is not supplied.
    slack, free
        Positions of the slack buses and of all others.
    slack_voltage, no_load
        Voltages of the slack, and ``w``: those of the ``free`` buses without injections.
    held
        Positions of the ``free`` buses at which a generator holds the voltage.
    matrix, slack_rows
        Bus admittance matrix, and its rows that belong to the slack.
    from_branch, to_branch
        Admittances that give the current into a branch at its ends, shape ``(branches, n)``.
    from_bus, to_bus
        Positions of the buses at the ends of every branch.
    """

    base_mva: float
    bus: Indices
    slack: Indices
    free: Indices
    held: Indices
    slack_voltage: Complex
    no_load: Complex
    matrix: sparse.csr_array
    slack_rows: sparse.csr_array
    from_branch: sparse.csr_array
    to_branch: sparse.csr_array
    from_bus: Indices
    to_bus: Indices
    lines: Branches
    transformers: Branches
    pi: PiCircuits
    _impedance: Complex | None
    _factors: Factors | None

    @property
    def size(self) -> int:
        """Number of buses after fusing."""
        return self.slack.size + self.free.size

    def voltages(self, currents: Complex) -> Complex:
        """``Z I``: the part of the voltages that currents cause, shapes ``(..., m)``."""
        flat = currents.reshape(-1, self.free.size)
        if self._impedance is not None:
            return (flat @ self._impedance.T).reshape(currents.shape)
        assert self._factors is not None
        return self._factors.solve(flat.T).T.reshape(currents.shape)

    def at_buses(self, values: Array) -> Array:
        """Spread values of the fused buses over those of the network; NaN if not supplied."""
        return np.where(self.bus >= 0, values[..., self.bus], np.nan)

    def injections(self, p_mw: Array, q_mvar: Array) -> Complex:
        """Complex power in pu at the ``n`` buses, shape ``(steps, n)``, from ``(steps, n_bus)``."""
        supplied = np.flatnonzero(self.bus >= 0)
        places = (self.bus[supplied], supplied)
        shape = (self.size, self.bus.size)
        at_bus = sparse.csr_array((np.ones(supplied.size, dtype=complex), places), shape=shape)
        power = np.asarray((p_mw + 1j * q_mvar) / self.base_mva, dtype=np.complex128)
        return product(power, at_bus)


class Admittances:
    """The admittances of a network by tap position, built when first asked for.

    Parameters
    ----------
    network
        A grid whose buses, but for the slack, hold no voltage.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._net: Net | None = None
        self._built: dict[int, Admittance] = {}

    def at(self, tap_pos: int) -> Admittance:
        """Return the admittances at a tap position."""
        if tap_pos not in self._built:
            digest, name = self._network.digest, f"tap{tap_pos}"
            self._built[tap_pos] = _build(**kept(digest, name, lambda: self._modelled(tap_pos)))
        return self._built[tap_pos]

    def _modelled(self, tap_pos: int) -> dict[str, Any]:
        """What pandapower models."""
        recycle = None if self._net is None else {"bus_pq": False, "trafo": True, "gen": False}
        self._net = net = injection_net(self._network) if self._net is None else self._net
        self._network.set_tap(net, tap_pos)
        if not run(net, recycle):
            run(net)
        return _modelled(self._network, net)


def product(values: Complex, matrix: sparse.csr_array) -> Complex:
    """``matrix`` times each vector in the last axis of ``values``."""
    flat = values.reshape(-1, values.shape[-1])
    result = np.asarray(matrix @ flat.T).T
    return result.reshape(*values.shape[:-1], matrix.shape[0])


def _build(matrix: Any, slack: Indices, slack_voltage: Complex, **modelled: Any) -> Admittance:
    """Eliminate the slack from what pandapower modelled."""
    free = np.setdiff1d(np.arange(matrix.shape[0]), slack)
    impedance, factors = _invert(matrix[free][:, free])
    driven = -(matrix[free][:, slack] @ slack_voltage)
    return Admittance(
        slack=slack,
        free=free,
        slack_voltage=slack_voltage,
        no_load=factors.solve(driven) if factors else impedance @ driven,
        matrix=matrix,
        slack_rows=matrix[slack],
        _impedance=impedance,
        _factors=factors,
        **modelled,
    )


def _modelled(network: Network, net: Net) -> dict[str, Any]:
    """What pandapower modelled, by the names of :class:`Admittance`."""
    inner = net._ppc["internal"]
    ybus = sparse.csr_array(inner["Ybus"])
    slack = np.asarray(inner["ref"], dtype=np.int64)
    lookup = np.asarray(net._pd2ppc_lookups["bus"])[network.buses].astype(np.int64)
    return {
        "base_mva": float(inner["baseMVA"]),
        "bus": np.where((lookup >= 0) & (lookup < ybus.shape[0]), lookup, -1),
        "slack": slack,
        "held": np.asarray(inner["pv"], dtype=np.int64),
        "slack_voltage": np.asarray(inner["V"])[slack],
        "matrix": ybus,
        "from_branch": sparse.csr_array(inner["Yf"]),
        "to_branch": sparse.csr_array(inner["Yt"]),
        "from_bus": _ends(inner["branch"], 0),
        "to_bus": _ends(inner["branch"], 1),
        "lines": _lines(network, net),
        "transformers": _transformers(network, net),
        "pi": _pi_circuits(inner),
    }


def _pi_circuits(inner: Mapping[str, Any]) -> PiCircuits:
    """Read the circuits as pandapower's ``makeYbus`` does, but for impedances of two directions."""
    from pandapower.pypower import idx_brch as branches
    from pandapower.pypower.idx_bus import BS, GS

    branch = inner["branch"].real
    series = 1 / (branch[:, branches.BR_R] + 1j * branch[:, branches.BR_X])
    shunt = branch[:, branches.BR_G] + 1j * branch[:, branches.BR_B]
    lopsided = branch[:, branches.BR_G_ASYM] + 1j * branch[:, branches.BR_B_ASYM]
    tap = branch[:, branches.TAP]
    ratio = np.where(tap == 0, 1.0, tap) * np.exp(1j * np.deg2rad(branch[:, branches.SHIFT]))
    at_bus = (inner["bus"][:, GS] + 1j * inner["bus"][:, BS]) / inner["baseMVA"]
    return PiCircuits(series, shunt, lopsided / 2, ratio, at_bus)


def _invert(matrix: sparse.csr_array) -> tuple[Complex | None, Factors | None]:
    if matrix.shape[0] <= DENSE_BUSES:
        return np.linalg.inv(matrix.toarray()), None
    return None, Factors(matrix)


def _lines(network: Network, net: Net) -> Branches:
    rating = network.line_rating_ka()
    return _branches(net, "line", rating, rating)


def _transformers(network: Network, net: Net) -> Branches:
    mva = network.transformer_mva / np.sqrt(3)
    high, low = (net.trafo[side].to_numpy(dtype=float) for side in ("vn_hv_kv", "vn_lv_kv"))
    return _branches(net, "trafo", mva / high, mva / low)


def _branches(net: Net, kind: str, from_ka: Array, to_ka: Array) -> Branches:
    """Find the rows of a kind of branch and the scales from its rated currents."""
    from pandapower.pypower.idx_bus import BASE_KV

    inner = net._ppc["internal"]
    if kind not in net._pd2ppc_lookups["branch"]:
        return Branches(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    first, last = net._pd2ppc_lookups["branch"][kind]
    used = np.asarray(inner["branch_is"], dtype=bool)
    rows = np.where(used, np.cumsum(used) - 1, -1)[first:last]
    scales = []
    for end, rating_ka in enumerate((from_ka, to_ka)):
        bus = _ends(net._ppc["branch"][first:last], end)
        base_ka = inner["baseMVA"] / (np.sqrt(3) * net._ppc["bus"][bus, BASE_KV].real)
        scales.append(100 * base_ka / rating_ka)
    return Branches(rows, *scales)


def _ends(branch: Complex, end: int) -> Indices:
    from pandapower.pypower.idx_brch import F_BUS, T_BUS

    return branch[:, (F_BUS, T_BUS)[end]].real.astype(np.int64)
