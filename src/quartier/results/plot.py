"""``result.plot``: the figures of the report, in a notebook."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
import plotly.graph_objects as go

from quartier.errors import InputError
from quartier.figures import (
    bundles,
    convergence,
    costs,
    ev_stays,
    forecasts,
    fronts,
    grid,
    grid_map,
    heat_map,
    limits,
    market,
    negotiation,
    nodes,
    pricing,
    redispatch,
    schedules,
    sharing,
    storage,
    zones,
)
from quartier.results.grid_file import read_grid
from quartier.results.tables import schema
from quartier.units.kinds import kind_of

if TYPE_CHECKING:
    from quartier.results.run_folder import RunFolder

NEAR_PERCENT = 99.0
"""Loading in percent of its limit from which a line counts as near it."""

OPERATOR = "grid"
"""Whose front that of the DSO is, in the table ``fronts``."""

Name = TypeVar("Name", str, int)

WITHOUT = {
    "messages": "messages were not recorded; run with --set record.messages=true",
    "fronts": "no front was computed; run mo-cohda; or individual, central or bilevel"
    " with --set record.fronts=true",
    "traces": "nobody negotiated in this run",
    "rounds": "no prices were asked for in this run; those are 'price-response' and 'auction'",
    "sizes": "no sizes were chosen in this run; that is the problem 'bundles'",
    "bids": "nobody bid in this run; that is the mechanism 'auction'",
    "redispatch": "no P_set was set in this run",
    "ev_sessions": "no vehicle charged in this run",
    "supply": "no suppliers served this run; that is the problem 'market'",
    "zones": "the market of this run has no zones; name them in problem.zones",
    "flows": "no lines lie between zones of this run; name some in problem.lines",
    "shares": "the neighbourhoods of this run share nothing; that is the problem 'sharing'",
    "nodes": "there are no nodes of other carriers than electricity",
    "plans": "nobody planned in this run",
    "forecasts": "no forecast errs in this run; say by how much in forecast_error",
    "solves": "no optimiser was used in this run",
}
"""Why a table is not there."""


_MAY_BE_EMPTY = {"transformers": "lines", "units": "connection_points"}
"""Tables of what a run may have none of, by a table that is there if they could be."""


class Plot:
    """Figures of a run, as Plotly figures.

    Every method raises :class:`~quartier.errors.InputError` where its tables do not apply to the
    run, and says why.

    Parameters
    ----------
    result
        The run.
    times
        Steps that are shown; all if None.
    elements
        Indices of the ``lines``, ``transformers`` and ``buses`` that are shown; all if None.
    """

    def __init__(
        self,
        result: RunFolder,
        times: Collection[pd.Timestamp] | None = None,
        elements: Mapping[str, Collection[int]] | None = None,
    ) -> None:
        self._result = result
        self._elements = elements or {}
        self._times = None if times is None else pd.DatetimeIndex(list(times))
        self._tables: dict[str, pd.DataFrame] = {}

    def __repr__(self) -> str:
        drawn = [name for name, made in vars(type(self)).items() if _returns_figure(made)]
        return f"Figures of {self._result.dir}: {', '.join(drawn)}"

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run with the steps that are shown; read once."""
        if name not in self._tables:
            if self._times is None and name not in self._elements:
                self._tables[name] = self.whole_table(name)
            else:
                self._tables[name] = pd.concat([*self.pieces(name)], ignore_index=True)
        return self._tables[name]

    def pieces(self, name: str) -> Iterator[pd.DataFrame]:
        """The same, read piece by piece: of a long run not all steps fit into memory."""
        for piece in self.whole_pieces(name):
            table = piece
            if self._times is not None and "time" in table:
                table = table[table["time"].isin(self._times)]
            if name in self._elements:
                of_rows = table["bus" if name == "buses" else "index"]
                table = table[of_rows.isin(list(self._elements[name]))]
            yield table

    def whole_pieces(
        self, name: str, columns: Sequence[str] | None = None
    ) -> Iterator[pd.DataFrame]:
        """A table of the run with all steps, or some columns of it, piece by piece."""
        if name in self._result.tables:
            yield from self._result.pieces(name, columns)
        else:
            yield self.whole_table(name)

    def whole_table(self, name: str) -> pd.DataFrame:
        """A table of the run with all steps."""
        tables = self._result.tables
        if name not in tables and _MAY_BE_EMPTY.get(name) in tables:
            empty: pd.DataFrame = schema(name).empty_table().to_pandas()
            return empty
        if name not in self._result.tables:
            why = WITHOUT.get(name, f"the table {name} is not there")
            raise InputError([f"{self._result.dir}: {why}"])
        return self._result.table(name)

    @cached_property
    def grid(self) -> grid.Grid:
        """Coordinates and limits of the grid."""
        path = self._result.dir / "grid.json"
        if not path.exists():
            raise InputError([f"{path} is missing; the run did not get that far"])
        whole = read_grid(path)
        return whole.part(self._elements) if self._elements else whole

    @property
    def neighbourhoods(self) -> tuple[str, ...]:
        """Names of the neighbourhoods, in the order of the scenario."""
        return tuple(self._result.manifest["scenario"]["neighbourhoods"])

    # -- the grid ---------------------------------------------------------------------------
    def loading_map(self, time: pd.Timestamp | str | None = None) -> go.Figure:
        """Map of line loadings and voltages at a time (UTC); the worst step if None."""
        moment = self.worst_time() if time is None else _utc(time)
        lines, transformers = self.table("lines"), self.table("transformers")
        if moment not in set(lines["time"]):
            raise InputError([f"no step begins at {moment}; see result.table('steps')['time']"])
        buses = self.table("buses")
        return grid_map.loading_map(self.grid, lines, transformers, buses, self.places(), moment)

    def worst_time(self) -> pd.Timestamp:
        """Step of the highest loading of a line relative to its own limit.

        Where no line comes near its limit, the step of the voltage nearest to, or furthest
        beyond, the limits of its bus.
        """
        lines = self.table("lines")
        relative = grid.relative_loading(self.grid, lines, "lines")
        if relative.max() >= NEAR_PERCENT:
            return pd.Timestamp(lines["time"].loc[relative.idxmax()])
        buses = self.table("buses")
        beyond = grid.beyond_band(self.grid, buses)
        if not beyond.notna().any():  # no step has a power flow
            return pd.Timestamp(buses["time"].min())
        return pd.Timestamp(buses["time"].loc[beyond.idxmax()])

    def places(self) -> pd.DataFrame:
        """Connection points with ``name, kind, bus``."""
        points = self.table("connection_points")
        return points[["name", "kind", "bus"]].drop_duplicates("name").reset_index(drop=True)

    def loading(self) -> go.Figure:
        """Heat map of the loadings of lines and transformers."""
        return heat_map.loading(self.grid, self.table("lines"), self.table("transformers"))

    def element(self, kind: str, index: int) -> go.Figure:
        """Loading of a ``line`` or ``transformer``, or voltage of a ``bus``, over time."""
        tables = {"line": "lines", "transformer": "transformers", "bus": "buses"}
        _check(kind, tables, "kind of element")
        _check(index, getattr(self.grid, tables[kind]).index, kind)
        return limits.element(self.grid, self.table(tables[kind]), kind, index)

    def voltages(self) -> go.Figure:
        """Voltages nearest to their limits, over time."""
        return limits.voltages(self.grid, self.table("buses"))

    # -- redispatch -------------------------------------------------------------------------
    def causes(self) -> go.Figure:
        """Energy that P_set forbids, by overloaded element and asset."""
        return redispatch.causes(self.whole_table("redispatch"), self.dt_h)

    def asset(self, name: str) -> go.Figure:
        """Offer, P_set and result of a neighbourhood or a plant."""
        units = self.table("units")
        own = units[(units["unit"] == name) & units["neighbourhood"].isna()]
        points = self.table("connection_points")
        _check(name, points["name"].unique(), "connection point")
        return schedules.asset(points, name, own)

    def reaction(self, neighbourhood: str | None = None) -> go.Figure:
        """Change of plan, by unit, under P_set."""
        name = self._neighbourhood(neighbourhood)
        return schedules.reaction(self.table("plans"), self.table("units"), name)

    # -- neighbourhoods -----------------------------------------------------------------------
    def schedule(self, neighbourhood: str | None = None) -> go.Figure:
        """Stacked power of a neighbourhood's units with offer, band, P_set and result."""
        name = self._neighbourhood(neighbourhood)
        return schedules.schedule(self.table("units"), self.table("connection_points"), name)

    def stores(self, neighbourhood: str | None = None) -> go.Figure:
        """Energy in a neighbourhood's stores."""
        name = self._neighbourhood(neighbourhood)
        start = self._result.manifest.get("start_energy_kwh")
        if storage.of_neighbourhood(self.table("units"), name).empty:
            raise InputError([f"{name} has no store"])
        return storage.stores(self.table("units"), name, start)

    def nodes(self, neighbourhood: str | None = None) -> go.Figure:
        """Balances of a neighbourhood's nodes: heat hubs, and nodes of other carriers."""
        name = self._neighbourhood(neighbourhood)
        if nodes.of_neighbourhood(self.table("nodes"), name).empty:
            raise InputError([f"{name} has no node"])
        return nodes.nodes(self.table("nodes"), name)

    def prices_inside(self) -> go.Figure:
        """Price inside the pool between what the outer grid pays and asks."""
        return sharing.prices(self.table("shares"), self.table("signals"))

    def shared(self) -> go.Figure:
        """What each neighbourhood gives the others or gets from them, and the pool's rest."""
        return sharing.shared(self.table("shares"), self.table("connection_points"))

    def supply(self) -> go.Figure:
        """Who supplies a market."""
        return market.supply(self.table("supply"))

    def market_prices(self) -> go.Figure:
        """Price of a market, and what was expected."""
        self.whole_table("supply")  # says why there is none
        return market.prices(self.table("prices"), self.table("signals"))

    @property
    def has_zones(self) -> bool:
        """Whether the market of this run has zones."""
        return "zones" in self._result.tables

    @property
    def has_lines(self) -> bool:
        """Whether lines lie between zones."""
        return "flows" in self._result.tables

    def zone_prices(self) -> go.Figure:
        """Price in every zone of a market."""
        return zones.prices(self.table("zones"))

    def flows(self) -> go.Figure:
        """What lines between zones carried, with their limits."""
        return zones.flows(self.table("flows"))

    def bids(self, time: pd.Timestamp | str | None = None) -> go.Figure:
        """Bid curves of an hour and its clearing; without a time, of the dearest hour."""
        moment = None if time is None else _utc(time)
        if self.has_zones:
            return self._bids_of_a_zone(moment)
        return market.bids(self.table("bids"), self.table("prices"), moment)

    def _bids_of_a_zone(self, moment: pd.Timestamp | None) -> go.Figure:
        """The same where power is dearest then, with what lines bring in."""
        scenario = self._result.manifest["scenario"]
        groups = (scenario["problem"]["suppliers"], scenario["neighbourhoods"])
        homes = {name: one["zone"] for members in groups for name, one in members.items()}
        own, paid, zone = zones.in_one(self.table("bids"), self.table("zones"), homes, moment)
        made = market.bids(own, paid, moment)
        return made.update_layout(title_text=f"{made.layout.title.text}, {zone}")

    @property
    def has_blocks(self) -> bool:
        """Whether blocks of all hours at once were bid."""
        bids = self.whole_table("bids")
        return "block" in bids and bool(bids["block"].notna().any())  # absent in older folders

    def blocks(self) -> go.Figure:
        """Blocks of an auction of all hours at once, by what they are worth at the prices."""
        return market.blocks(self.whole_table("bids"), self.whole_table("prices"), self.dt_h)

    def dispatch(self) -> go.Figure:
        """What suppliers and all units of a market do, by technology."""
        return market.dispatch(self.table("supply"), self.table("units"))

    def earnings(self) -> go.Figure:
        """Who earns what on a market, and who pays."""
        self.whole_table("supply")  # says why there is none
        name = str(self._result.manifest["coordination"])
        return market.earnings(self._result.kpi_table[["value"]].set_axis([name], axis=1))

    @property
    def expects_vehicles(self) -> bool:
        """Whether the scenario has units that vehicles come to."""
        members = self._result.manifest["scenario"]["neighbourhoods"].values()
        units = (unit for member in members for unit in member.get("units", {}).values())
        return any(kind_of(unit["kind"]).sessions for unit in units)

    def player_prices(self) -> go.Figure:
        """Prices that a player set, with their bounds."""
        asked = self._result.manifest["scenario"].get("problem")
        if not isinstance(asked, dict) or "carriers" not in asked:
            raise InputError(["no player priced carriers; that is the problem 'pricing'"])
        return pricing.prices(self.table("prices"), self.table("signals"), asked["carriers"])

    def sizes(self) -> go.Figure:
        """How much of each unit is built."""
        return bundles.sizes(self.table("sizes"))

    def bounds(self) -> go.Figure:
        """Upper and lower bound of the profit in every round of cuts."""
        self.whole_table("sizes")  # says why there is none
        return bundles.bounds(self.table("rounds"))

    @property
    def balanced(self) -> tuple[str, ...]:
        """Carriers that :meth:`balance` shows."""
        return bundles.carriers({"nodes": self.table("nodes")} if self._has("nodes") else {})

    def balance(self, carrier: str = "electricity") -> go.Figure:
        """Who gives a carrier and who takes it, of the one neighbourhood there is."""
        written = self._result.manifest["scenario"]["neighbourhoods"][self._neighbourhood(None)]
        _check(carrier, self.balanced, "balance of")
        names = ("units", "nodes", "connection_points")
        tables = {name: self.table(name) for name in names if self._has(name)}
        return bundles.balance({"units": self.table("units"), **tables}, carrier, written["units"])

    def forecast(self, kind: str) -> go.Figure:
        """What was expected of all units of a kind, and what happened."""
        table = self.table("forecasts")
        return forecasts.forecast(table, _check(kind, list(table["kind"].unique()), "forecast of"))

    def _has(self, table: str) -> bool:
        return table in self._result.tables

    def ev_stays(self, neighbourhood: str | None = None) -> go.Figure:
        """Stays of vehicles, and which share of the energy due they got."""
        name = self._neighbourhood(neighbourhood)
        sessions = self.table("ev_sessions")
        own = sessions[sessions["unit"].str.startswith(f"{name}.")]
        if own.empty:
            raise InputError([f"no vehicle charged in {name}"])
        return ev_stays.ev_stays(own)

    # -- negotiation --------------------------------------------------------------------------
    def objective(self) -> go.Figure:
        """Objective of the negotiations over simulated time."""
        return negotiation.objective(self.table("traces"))

    def convergence(self) -> go.Figure:
        """Bound and cost in every round of prices."""
        return convergence.costs(self.table("rounds"))

    def residuals(self) -> go.Figure:
        """Certified gap and imbalance in every round of prices."""
        return convergence.residuals(self.table("rounds"))

    def answer_times(self) -> go.Figure:
        """Slowest answer of every round of prices, and whose it was."""
        return convergence.answer_times(self.table("rounds"))

    def messages(self) -> go.Figure:
        """Messages by sender and kind."""
        return negotiation.messages(self.table("messages"))

    def message_times(self) -> go.Figure:
        """Messages over simulated time."""
        return negotiation.message_times(self.table("messages"))

    def front(self, neighbourhood: str | None = None) -> go.Figure:
        """What a neighbourhood, or the DSO (``"grid"``), trades off, with the point chosen."""
        table = self.table("fronts")
        names = list(table["neighbourhood"].unique())
        name = self._neighbourhood(None) if neighbourhood is None else neighbourhood
        return fronts.front(table, _check(name, names, "front"))

    # -- all ------------------------------------------------------------------------------------
    def costs(self) -> go.Figure:
        """Costs by KPI."""
        kpis = self._result.kpi_table
        name = str(self._result.manifest["coordination"])
        return costs.costs(kpis[["label"]].assign(**{name: kpis["value"]}))

    @property
    def dt_h(self) -> float:
        """Length of a step in hours."""
        return float(self._result.manifest["scenario"]["horizon"]["step_minutes"]) / 60

    def _neighbourhood(self, name: str | None) -> str:
        """The neighbourhood that is meant: the only one need not be named."""
        names = self.neighbourhoods
        if name is None and len(names) > 1:
            raise InputError([f"name a neighbourhood: {', '.join(names)}"])
        return _check(names[0] if name is None else name, names, "neighbourhood")


def _returns_figure(method: Any) -> bool:
    return getattr(method, "__annotations__", {}).get("return") == "go.Figure"


def _utc(time: pd.Timestamp | str) -> pd.Timestamp:
    moment = pd.Timestamp(time)
    return moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")


def _check(name: Name, known: Collection[Any], what: str) -> Name:
    if name not in known:
        raise InputError([f"no {what} {name!r}; there are: {', '.join(map(str, known))}"])
    return name
