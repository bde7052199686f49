"""What a little more of something would be worth: parametric sensitivities of `central`'s optimum.

At an optimum, the value of a linear program changes with a parameter as its Lagrangian does with
values and multipliers held (the envelope theorem; Fiacco, "Introduction to Sensitivity and
Stability Analysis in Nonlinear Programming", 1983, section 3.4). So a program is only put together
again with a little more of the parameter, never solved again. Seed 001 (section 4.1) has the tool
WORHP Zen do this for nonlinear programs.

Held are: what is switched on, the grid as it is linearised, and what was offered (p_off). Where
another basis is as good, more and less are worth different amounts, and this is one of them or one
between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from quartier.centralised.joint import Joint
from quartier.centralised.member import Member
from quartier.problem import NeighbourhoodProblem
from quartier.program import Answer, Arrays, Highs
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import UnitData

MORE = 1e-4
"""Share by which a size is raised: values and bounds follow it in proportion, so any would do."""
NOTHING_EUR = 1e-9
"""What is worth less, per unit, is worth nothing."""


def worth_rows(joint: Joint, values: Array) -> Iterator[dict[str, Any]]:
    """Rows of the table ``sensitivities``: limits of the grid that bind, and sizes of units.

    Parameters
    ----------
    joint
        The program that was solved.
    values
        Its solution.
    """
    arrays = held(joint.arrays(), values)
    answer = Highs("sensitivities", arrays).needed()
    yield from _limits(joint, answer)
    for place, member in enumerate(joint.members):
        for name, group in _groups(member.problem).items():
            for size in _sizes(group[0]):
                row = _of_size(joint, place, name, group, size, arrays, answer)
                if row is not None:
                    yield row


def held(arrays: Arrays, values: Array) -> Arrays:
    """The program with its whole numbers held at what they are in a solution."""
    fixed = np.round(values)
    lower = np.where(arrays.integer, fixed, arrays.lower)
    upper = np.where(arrays.integer, fixed, arrays.upper)
    return replace(arrays.relaxed(), lower=lower, upper=upper)


def change(before: Arrays, after: Arrays, answer: Answer) -> float:
    """By how much the optimum of a program rises as its data change a little, in EUR.

    Parameters
    ----------
    before, after
        The program as it was solved, and with other data: the same columns and rows.
    answer
        Values and multipliers of the former.
    """
    x = answer.values
    cost = (after.cost - before.cost) @ x + after.offset - before.offset
    rows = (after.matrix @ x) - (before.matrix @ x)
    sides = _moved(answer.row_dual, before.row_lower, after.row_lower, before.row_upper, after)
    dual = answer.column_dual
    low = np.where(dual > 0, dual, 0.0) @ _step(before.lower, after.lower)
    high = np.where(dual < 0, dual, 0.0) @ _step(before.upper, after.upper)
    return float(cost - answer.row_dual @ rows + sides + low + high)


def _moved(dual: Array, low: Array, low_after: Array, high: Array, after: Arrays) -> float:
    pushed = np.where(dual > 0, _step(low, low_after), _step(high, after.row_upper))
    return float(dual @ pushed)


def _step(before: Array, after: Array) -> Array:
    """Change of limits; of those that there are not, none."""
    both = np.isfinite(before) & np.isfinite(after)
    return np.where(both, np.where(both, after, 0.0) - np.where(both, before, 0.0), 0.0)


def _limits(joint: Joint, answer: Answer) -> Iterator[dict[str, Any]]:
    """What one further unit of each limit of the grid that binds is worth over the window."""
    rows, elements = joint.grid.rows, joint.grid.model.elements
    first = answer.row_dual.size - joint.grid_rows()[0].shape[0]
    price = -answer.row_dual[first : first + rows.step.size]
    for element in np.unique(rows.element[price > 0]):
        limit, relief, unit = elements.further(int(element))
        worth_eur = float(relief * price[rows.element == element].sum())
        if worth_eur > NOTHING_EUR:
            yield _row(elements.label(int(element)), "limit", limit, worth_eur, unit)


def _row(name: str, size: str, value: float, worth_eur: float, unit: str) -> dict[str, Any]:
    return {"name": name, "parameter": size, "value": value, "unit": unit, "worth_eur": worth_eur}


# -- sizes of units ---------------------------------------------------------------------------
def _groups(problem: NeighbourhoodProblem) -> dict[str, list[UnitData]]:
    """Units by the name that the scenario gives them: of several, all together."""
    found: dict[str, list[UnitData]] = {}
    for unit in problem.units:
        found.setdefault(unit.description, []).append(unit)
    return found


def _sizes(unit: UnitData) -> Iterator[str]:
    """Parameters of a unit that are a power or an energy."""
    for name, value in unit.parameters:
        is_size = name.endswith(("_kw", "_kwh")) and "_per_" not in name
        if is_size and isinstance(value, float) and value > 0:
            yield name


def _of_size(
    joint: Joint,
    place: int,
    name: str,
    group: list[UnitData],
    size: str,
    before: Arrays,
    answer: Answer,
) -> dict[str, Any] | None:
    """What one kW or kWh more is worth, each unit of a group its part; None: nothing to say."""
    value = float(getattr(group[0].parameters, size))
    more, own = MORE * value, {unit.name for unit in group}

    def larger(unit: UnitData) -> UnitData:
        return raised(unit, size, more) if unit.name in own else unit

    after = _with(joint, place, larger)
    if after is None or after.matrix.shape != before.matrix.shape:
        return None
    after = held(after, answer.values)
    worth_eur = -change(before, after, answer) / (more * len(group))
    unit = "kWh" if size.endswith("_kwh") else "kW"
    shown = worth_eur if abs(worth_eur) > NOTHING_EUR else 0.0
    return _row(name, size, value * len(group), shown, unit)


def _with(joint: Joint, place: int, larger: Callable[[UnitData], UnitData]) -> Arrays | None:
    """The program with other units in one neighbourhood; None if it has other columns."""
    problem = joint.members[place].problem
    member = Member(replace(problem, units=tuple(larger(unit) for unit in problem.units)))
    if member.arrays.size != joint.members[place].arrays.size:
        return None
    return joint.with_member(place, member).arrays()


def raised(unit: UnitData, size: str, more: float) -> UnitData:
    """A unit with a little more of a size; what it stores at the start stays.

    What is available, and the most that a vehicle takes, grow with the rated power.
    """
    rated = float(getattr(unit.parameters, size))
    series, sessions = dict(unit.series), unit.sessions
    if KINDS[unit.kind].curtailable:
        series["available_kw"] = series["available_kw"] * (1 + more / rated)
    if KINDS[unit.kind].sessions and size == "power_kw":
        sessions = tuple(replace(stay, max_kw=stay.max_kw + more) for stay in sessions)
    parameters = unit.parameters.model_copy(update={size: rated + more})
    made = replace(unit, parameters=parameters, series=series, sessions=sessions)
    return KINDS[unit.kind].bounded(made)
