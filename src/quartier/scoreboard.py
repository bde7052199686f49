"""The figures that decide between mechanisms, and which value of each is the best.

The terminal's table, the comparison page and notebooks all show what is said here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

LIMITS = ("overloads", "voltage_violations", "steps_not_converged")
"""KPIs that are zero where the grid's limits are kept."""
NOTHING = 1e-6
"""What is shown as zero: rounding errors of a sum."""


@dataclass(frozen=True)
class Line:
    """A line of the table: a KPI, what it is called there, and which value is the better one."""

    kpi: str
    label: str
    better: Literal["low", "high"] | None = "low"
    percent: bool = False
    """Whether a share is shown in percent."""
    needs_limits: bool = True
    """Whether a value says little where the grid's limits are not kept."""
    always: bool = True
    """Whether it is shown even if it is zero for all."""
    of: str | None = None
    """KPI without which it is not shown."""


LINES: dict[str, tuple[Line, ...]] = {
    "Grid": (
        Line("overloads", "Overloads", needs_limits=False),
        Line("voltage_violations", "Voltage violations", needs_limits=False),
        Line("steps_not_converged", "No power flow, steps", needs_limits=False, always=False),
        Line("max_line_loading", "Line loading max, %", None, needs_limits=False),
    ),
    "Grid operator": (
        Line("upper_cost", "Upper cost, EUR"),
        Line("gap_to_bilevel", "Gap to bilevel, %", percent=True),
        Line("gap_to_bound", "Gap to bound, %", percent=True),
        Line("value_of_anticipation", "Anticipation saves, EUR", None),
        Line("value_of_anticipation_share", "... of redispatch, %", None, percent=True),
        Line("redispatch_cost", "Redispatch, EUR"),
        Line("losses", "Losses, MWh"),
        Line("curtailed_energy", "Curtailed, MWh"),
        Line("redispatch_calls", "Redispatch calls", None),
        Line("cap_violations", "P_set not kept", always=False),
    ),
    "Sharing": (
        Line("system_cost", "Cost of all, EUR", of="pool_cost"),
        Line("pool_cost", "Pool, EUR"),
        Line("shared_energy", "Energy shared, kWh", None),
    ),
    "Market": (
        Line("system_cost", "Cost of all, EUR", of="price_mean[electricity]"),
        Line("price_mean[electricity]", "Price mean, EUR/kWh", None),
        Line("price_spread[electricity]", "Price spread, EUR/kWh", None),
        Line("unserved_by_suppliers", "Served by the reserve, kWh", always=False),
    ),
    "Player": (
        Line("profit", "Profit, EUR", "high"),
        Line("system_cost", "Cost of all, EUR", of="profit"),
    ),
    "Neighbourhoods": (
        Line("lower_cost", "Lower cost, EUR"),
        Line("store_energy_value", "Left in stores, EUR", None, always=False),
        Line("self_sufficiency", "Self-sufficiency, %", "high", percent=True),
        Line("co2_local", "CO2, kg"),
        Line("ev_energy_missing", "EV missing, kWh", always=False),
        Line("heat_unserved", "Heat unserved, kWh", always=False),
    ),
    "Process": (
        Line("negotiation_messages", "Messages", None, needs_limits=False),
        Line("rounds", "Rounds of prices", None, needs_limits=False, always=False),
        Line("certified_gap", "Certified gap, %", percent=True, needs_limits=False, always=False),
        Line("numbers_exchanged", "Numbers exchanged", None, needs_limits=False, always=False),
        Line("wall_time_planning", "Planning time, s", None, needs_limits=False),
    ),
}
"""Lines by group; all other KPIs are in the files."""


@dataclass(frozen=True)
class Cell:
    """A value as it is shown."""

    text: str
    is_best: bool = False
    counts: bool = True
    """Whether it may be the best: not where the grid's limits are not kept, but should be."""


