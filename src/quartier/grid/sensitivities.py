"""Derivatives of voltages and loadings by the active power fed in.

The power flow is the fixed point of ``V = w + Z conj(S / V)``; differentiated, it is a fixed
point in ``dV``: ``dV = Z conj(dS / V - S dV / V^2)``, which contracts as the power flow does.

Where generators hold a voltage, it is the Newton step ``J (dθ, d|V|) = (dP, dQ)`` with the
Jacobian of the solution (Zimmerman, Murillo-Sánchez & Thomas 2011, IEEE Trans. Power Syst.
26(1) 12, and MATPOWER's technical note 2 for the derivatives). Differences of two solutions would
carry the solver's tolerance, divided by the small probe: noise that looks like an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from quartier.grid.admittance import MAX_ITERATIONS, Admittance, Branches, Complex, product
from quartier.grid.network import Indices
from quartier.quantities import Array

ACCURACY = 1e-7
"""Change of a derivative in an iteration, relative to the largest, that ends the iterations."""


@dataclass(frozen=True)
class Chosen:
    """Positions in the network of the elements to differentiate; None for all of a kind."""

    buses: Indices | None = None
    lines: Indices | None = None
    transformers: Indices | None = None


@dataclass(frozen=True)
class Sensitivities:
    """Derivatives by the active power fed in at some buses; shape ``(steps, buses, elements)``.

    Elements are all of a kind, or those chosen in their order. NaN where a step did not converge.
    """

    vm_pu_per_mw: Array
    line_percent_per_mw: Array
    transformer_percent_per_mw: Array


@dataclass(frozen=True)
class Rates:
    """Greatest change per MW fed in at some buses, whatever its phase; shape ``(buses, elements)``.

    The size of a phasor changes no faster than the phasor itself, and that rate hardly depends on
    the step: a bound that needs no derivative at every step.
    """

    vm_pu_per_mw: Array
    line_percent_per_mw: Array
    transformer_percent_per_mw: Array


def _derivative(
    grid: Admittance, voltage: Complex, power: Complex, places: Sequence[int]
) -> Complex:
    """Change of all voltages per MW fed in at some buses, shape ``(steps, places, n)``."""
    free, steps = grid.free.size, len(voltage)
    inside = voltage[:, grid.free]
    own = np.zeros((steps, len(places), free), dtype=complex)
    for k, place in enumerate(places):
        column = np.flatnonzero(grid.free == grid.bus[place])
        own[:, k, column] = 1 / (grid.base_mva * inside[:, column])
    own = grid.voltages(own.conj())
    fade = -(power[:, grid.free] / inside**2)[:, None, :]
    change = own
    for _ in range(MAX_ITERATIONS):
        following = own + grid.voltages((fade * change).conj())
        moved = np.abs(following - change).max(initial=0.0)
        change = following
        if not moved > ACCURACY * np.abs(change).max(initial=0.0):
            break
    full = np.zeros((steps, len(places), grid.size), dtype=complex)
    full[..., grid.free] = change
    return full


def _newton_step(grid: Admittance, voltage: Complex, places: Sequence[int]) -> Complex:
    """Change of all voltages of a step per MW at some buses, shape ``(places, n)``."""
    change = np.zeros((len(places), grid.size), dtype=complex)
    if not np.isfinite(voltage).all():
        return np.full_like(change, np.nan)
    free, loose = grid.free, np.setdiff1d(grid.free, grid.held)
    matrix: Any = grid.matrix
    unit, of_voltage, of_current = (
        sparse.diags_array(x) for x in (voltage / np.abs(voltage), voltage, matrix @ voltage)
    )
    by_size = (of_voltage @ (matrix @ unit).conj() + of_current.conj() @ unit).tocsr()
    by_angle = (1j * of_voltage @ (of_current - matrix @ of_voltage).conj()).tocsr()
    jacobian = sparse.block_array(
        [
            [by_angle[free][:, free].real, by_size[free][:, loose].real],
            [by_angle[loose][:, free].imag, by_size[loose][:, loose].imag],
        ],
        format="csc",
    )
    powers = np.zeros((jacobian.shape[0], len(places)))
    for k, place in enumerate(places):
        powers[np.flatnonzero(free == grid.bus[place]), k] = 1 / grid.base_mva
    moved = splu(jacobian).solve(powers).T
    change[:, free] = 1j * voltage[free] * moved[:, : free.size]
    change[:, loose] += voltage[loose] / np.abs(voltage[loose]) * moved[:, free.size :]
    return change


def differentiate(
    grid: Admittance,
    voltage: Complex,
    power: Complex,
    places: Sequence[int],
    chosen: Chosen | None = None,
) -> Sensitivities:
    """Differentiate the solution of some steps by the active power at some buses.

    Parameters
    ----------
    voltage, power
        Voltages of the fused buses, and injections in pu that they solve, shape ``(steps, n)``.
    places
        Positions of the buses in the network.
    chosen
        Elements to differentiate; all if None. In a large grid few can bind, and the derivatives
        of all others would fill the memory.
    """
    change = _change(grid, voltage, power, places)
    chosen = chosen or Chosen()
    bus = grid.bus if chosen.buses is None else grid.bus[chosen.buses]
    at_bus = _slope(voltage[:, None, bus], change[..., bus])
    return Sensitivities(
        np.where(bus >= 0, at_bus, np.nan),
        _loading_slope(grid, grid.lines.part(chosen.lines), voltage, change),
        _loading_slope(grid, grid.transformers.part(chosen.transformers), voltage, change),
    )


def rates(grid: Admittance, voltage: Complex, power: Complex, places: Sequence[int]) -> Rates:
    """Bound how fast voltages and currents change by the active power at some buses.

    Parameters
    ----------
    voltage, power
        As in :func:`differentiate`, of one step, shape ``(1, n)``.
    """
    change = _change(grid, voltage, power, places)[0]

    def percent(branches: Branches) -> Array:
        ends = (
            (grid.from_branch, branches.from_scale),
            (grid.to_branch, branches.to_scale),
        )
        sizes = [np.abs(product(change, a[branches.rows])) * scale for a, scale in ends]
        return np.where(branches.rows >= 0, np.maximum(*sizes), 0.0)

    vm_pu = np.where(grid.bus >= 0, np.abs(change[:, grid.bus]), 0.0)
    return Rates(vm_pu, percent(grid.lines), percent(grid.transformers))


def _change(grid: Admittance, voltage: Complex, power: Complex, places: Sequence[int]) -> Complex:
    """Change of all voltages per MW fed in at some buses, shape ``(steps, places, n)``."""
    if grid.held.size:
        return np.stack([_newton_step(grid, row, places) for row in voltage])
    return _derivative(grid, voltage, power, places)


def _loading_slope(
    grid: Admittance, branches: Branches, voltage: Complex, change: Complex
) -> Array:
    """Derivative of a loading: that of the end which is loaded more."""
    sizes, parts = [], []
    for admittance, scale in (
        (grid.from_branch, branches.from_scale),
        (grid.to_branch, branches.to_scale),
    ):
        own = admittance[branches.rows]  # row -1, out of service, is any: it becomes 0
        into = product(voltage, own)
        sizes.append(np.abs(into) * scale)
        parts.append(_slope(into[:, None, :], product(change, own)) * scale)
    chosen = np.where((sizes[0] >= sizes[1])[:, None, :], parts[0], parts[1])
    return np.where(branches.rows >= 0, chosen, 0.0)


def _slope(value: Complex, change: Complex) -> Array:
    """Derivative of an absolute value; 0 where the value is 0."""
    size = np.abs(value)
    along = (value.conj() * change).real
    return np.divide(along, size, out=np.zeros_like(along), where=size != 0)
