"""What KPIs are read from: the tables and the manifest of a run, and of its baseline."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from quartier.kpi.limits import Limits, read_limits
from quartier.quantities import Array
from quartier.results import Result
from quartier.results.tables import schema
from quartier.units.base import UnitKind
from quartier.units.kinds import kind_of

Found = TypeVar("Found")


class RunData:
    """Tables of a run, also of the mechanism's own, read once each; an absent one is empty.

    Parameters
    ----------
    result
        The run.
    baseline
        The run that it is compared with, if there is any.
    reference
        The run whose offers are p_off, the fixed offer that costs are counted from (M4); its own
        if there is none.
    """

    def __init__(
        self, result: Result, baseline: Result | None = None, reference: Result | None = None
    ) -> None:
        self.result = result
        self.baseline = RunData(baseline) if baseline is not None else None
        self.reference = RunData(reference) if reference is not None else None
        self._tables: dict[str, pd.DataFrame] = {}
        self._read: dict[Callable[[RunData], Any], Any] = {}

    def once(self, read: Callable[[RunData], Found]) -> Found:
        """Return what a function reads of this run, which is read once; do not change it."""
        if read not in self._read:
            self._read[read] = read(self)
        found: Found = self._read[read]
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
            there = name in self.result.tables
            self._tables[name] = (
                self.result.table(name)
                if there
                else schema(name, self.result.own_tables).empty_table().to_pandas()
            )
        return self._tables[name]

    @cached_property
    def units(self) -> pd.DataFrame:
        """Units inside the neighbourhoods."""
        units = self.table("units")
        return units[units["neighbourhood"].notna()]

    @cached_property
    def connection_points(self) -> pd.DataFrame:
        """Connection points of the neighbourhoods."""
        points = self.table("connection_points")
        return points[points["kind"] == "neighbourhood"]

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
