"""What a page says of a run of weeks and more: all its steps, in figures of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from quartier.figures import long_run, style
from quartier.figures.frames import label
from quartier.figures.grid import Grid, relative_loading
from quartier.kpi import RunData
from quartier.kpi.grid_steps import grid_steps
from quartier.kpi.redispatch import renewables, unused_kw
from quartier.quantities import KW_PER_MW
from quartier.report.blocks import Block, Choice, Figure, Note
from quartier.results import Result
from quartier.results.plot import Plot

LONG_DAYS = 14
"""Days from which on a run is long."""
MOST_CURVES = {"lines": 6, "transformers": 3}
"""Load-duration curves on a page by kind of element, those nearest to their limits."""


def is_long(result: Result) -> bool:
    """Whether the steps that a run has written last for weeks, and are no typical days."""
    manifest = result.manifest
    if "sizes" in result.tables:
        return False
    minutes = float(manifest["scenario"]["horizon"]["step_minutes"])
    return float(manifest["steps_written"]) * minutes >= LONG_DAYS * 24 * 60


def long_run_blocks(result: Result) -> list[Block]:
    """Return the figures of a long run: loading where there is a grid, powers in any case."""
    run, plot = RunData(result), Plot(result)
    return [*(_of_the_grid(run, plot) if result.has_grid else []), _powers(run)]


# -- the grid ---------------------------------------------------------------------------------
def _of_the_grid(run: RunData, plot: Plot) -> Iterator[Block]:
    highest, curves = _loadings(plot)
    yield Figure(
        "load-duration",
        long_run.load_duration(curves, run.dt_h),
        "Every step counts. Between two of its points a curve lies between their values; the"
        f" {long_run.SHARPEST} highest values are all drawn.",
    )
    yield Figure(
        "loading-by-hour",
        long_run.by_hour(
            highest,
            "Highest loading of any line or transformer, by day and hour",
            "%",
            highest=True,
        ),
        "A cell is the highest loading of its hour, in percent of the element's own limit.",
    )
    hours, lost = _hours(run), _curtailed(run)
    if (hours > 0).any(axis=None):
        yield Figure(
            "congestion-by-month",
            long_run.by_month(hours, "Hours beyond limits by month", "time (h)", "h"),
            "Hours in which any line or transformer is above its limit, or any bus outside its"
            " band, beyond the tolerances of redispatch. Steps without a power flow are not"
            " counted.",
        )
    else:
        yield Note("No limit of a line, transformer or bus was passed in any step.")
    lost = lost.loc[:, (lost > 0).any()]
    if lost.empty:
        yield Note("All renewable energy that was available was used.")
        return
    yield Figure(
        "curtailed-by-month",
        long_run.by_month(lost, "Curtailed energy by month", "energy (MWh)", "MWh"),
        "Renewable energy that was available and not used.",
    )


def _loadings(plot: Plot) -> tuple[pd.Series[float], dict[str, pd.Series[float]]]:
    """Highest loading by step, and that of the elements nearest to their limits, in percent."""
    by_step: list[pd.Series[float]] = []
    curves: dict[str, pd.Series[float]] = {}
    for kind, most in MOST_CURVES.items():
        by_element: list[pd.Series[float]] = []
        for rows in plot.pieces(kind):
            relative = relative_loading(plot.grid, rows, kind)
            by_step.append(relative.groupby(rows["time"]).max())
            by_element.append(relative.groupby(rows["index"]).max())
        nearest = pd.concat(by_element).groupby(level=0).max().nlargest(most).index
        curves |= _curves(plot, kind, nearest)
    return pd.concat(by_step).groupby(level=0).max(), curves


def _curves(plot: Plot, kind: str, elements: pd.Index[int]) -> dict[str, pd.Series[float]]:
    found = []
    for piece in plot.pieces(kind):
        rows = piece[piece["index"].isin(elements)]
        found.append(rows[["index"]].assign(percent=relative_loading(plot.grid, rows, kind)))
    rows = pd.concat(found, ignore_index=True)
    return {
        _name(plot.grid, kind, index): rows.loc[rows["index"] == index, "percent"]
        for index in elements
    }


def _name(grid: Grid, kind: str, index: int) -> str:
    return label(kind.removesuffix("s"), index, getattr(grid, kind)["name"].get(index))


def _hours(run: RunData) -> pd.DataFrame:
    steps = grid_steps(run)
    beyond = {
        "a line or transformer above its limit": steps["overloads"] > 0,
        "a bus outside its band": steps["outside"] > 0,
    }
    return pd.DataFrame(beyond).astype(float).groupby(_months(steps.index)).sum() * run.dt_h


def _curtailed(run: RunData) -> pd.DataFrame:
    """Energy not used in MWh, by month and technology."""
    found = run.joined(_unused).groupby(["month", "kind"])["unused_kw"].sum()
    table = found.unstack().fillna(0.0) * run.dt_h / KW_PER_MW
    table = table.rename(columns=style.kind_labels(table.columns))
    every = _months(pd.DatetimeIndex(run.table("steps")["time"]))
    return table.reindex(every.unique(), fill_value=0.0)


def _unused(run: RunData) -> pd.DataFrame:
    units = renewables(run)
    months = _months(pd.DatetimeIndex(units["time"]))
    rows = pd.DataFrame(
        {"month": months, "kind": units["kind"].astype(str), "unused_kw": unused_kw(units)}
    )
    return rows.groupby(["month", "kind"])[["unused_kw"]].sum().reset_index()


def _months(times: pd.Index[pd.Timestamp]) -> pd.Index[str]:
    """Month (UTC) of every step, as ``2016-07``."""
    return pd.DatetimeIndex(times).strftime("%Y-%m")


# -- connection points ---------------------------------------------------------------------------
def _powers(run: RunData) -> Block:
    """Power of each neighbourhood by day, and by day and hour."""
    points = run.connection_points
    options: dict[str, list[Block]] = {}
    for number, name in enumerate(run.neighbourhoods):
        p_kw = points[points["name"] == name].set_index("time")["p_kw"]
        title = f"Power at the connection point of {name}"
        hours = long_run.by_hour(p_kw, f"{title}, by day and hour", "kW", highest=False)
        days = long_run.by_day(p_kw, f"{title}, by day", "power (kW), above 0 fed in", "kW")
        options[name] = [
            Figure(
                f"power-by-hour-{number}",
                hours,
                "A cell is the mean of its hour; above 0 is fed into the grid.",
            ),
            Figure(
                f"power-by-day-{number}",
                days,
                "The band reaches from the lowest to the highest step of every day.",
            ),
        ]
    return Choice("long-run-choice", "Neighbourhood", options)
