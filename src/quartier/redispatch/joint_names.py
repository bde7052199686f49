"""What rows and columns of the joint program are called: after limits of the grid and assets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from quartier.program.arrays import Arrays, called
from quartier.program.names import Label, Names, Part, Parts, by_step
from quartier.redispatch.linear_grid import LinearGrid


def names_of(grid: LinearGrid, programs: Sequence[Arrays]) -> Names:
    """Names in the order of the joint program's rows and of its layout.

    Parameters
    ----------
    grid
        The linear network, as it stands now.
    programs
        Of the neighbourhoods, its first assets.
    """
    rows, columns = called(programs)
    times, limits, elements = grid.problem.horizon.times, grid.rows, grid.model.elements
    members, plants = grid.assets.names[: len(programs)], grid.assets.names[len(programs) :]

    def limit(k: int) -> Label:
        return Label(elements.limit_of(int(limits.element[k])), times[limits.step[k]])

    for name in members:
        rows.append(by_step(f"renewable power that {name} loses", times))
        rows.append(by_step(f"load of {name} that is ordered off", times))
    rows.append((limits.step.size, limit))
    rows += [by_step("losses of the grid", times) for _ in grid.tangents]
    rows.append(by_step("power drawn from the upper grid", times))
    columns += [
        _of_each(members, "renewable power lost", "kW", times),
        _of_each(members, "load ordered off", "kW", times),
        _of_each(members, "share of its load that is ordered off", "", times),
        _of_each(plants, "power", "kW", times),
        by_step("losses of the grid", times, "kW"),
        by_step("power drawn from the upper grid", times, "kW"),
    ]
    return Parts(rows, columns)


def _of_each(names: Sequence[str], what: str, unit: str, times: pd.DatetimeIndex) -> Part:
    """Columns of shape ``(T, names)``."""
    count = len(names)
    return len(times) * count, lambda k: Label(
        f"{names[k % count]}, {what}", times[k // count], unit
    )
