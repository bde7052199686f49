"""A neighbourhood's program without what prices within floor and cap never make it do.

Every side of a bound that could be active needs a binary. So what is no side stands in no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

import numpy as np

from quartier.optimisation import pyo
from quartier.optimisation.block import most_traded
from quartier.problem import NeighbourhoodProblem
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.balance import by_node, flow_range
from quartier.units.base import UnitData
from quartier.units.node import Node

PROOF = "no more can be taken or made, and to buy so as to sell or lose it earns nobody anything"


def lean(block: Any, one: NeighbourhoodProblem) -> list[tuple[Any, float]]:
    """Leave out what a neighbourhood never does at prices that are not negative.

    Nothing is curtailed, for feeding it in costs nothing; nothing is lacking where it can be
    bought; what only the node hands out is not thrown away. Bounds of what is traded and thrown
    away follow from others: they are no sides, but what :data:`PROOF` says.

    Returns
    -------
    list of tuple
        Variables without an upper bound, and what they are at most.
    """
    limits: list[tuple[Any, float]] = []
    _fix(block.connection.curtailed_kw)
    for node, members in by_node(one.units):
        place = block.component(f"node_{node.name}")
        if node.makes_up:
            _fix(place.unserved_kw)
        if node.makes_up and node.sell is None and not _is_made(node, members):
            _fix(place.rejected_kw)
            for variable in place.bought_kw.values():  # what units take, never less than nothing
                variable.setlb(None)
                variable.setub(None)
            continue
        most_kw = {"rejected_kw": _most_left(node, members), **most_traded(node, members)}
        for name, values in most_kw.items():
            limits += _unbounded(place.component(name), values.tolist())
    for variables in (block.connection.exported_kw, block.connection.imported_kw):
        limits += _unbounded(variables, [variable.ub for variable in variables.values()])
    _tighten(block)
    return [(variable, most) for variable, most in limits if not variable.fixed]


def _is_made(node: Node, members: Sequence[UnitData]) -> bool:
    return any(node.carrier in KINDS[unit.kind].gives for unit in members)


def _most_left(node: Node, members: Sequence[UnitData]) -> Array:
    """Most that units could leave over, shape ``(T,)``."""
    most_kw = np.sum([flow_range(unit, node.carrier)[1] for unit in members], axis=0)
    if node.demand_kw is not None:
        most_kw = most_kw - node.demand_kw
    return np.asarray(np.maximum(most_kw, 0.0))


def _fix(variables: Any) -> None:
    for variable in variables.values():
        variable.fix(0.0)


def _unbounded(variables: Any, most_kw: Sequence[float]) -> Iterator[tuple[Any, float]]:
    for variable, most in zip(variables.values(), most_kw, strict=True):
        if most <= 0.0:
            variable.fix(0.0)
            continue
        variable.setub(None)
        yield variable, most


def _tighten(block: Any) -> None:
    """Rows of one variable are bounds; variables with one value are numbers."""
    for row in block.component_data_objects(pyo.Constraint, active=True):
        body = pyo.generate_standard_repn(row.body, quadratic=False)
        if len(body.linear_vars) > 1:
            continue
        if body.linear_vars:
            _bound(body.linear_vars[0], float(body.linear_coefs[0]), float(body.constant), row)
        row.deactivate()
    for variable in block.component_data_objects(pyo.Var):
        if not variable.fixed and variable.lb is not None and variable.lb == variable.ub:
            variable.fix(variable.lb)


def _bound(variable: Any, factor: float, constant: float, row: Any) -> None:
    """Bound a variable by ``lower <= factor · variable + constant <= upper``."""
    lower = -inf if row.lower is None else float(pyo.value(row.lower))
    upper = inf if row.upper is None else float(pyo.value(row.upper))
    low, high = sorted(((lower - constant) / factor, (upper - constant) / factor))
    if low > (-inf if variable.lb is None else variable.lb):
        variable.setlb(low)
    if high < (inf if variable.ub is None else variable.ub):
        variable.setub(high)
