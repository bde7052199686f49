"""Why a program has no solution: rows and bounds that exclude each other, by HiGHS (IIS).

An irreducible infeasible subsystem is a set of limits of which none can be left out without the
rest having a common point (Chinneck, Feasibility and Infeasibility in Optimization, 2008). HiGHS
finds one in continuous programs; of a mixed-integer one, in its relaxation. It is first looked for
among the rows of a proof of infeasibility (Farkas), which are few: finding one takes many solves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import highspy
import numpy as np

from quartier.program import handover
from quartier.program.answer import Status
from quartier.program.arrays import Arrays, Flags
from quartier.program.names import Label

STRATEGY = 2 + 4
"""Of HiGHS's IIS: among all rows it is told of, and made irreducible."""
PROVES = 1e-9
"""Share of the greatest multiplier of a proof from which on a row takes part in it."""
MOST = 8
"""Limits that are told."""
WHOLE = "only whole numbers stand against a solution: without them there is one"


@dataclass(frozen=True)
class Limit:
    """A row or column that takes part in a conflict, and which of its sides."""

    label: Label | None
    low: float
    """Lower limit; infinite if it does not take part."""
    high: float


def explained(arrays: Arrays) -> str:
    """Say in the words of the program's names which of its limits exclude each other.

    Parameters
    ----------
    arrays
        A program without a solution.
    """
    found = conflict(arrays)
    if found is None:
        return WHOLE if arrays.integer.any() else ""
    return "cannot hold together: " + "; ".join(_told(found)) if found else ""


def conflict(arrays: Arrays) -> list[Limit] | None:
    """Find limits that exclude each other; none if HiGHS finds none.

    Returns
    -------
    list of Limit or None
        None: the program has a solution, or its relaxation has.
    """
    free = replace(arrays.relaxed(), cost=np.zeros(arrays.size), quadratic={})
    highs = _solved(free)
    if highs.getModelStatus() in (Status.kOptimal, Status.kUnbounded):
        return None
    every = np.ones(free.row_lower.size, dtype=bool)
    for rows in (*_proving(highs), every):
        part = free.select(np.ones(free.size, dtype=bool), rows)
        if found := list(_irreducible(part)):
            return found
    return []


def _solved(arrays: Arrays, **options: Any) -> Any:
    highs = handover.made()
    settings = {"output_flag": False, "threads": 1, "presolve": "off", "solver": "simplex"}
    for name, value in {**settings, **options}.items():
        highs.setOptionValue(name, value)
    handover.give(highs, arrays)
    highs.run()
    return highs


def _proving(highs: Any) -> Iterator[Flags]:
    """Rows that prove the program infeasible, if HiGHS has such a proof."""
    _, known, ray = highs.getDualRay()
    if known:
        strength = np.abs(np.asarray(ray, dtype=float))
        rows = strength > PROVES * strength.max(initial=0.0)
        if rows.any():
            yield rows


def _irreducible(arrays: Arrays) -> Iterator[Limit]:
    highs = _solved(arrays, iis_strategy=STRATEGY)
    _, found = highs.getIis()
    sides = highspy.IisBoundStatus
    for index, bounds, low, high, called in (
        (
            found.row_index_,
            found.row_bound_,
            arrays.row_lower,
            arrays.row_upper,
            "row",
        ),
        (found.col_index_, found.col_bound_, arrays.lower, arrays.upper, "column"),
    ):
        for k, bound in zip(index, bounds, strict=True):
            at = int(bound)
            is_low = at in (int(sides.kIisBoundStatusLower), int(sides.kIisBoundStatusBoxed))
            is_high = at in (int(sides.kIisBoundStatusUpper), int(sides.kIisBoundStatusBoxed))
            equal = called == "row" and low[k] == high[k]  # both sides of an equality are one limit
            if is_low or is_high:
                yield Limit(
                    getattr(arrays.names, called)(int(k)) if arrays.names else None,
                    float(low[k]) if is_low or equal else -np.inf,
                    float(high[k]) if is_high or equal else np.inf,
                )


# -- in words -------------------------------------------------------------------------------------
def _told(limits: Sequence[Limit]) -> Iterator[str]:
    """A sentence for each name: what limits it, and when. That nothing is negative goes unsaid."""
    named = [(limit.label, limit) for limit in limits if limit.label]
    telling = [(n, limit) for n, limit in named if limit.low != 0.0 or np.isfinite(limit.high)]

    def key(one: tuple[Label, Limit]) -> tuple[str, bool, bool]:
        label, limit = one
        return label.text, bool(np.isfinite(limit.low)), bool(np.isfinite(limit.high))

    groups = [list(group) for _, group in groupby(sorted(telling or named, key=key), key)]
    for group in groups[:MOST]:
        labels, sides = zip(*group, strict=True)
        yield labels[0].text + _numbers(sides, labels[0]) + _times(labels)
    if more := len(groups[MOST:]) + len(limits) - len(named):
        yield f"and {more} more"


def _numbers(group: Sequence[Limit], label: Label) -> str:
    if label.unit is None:
        return ""
    low, high = [limit.low for limit in group], [limit.high for limit in group]
    if low == high and not any(low):
        return ""
    sides = [(label.exactly, low)] if low == high else [("at least", low), ("at most", high)]
    told = [
        f"{word} {_range(values)} {label.unit}".rstrip()
        for word, values in sides
        if np.isfinite(values).all()
    ]
    return f": {' and '.join(told)}"


def _range(values: Sequence[float]) -> str:
    least, most = (f"{value:.6g}" for value in (min(values), max(values)))
    return least if least == most else f"{least} to {most}"


def _times(labels: Sequence[Label]) -> str:
    times = sorted({label.time for label in labels if label.time is not None})
    if not times:
        return ""
    first, last = (f"{time:%Y-%m-%d %H:%M}" for time in (times[0], times[-1]))
    if first == last:
        return f" at {first} UTC"
    return f" from {first} to {last} UTC ({len(times)} steps)"
