"""``comparison.plot``: several runs in the same figures, on shared axes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from quartier.errors import InputError
from quartier.figures import bundles, groups, market, sharing, zones
from quartier.figures.compared import changes, costs, grids, panels, points, stores
from quartier.figures.grid import Grid
from quartier.figures.storage import of_neighbourhood
from quartier.results.plot import Plot
from quartier.results.result import Result

BOUND = "proven bound (linear network)"


class ComparisonPlot:
    """Figures of several runs side by side, as Plotly figures.

    Methods raise :class:`~quartier.errors.InputError` where there is nothing to show, and say why.

    Parameters
    ----------
    results
        Finished runs by what they are called.
    kpis
        Values by KPI (index) and run (columns).
    bound_eur
        Lower bound of the upper cost, if one is proven.
    times
        Steps that are shown; all if None. Sums count all steps.
    """

    def __init__(
        self,
        results: Mapping[str, Result],
        kpis: pd.DataFrame,
        bound_eur: float | None = None,
        times: Collection[pd.Timestamp] | None = None,
    ) -> None:
        if not results:
            raise InputError(["no run came to its end: there is nothing to draw"])
        self._results = dict(results)
        self._kpis = kpis[list(results)]
        self._bound_eur = bound_eur
        self.thinned = times is not None
        """Whether some steps are left out."""
        self.runs = {name: Plot(result, times) for name, result in results.items()}

    def __repr__(self) -> str:
        names = [name for name in vars(type(self)) if not name.startswith("_")]
        return f"Figures of {', '.join(self._results)}: {', '.join(names)}"

    # -- what the runs share --------------------------------------------------------------------
    @property
    def neighbourhoods(self) -> tuple[str, ...]:
        """Names of the neighbourhoods of all runs."""
        return tuple(dict.fromkeys(n for plot in self.runs.values() for n in plot.neighbourhoods))

    @property
    def has_grid(self) -> bool:
        """Whether all runs have a grid."""
        return all(result.has_grid for result in self._results.values())

    @property
    def any_grid(self) -> bool:
        """Whether some run has a grid."""
        return any(result.has_grid for result in self._results.values())

    @cached_property
    def same_grid(self) -> bool:
        """Whether all runs have the same lines and transformers with the same limits."""
        first, *others = (plot.grid for plot in self.runs.values())
        return all(_alike(first, other) for other in others)

    @cached_property
    def breaks(self) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
        """Spans of more than a day in which no run has a step; figures leave them out."""
        return panels.breaks(self.times.values())

    @property
    def step(self) -> pd.Timedelta:
        """Length of a step, the same in all runs."""
        return pd.Timedelta(next(iter(self.runs.values())).dt_h, unit="h")

    @cached_property
    def times(self) -> dict[str, pd.DatetimeIndex]:
        """Starts of the steps that are shown, by run."""
        tables = {name: plot.table("connection_points") for name, plot in self.runs.items()}
        return {n: pd.DatetimeIndex(table["time"].unique()) for n, table in tables.items()}

    def over_time(self, made: go.Figure) -> go.Figure:
        """Leave times out of a figure in which no run has a step; return it."""
        return panels.skip(made, self.breaks, self.times.values())

    # -- the grid -------------------------------------------------------------------------------
    def congestion(self) -> go.Figure:
        """Highest loading by run and step, with crosses where something is overloaded."""
        blank = [t for start, end in self.breaks for t in (start - self.step, end)]
        return self.over_time(grids.congestion(self._worst, blank))

    def loading(self) -> go.Figure:
        """Highest loading of the grid over time, a line a run."""
        return self.over_time(grids.highest_loading(self._worst))

    def element(self, kind: str, index: int) -> go.Figure:
        """Loading of one ``line`` or ``transformer`` over time, a line a run."""
        if (kind, index) not in self.elements(None):
            raise InputError([f"no {kind} {index} in this grid"])
        table = self._transformers if kind == "transformer" else self._lines
        tables = {name: table(name) for name in self.runs}
        return self.over_time(grids.element(self._grid, tables, kind, index))

    def elements(self, count: int | None = 6) -> list[tuple[str, int]]:
        """Lines and transformers by their highest loading in any run, the highest first."""
        tables = {n: (p.table("lines"), self._transformers(n)) for n, p in self.runs.items()}
        return grids.most_loaded(self._grid, tables, count)

    def voltages(self) -> go.Figure:
        """Highest and lowest voltage over time, a line a run."""
        tables = {name: plot.table("buses") for name, plot in self.runs.items()}
        limits = {name: plot.grid for name, plot in self.runs.items()}
        return self.over_time(grids.voltages(limits, tables))

    @cached_property
    def _worst(self) -> dict[str, pd.DataFrame]:
        return {
            name: grids.worst(
                plot.grid,
                plot.table("lines"),
                self._transformers(name),
                float(self._setting(name, "redispatch", "loading_tolerance_percent")),
            )
            for name, plot in self.runs.items()
        }

    def _lines(self, run: str) -> pd.DataFrame:
        return self.runs[run].table("lines")

    def _transformers(self, run: str) -> pd.DataFrame:
        """The table; an empty one for a grid without transformers."""
        there = "transformers" in self._results[run].tables
        return self.runs[run].table("transformers") if there else self._lines(run).iloc[:0]

    @property
    def _grid(self) -> Grid:
        if not self.same_grid:
            raise InputError(["the runs have different grids: their elements are not the same"])
        return next(iter(self.runs.values())).grid

    # -- costs ----------------------------------------------------------------------------------
    def upper_cost(self) -> go.Figure:
        """Cost of the upper level by what it is made of, with the bound."""
        marks = {} if self._bound_eur is None else {BOUND: self._bound_eur}
        parts = self.cost_parts().get("upper")
        if parts is None:
            raise InputError(["no grid operator redispatches in these runs"])
        return costs.split("Upper cost: the grid operator", parts, costs.UPPER, marks=marks)

    def lower_cost(self) -> go.Figure:
        """Cost of the neighbourhoods by what it is made of; below zero they earn."""
        parts = self.cost_parts()["lower"]
        return costs.split("Lower cost: the neighbourhoods", parts, costs.LOWER)

    def cost_parts(self) -> dict[str, pd.DataFrame]:
        """Costs in EUR by run (index) and part (columns), of the ``upper`` and the ``lower`` level.

        Parts add up to the KPIs ``upper_cost`` and ``lower_cost``; where no run has an upper cost,
        there is the lower level only.
        """
        names = list(self._results)
        weights = {n: float(self._setting(n, "objectives", "co2_eur_per_kg")) for n in names}
        parts = {"lower": costs.lower_parts(self._kpis, weights)}
        if "upper_cost" not in self._kpis.index:
            return parts
        prices = {name: self._prices(name) for name in names}
        return {"upper": costs.upper_parts(self._kpis, prices), **parts}

    def curtailment(self) -> go.Figure:
        """Energy available and not used, by technology."""
        tables = {name: plot.whole_table("units") for name, plot in self.runs.items()}
        dt_h = next(iter(self.runs.values())).dt_h
        return costs.curtailment_figure(costs.curtailment(tables, dt_h))

    @property
    def shares(self) -> bool:
        """Whether the neighbourhoods of all runs share a pool."""
        return "shared_energy" in self._kpis.index and "system_cost" in self._kpis.index

    @property
    def reference(self) -> str:
        """The run that changes of cost are counted from: everybody for itself, or the first."""
        names = list(self._results)
        return "individual" if "individual" in names else names[0]

    def cost_changes(self) -> go.Figure:
        """Change of what each neighbourhood and all together pay against the reference."""
        if not (self.shares or self.has_suppliers) or len(self._results) < 2:
            raise InputError(["there are no two runs whose neighbourhoods share anything"])
        return sharing.changes(self._kpis, self.reference)

    def shared_energy(self) -> go.Figure:
        """Energy shared, imported and exported."""
        if not self.shares:
            raise InputError(["the neighbourhoods of these runs share nothing"])
        return sharing.energy(self._kpis)

    @property
    def has_suppliers(self) -> bool:
        """Whether suppliers serve the neighbourhoods of all runs."""
        return all("supply" in result.tables for result in self._results.values())

    @property
    def has_bundles(self) -> bool:
        """Whether sizes were chosen in all runs."""
        return all("sizes" in result.tables for result in self._results.values())

    def gains(self) -> go.Figure:
        """Who gains by bundles, a bar a run."""
        return bundles.gains(self._kpis)

    def market_prices(self) -> go.Figure:
        """Price of a market, a line a run, and zone if there are any."""
        if all(plot.has_zones for plot in self.runs.values()):
            tables = {name: plot.table("zones") for name, plot in self.runs.items()}
            return self.over_time(zones.prices_by_run(tables))
        return self.over_time(
            market.prices_by_run({name: plot.table("prices") for name, plot in self.runs.items()})
        )

    def earnings(self) -> go.Figure:
        """Who earns what on a market, and who pays, a bar a run."""
        return market.earnings(self._kpis)

    # -- neighbourhoods --------------------------------------------------------------------------
    def points(self, name: str | None = None) -> go.Figure:
        """Offer, P_set and result at a connection point, a panel a run."""
        tables = {n: plot.table("connection_points") for n, plot in self.runs.items()}
        known = dict.fromkeys(p for table in tables.values() for p in table["name"].unique())
        return self.over_time(points.points(tables, self._one(name, known, "connection point")))

    def difference(self, first: str, second: str, neighbourhood: str | None = None) -> go.Figure:
        """Power of the units in run ``second`` less that in run ``first``."""
        name = self._one(neighbourhood, self.neighbourhoods, "neighbourhood")
        for run in (first, second):
            _known(run, self.runs, "run")
        powers = self.power(first, name), self.power(second, name)
        kind_of = self.kinds(name)
        return self.over_time(changes.difference(*powers, (first, second), name, kind_of))

    def kinds(self, neighbourhood: str) -> dict[str, str]:
        """Kind by group of units in any of the runs."""
        tables = [plot.table("units") for plot in self.runs.values()]
        return {k: v for table in tables for k, v in groups.kinds(table, neighbourhood).items()}

    def power(self, run: str, neighbourhood: str) -> pd.DataFrame:
        """Power in kW by time and group of units, and at the connection point."""
        plot = self.runs[run]
        units, at_points = plot.table("units"), plot.table("connection_points")
        return changes.power(units, at_points, neighbourhood)

    def stores(self, neighbourhood: str | None = None) -> go.Figure:
        """Energy in a neighbourhood's stores, a line a run."""
        name = self._one(neighbourhood, self.neighbourhoods, "neighbourhood")
        tables = {n: plot.table("units") for n, plot in self.runs.items()}
        start = {n: r.manifest.get("start_energy_kwh", {}) for n, r in self._results.items()}
        if all(of_neighbourhood(units, name).empty for units in tables.values()):
            raise InputError([f"{name} has no store"])
        return self.over_time(stores.stores(tables, name, start))

    # -- settings ---------------------------------------------------------------------------------
    def _prices(self, run: str) -> dict[str, float]:
        prices = self._results[run].manifest["scenario"]["redispatch"]
        return {
            "loss_eur_per_kwh": float(prices["loss_price_eur_per_kwh"]),
            "import_co2_eur_per_kg": float(prices.get("import_co2_eur_per_kg") or 0.0),
        }

    def _setting(self, run: str, *path: str) -> Any:
        value: Any = self._results[run].manifest["scenario"]
        for key in path:
            value = value[key]
        return value

    def _one(self, name: str | None, known: Collection[str], what: str) -> str:
        """The one that is meant: the only neighbourhood need not be named."""
        names = self.neighbourhoods
        if name is None and len(names) != 1:
            raise InputError([f"name a {what}: {', '.join(known)}"])
        return _known(names[0] if name is None else name, known, what)


def _known(name: str, known: Collection[str], what: str) -> str:
    if name not in known:
        raise InputError([f"no {what} {name!r}; there are: {', '.join(known)}"])
    return name


def _alike(first: Grid, second: Grid) -> bool:
    """Whether two grids have the same elements with the same limits."""
    return first.lines.equals(second.lines) and first.transformers.equals(second.transformers)
