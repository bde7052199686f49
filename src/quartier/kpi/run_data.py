"""What KPIs are read from: the tables and the manifest of a run, and of its baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, reduce
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from quartier.kpi.limits import Limits, read_limits
from quartier.quantities import Array
from quartier.results import Result
from quartier.results.pieces import Span
from quartier.results.tables import columns_of, schema
from quartier.units.base import UnitKind
from quartier.units.kinds import kind_of

Found = TypeVar("Found")
Sum = TypeVar("Sum", "pd.Series[float]", pd.DataFrame)


class RunData:
    """Tables of a run, also of the mechanism's own, read once each; an absent one is empty.

    A long run does not fit into memory at once: figures that add up over time go through
    :meth:`summed` and :meth:`joined`, and nobody else reads tables with a row a step and element.

    Parameters
    ----------
    result
        The run.
    baseline
        The run that it is compared with, if there is any.
    reference
        The run whose offers are p_off, the fixed offer that costs are counted from (M4); its own
        if there is none.
    span
        The part of the run that is read, if not all of it.
    """

    def __init__(
        self,
        result: Result,
        baseline: Result | None = None,
        reference: Result | None = None,
        span: Span | None = None,
    ) -> None:
        self.result, self.span = result, span
        self.baseline = RunData(baseline) if baseline is not None else None
        self.reference = RunData(reference) if reference is not None else None
        self._tables: dict[str, pd.DataFrame] = {}
        self._found: dict[str, list[Any]] = {}
        self._once: dict[Callable[[RunData], Any], Any] = {}

    def once(self, read: Callable[[RunData], Found]) -> Found:
        """Return what a function reads of this run, which is read once; do not change it."""
        if read not in self._once:
            self._once[read] = read(self)
        found: Found = self._once[read]
        return found

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The scenario as resolved."""
        scenario: dict[str, Any] = self.result.manifest["scenario"]
        return scenario

    @cached_property
    def problem(self) -> str:
        """Kind of the problem that was asked; older folders know of one only."""
        asked = self.scenario.get("problem", "redispatch")
        return str(asked if isinstance(asked, str) else asked["kind"])

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Kinds of all that was asked: also of the redispatch that came after sharing."""
        asked = self.scenario.get("problem")
        after = isinstance(asked, dict) and asked.get("redispatch")
        return (self.problem, "redispatch") if after else (self.problem,)

    @cached_property
    def has_grid(self) -> bool:
        """Whether a grid was simulated."""
        return self.result.has_grid

    @cached_property
    def has_zones(self) -> bool:
        """Whether a market with zones was asked for."""
        asked = self.scenario.get("problem")
        return isinstance(asked, dict) and bool(asked.get("zones"))

    @cached_property
    def dt_h(self) -> float:
        """Length of a step in hours."""
        return float(self.scenario["horizon"]["step_minutes"]) / 60

    @cached_property
    def neighbourhoods(self) -> tuple[str, ...]:
        """Names of the neighbourhoods, in the order of the scenario."""
        return tuple(self.scenario["neighbourhoods"])

    @cached_property
    def limits(self) -> Limits:
        """Limits of the grid's elements."""
        return read_limits(self.result.dir / "grid.json")

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run, empty if the run has none."""
        if name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]

    def _read(self, name: str) -> pd.DataFrame:
        if name not in self.result.tables:
            empty: pd.DataFrame = schema(name, self.result.own_tables).empty_table().to_pandas()
            return empty
        if self.span is not None and "time" in columns_of(name, self.result.own_tables):
            return self.result.between(name, self.span)
        return self.result.table(name)

    def parts(self) -> Iterator[RunData]:
        """The run as one or more runs over a part of its time each, one after the other.

        Their tables have the rows of that time only, and are forgotten with the part.
        """
        spans = [] if self.span is not None else self._spans
        if not spans:
            yield self
        reference = None if self.reference is None else self.reference.result
        for span in spans:
            part = RunData(self.result, None, reference, span)
            if self.has_grid:
                part.limits = self.limits  # read once
            yield part

    @cached_property
    def _spans(self) -> list[Span]:
        return self.result.spans()

    def sweep(self, readers: Iterable[Callable[[RunData], Any]]) -> None:
        """Read a long run once for all that will be asked for by :meth:`each`, part by part."""
        if self._spans:
            wanted = {_key(read): read for read in readers if _key(read) not in self._found}
            found: dict[str, list[Any]] = {key: [] for key in wanted}
            for part in self.parts():
                for key, read in wanted.items():
                    found[key].append(read(part))
            self._found |= found

    def each(self, read: Callable[[RunData], Found]) -> list[Found]:
        """What is read from each part, in the order of time; read once a run.

        Parameters
        ----------
        read
            A function with a name of its own.
        """
        key = _key(read)
        if key not in self._found:
            self._found[key] = [read(part) for part in self.parts()]
        return self._found[key]

    def summed(self, read: Callable[[RunData], Sum]) -> Sum:
        """Sum over all parts of what is read from each; a label that a part lacks counts 0."""
        return reduce(lambda a, b: a.add(b, fill_value=0.0), self.each(read))

    def joined(self, read: Callable[[RunData], pd.DataFrame]) -> pd.DataFrame:
        """Rows that are read from each part, one below the other."""
        found = self.each(read)
        if len(found) > 1:
            found[:] = [pd.concat(found, ignore_index=True)]
        return found[0]

    @property
    def units(self) -> pd.DataFrame:
        """Units inside the neighbourhoods; ask a long run for those of its parts instead."""
        return self.joined(_units)

    @property
    def connection_points(self) -> pd.DataFrame:
        """Connection points of the neighbourhoods."""
        return self.joined(_connection_points)

    def fixed_offers(self) -> pd.DataFrame:
        """p_off and what it curtails itself, by row of the table ``connection_points``.

        Columns ``offer_kw`` and ``offer_curtailed_kw``, NaN where nothing was offered. An owner
        that is indifferent may curtail in another step than in the reference: what it offered to
        curtail counts as well.
        """
        points, columns = self.table("connection_points"), ["offer_kw", "offer_curtailed_kw"]
        if self.reference is None:
            return points[columns]
        there = self.reference.table("connection_points").set_index(["time", "name"])[columns]
        offers = there.reindex(pd.MultiIndex.from_frame(points[["time", "name"]]))
        offers = offers.set_index(points.index)
        own = points["offer_curtailed_kw"].fillna(0.0)
        return offers.assign(offer_curtailed_kw=offers["offer_curtailed_kw"].fillna(0.0).clip(own))

    def signal(self, name: str) -> pd.Series[float]:
        """A signal by time; where several gates gave it, the first stands."""
        signals = self.table("signals")
        rows = signals[signals["name"] == name].drop_duplicates("time", keep="first")
        return rows.set_index("time")["value"]

    def setting(self, *path: str) -> Any:
        """A value of the scenario as resolved, e.g. ``setting("redispatch", "taps")``."""
        value: Any = self.scenario
        for key in path:
            value = value[key]
        return value


def _key(read: Callable[..., Any]) -> str:
    return f"{read.__module__}.{read.__qualname__}"


def _units(run: RunData) -> pd.DataFrame:
    units = run.table("units")
    return units[units["neighbourhood"].notna()]


def _connection_points(run: RunData) -> pd.DataFrame:
    points = run.table("connection_points")
    return points[points["kind"] == "neighbourhood"]


def of_kinds(units: pd.DataFrame, has: Callable[[UnitKind], bool]) -> pd.Series[bool]:
    """Rows of the table ``units`` whose kind has a trait."""
    kinds = [kind for kind in units["kind"].unique() if has(kind_of(str(kind)))]
    return units["kind"].isin(kinds)


def ratio(part: float, whole: float) -> float | None:
    """``part / whole``, undefined (None) where there is no whole."""
    return part / whole if whole > 0 else None


def positive(values: pd.Series[float]) -> Array:
    """The positive part of a column; rows of a step without a solution (NaN) count as zero."""
    return np.nan_to_num(np.maximum(values.to_numpy(dtype=float), 0.0))