def figure(value: float) -> str:
    """Four significant digits or all whole ones; a dash for what is undefined."""
    if math.isnan(value):
        return "–"
    if abs(value) < NOTHING:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def shown_lines(kpis: pd.DataFrame) -> Iterator[tuple[str, list[Line]]]:
    """Yield the groups that have something to show, with their lines.

    Parameters
    ----------
    kpis
        Values by KPI (index) and run (columns), with ``attrs["unit"]`` by KPI.
    """
    for group, lines in LINES.items():
        shown = [line for line in lines if _is_shown(line, kpis)]
        if shown:
            yield group, shown


def _is_shown(line: Line, kpis: pd.DataFrame) -> bool:
    if line.kpi not in kpis.index or (line.of is not None and line.of not in kpis.index):
        return False
    values = kpis.loc[line.kpi].dropna()
    return (line.always and len(values) > 0) or bool((values.abs() > NOTHING).any())


def has_limits(kpis: pd.DataFrame) -> bool:
    """Whether any of the runs has a grid, whose limits could be violated."""
    return any(name in kpis.index for name in LIMITS)


def keeping_limits(kpis: pd.DataFrame) -> frozenset[str]:
    """Runs in which the grid's limits were kept in every step; all, where there is no grid."""
    if not has_limits(kpis):
        return frozenset(map(str, kpis))
    return frozenset(str(n) for n, column in kpis.items() if (column.reindex(LIMITS) == 0).all())


def cells(line: Line, kpis: pd.DataFrame) -> dict[str, Cell]:
    """Return a line's values by run, as they are shown, and which of them are the best."""
    good = keeping_limits(kpis) if line.needs_limits else frozenset(map(str, kpis.columns))
    scale = 100.0 if line.percent and kpis.attrs["unit"][line.kpi] == "1" else 1.0
    values = {str(name): scale * float(value) for name, value in kpis.loc[line.kpi].items()}
    texts = {name: _shown(value, line, scale) for name, value in values.items()}
    best = _best(line, {name: value for name, value in values.items() if name in good})
    marked = {name for name in good if best is not None and texts[name] == texts[best]}
    if len({texts[name] for name in good if not math.isnan(values[name])}) < 2:
        marked = set()
    return {
        name: Cell(text, name in marked, name in good or math.isnan(values[name]))
        for name, text in texts.items()
    }


def equal_to(run: str, line: Line, kpis: pd.DataFrame) -> list[str]:
    """Runs whose value is shown as that of ``run``, which is one of them."""
    shown = cells(line, kpis)
    return [name for name, cell in shown.items() if cell.text == shown[run].text]


def _best(line: Line, values: dict[str, float]) -> str | None:
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    if line.better is None or not known:
        return None
    return (min if line.better == "low" else max)(known, key=lambda name: known[name])


def _shown(value: float, line: Line, scale: float) -> str:
    if line.percent and scale == 1.0 and not math.isnan(value):
        return f"{figure(value)} EUR"
    if line.percent and not math.isnan(value) and abs(value) < 1000:
        return f"{round(value, 2) + 0.0:.2f}"
    whole = math.isnan(value) or abs(value) >= 1000 or value == round(value)
    return figure(value) if whole or abs(value) < NOTHING else f"{value:#.4g}"


def notes(kpis: pd.DataFrame, ended: Sequence[str], reference: str | None) -> Iterator[str]:
    """What a reader needs to know to judge the figures.

    Parameters
    ----------
    kpis
        As for :func:`shown_lines`.
    ended
        Runs that went on to their end.
    reference
        Mechanism whose offer is p_off for all, if there is one.
    """
    good = keeping_limits(kpis[list(ended)])
    yield "* best" + ("" if len(good) == len(ended) else "; ( ) leaves the grid's limits violated")
    if "gap_to_bilevel" in kpis.index and kpis.loc["gap_to_bilevel"].notna().any():
        yield (
            "Upper cost: losses and redispatch as executed on the AC grid. Gaps: to that of"
            " bilevel, and to a bound that is proven for the linear network, not for AC."
        )
    if "value_of_anticipation" in kpis.index and kpis.loc["value_of_anticipation"].notna().any():
        yield (
            "Anticipation: what bilevel saves the grid operator against individual, where it does"
            " not foresee the neighbourhoods' answers."
        )
    if reference:
        yield f"Reduced load is counted from the same offer p_off for all, that of {reference}."
