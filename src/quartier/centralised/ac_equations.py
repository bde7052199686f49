"""The AC equations of a grid for casadi, from pandapower's own admittances.

Needs the extra `ac`.
"""

from __future__ import annotations

from typing import Any

import casadi as ca
import numpy as np
from scipy import sparse

from quartier.grid.admittance import Admittance
from quartier.quantities import Array
from quartier.redispatch.elements import Elements


class Equations:
    """Equations and limits of one step in pu; as functions of the free buses' voltages.

    Attributes
    ----------
    limits
        Least and greatest squares of the voltages of the free buses, then of the currents into
        both ends of every line and transformer in service.
    """

    def __init__(self, grid: Admittance, elements: Elements) -> None:
        self._grid, ends, most = grid, [], []
        limits = np.split(elements.loading_limit_percent, [grid.lines.rows.size])
        for branches, percent in zip((grid.lines, grid.transformers), limits, strict=True):
            used = branches.rows >= 0
            sides = (grid.from_branch, branches.from_scale), (grid.to_branch, branches.to_scale)
            for matrix, scale in sides:
                ends.append(matrix[branches.rows[used]])
                most.append((percent / scale)[used])
        self._ends, currents = sparse.csr_array(sparse.vstack(ends)), np.concatenate(most)
        low, high = _band(grid, elements)
        none = np.full(currents.size, -np.inf)
        self.limits = np.append(low**2, none), np.append(high**2, currents**2)

    def step(self) -> Any:
        """Function of ``[real parts | imaginary parts]`` of the free buses' voltages.

        Returns
        -------
        casadi.Function
            Active and reactive injections at the free buses, the squares, and the losses.
        """
        grid, free = self._grid, self._grid.free
        x = ca.SX.sym("x", 2 * free.size)
        re, im = ca.SX(grid.size, 1), ca.SX(grid.size, 1)
        re[free], im[free] = x[: free.size], x[free.size :]
        re[grid.slack], im[grid.slack] = grid.slack_voltage.real, grid.slack_voltage.imag
        real, imag = _currents(grid.matrix, re, im)
        p, q = re * real + im * imag, im * real - re * imag
        squares = [(re**2 + im**2)[free], sum(part**2 for part in _currents(self._ends, re, im))]
        return ca.Function(
            "step", [x], [ca.vertcat(p[free], q[free]), ca.vertcat(*squares), ca.sum1(p)]
        )


def _band(grid: Admittance, elements: Elements) -> tuple[Array, Array]:
    """The narrowest voltage band of the network's buses at every free bus in pu."""
    low, high = np.zeros(grid.size), np.full(grid.size, np.inf)
    supplied = grid.bus >= 0
    np.maximum.at(low, grid.bus[supplied], elements.vm_min_pu[supplied])
    np.minimum.at(high, grid.bus[supplied], elements.vm_max_pu[supplied])
    return low[grid.free], high[grid.free]


def constant(matrix: Any) -> Any:
    """A sparse matrix as one of casadi's."""
    return ca.DM(sparse.csc_matrix(matrix))


def _currents(matrix: Any, re: Any, im: Any) -> tuple[Any, Any]:
    g, b = constant(matrix.real), constant(matrix.imag)
    return g @ re - b @ im, g @ im + b @ re
