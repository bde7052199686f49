"""Typical days: some of the days of a horizon, and how many days each stands for (M11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from quartier.quantities import LOCAL, Array, Horizon
from quartier.scenario.bundles_asked import TypicalSettings
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.node import Node, Tariff

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """Days that stand for all.

    Parameters
    ----------
    days
        Their numbers, counted over the horizon, ascending, shape ``(D,)``.
    weights
        How many days each stands for, shape ``(D,)``.
    horizon
        Those days, one after the other.
    steps
        The steps of the whole horizon that they have, shape ``(T,)``.
    """

    days: Steps
    weights: Array
    horizon: Horizon
    steps: Steps

    def of(self, values: Array) -> Array:
        """A series of the whole horizon in those days."""
        return values[self.steps]

    def unit(self, unit: UnitData) -> UnitData:
        """A unit in those days; bounds of its store are taken anew."""
        whole = unit.horizon.steps
        cut = replace(
            unit,
            horizon=self.horizon,
            series={n: v[self.steps] for n, v in unit.series.items() if len(v) == whole},
            nodes={carrier: self.node(node) for carrier, node in unit.nodes.items()},
        )
        return KINDS[unit.kind].bounded(cut)

    def node(self, node: Node) -> Node:
        """A node in those days."""
        demand = None if node.demand_kw is None else self.of(node.demand_kw)
        return replace(
            node, demand_kw=demand, buy=self._tariff(node.buy), sell=self._tariff(node.sell)
        )

    def _tariff(self, tariff: Tariff | None) -> Tariff | None:
        return tariff and replace(tariff, price_eur_per_kwh=self.of(tariff.price_eur_per_kwh))


def steps_a_day(horizon: Horizon) -> int:
    """Steps of 24 hours."""
    return round(24 / horizon.dt_h)


def typical(
    horizon: Horizon,
    asked: TypicalSettings,
    units: Sequence[UnitData],
    others: Mapping[str, Array],
) -> Chosen:
    """Choose typical days: the medoids of hierarchical clusters (tsam), each a day of the data.

    Parameters
    ----------
    units, others
        What makes days alike: series and prices of units and their nodes, and other series, each
        taken between its least and its greatest value.
    """
    a_day = steps_a_day(horizon)
    columns = {**dict(_columns(units)), **others}
    varying = {n: v for n, v in columns.items() if np.ptp(v) > 0}
    data = pd.DataFrame(varying or {"nothing": np.zeros(horizon.steps)}, index=horizon.times)
    days, weights = [], []
    for members in _parts(horizon, asked):
        steps = (members[:, None] * a_day + np.arange(a_day)).ravel()
        chosen, counts = _medoids(data.iloc[steps], asked.count, horizon)
        days += members[chosen].tolist()
        weights += counts
    order = np.argsort(days)
    first = np.array(days, dtype=np.int64)[order]
    steps = (first[:, None] * a_day + np.arange(a_day)).ravel()
    short = replace(horizon, steps=len(steps))
    return Chosen(first, np.array(weights, dtype=float)[order], short, steps)


def _columns(units: Sequence[UnitData]) -> Iterator[tuple[str, Array]]:
    for unit in units:
        for name, values in unit.series.items():
            if len(values) == unit.horizon.steps:
                yield f"{unit.name}.{name}", values
        for node in unit.nodes.values():
            for way, tariff in (("buy", node.buy), ("sell", node.sell)):
                if tariff is not None:
                    yield f"{node.name}.{way}", tariff.price_eur_per_kwh


def _parts(horizon: Horizon, asked: TypicalSettings) -> Iterator[Steps]:
    """Numbers of the days among which typical ones are found: all, or those of each month."""
    days = np.arange(horizon.steps // steps_a_day(horizon))
    if asked.per == "horizon":
        yield days
        return
    local = horizon.times[:: steps_a_day(horizon)][: len(days)].tz_convert(LOCAL)
    months = local.year * 12 + local.month
    for month in np.unique(months):
        yield days[months == month]


def _medoids(data: pd.DataFrame, count: int, horizon: Horizon) -> tuple[list[int], list[float]]:
    """Numbers of the days that stand for others, and for how many."""
    days = len(data) // steps_a_day(horizon)
    if days <= count:
        return list(range(days)), [1.0] * days
    from tsam.timeseriesaggregation import TimeSeriesAggregation  # it imports scikit-learn

    made = TimeSeriesAggregation(
        data.set_axis(pd.date_range("2001-01-01", periods=len(data), freq=horizon.step)),
        resolution=horizon.dt_h,
        noTypicalPeriods=count,
        hoursPerPeriod=24,
        clusterMethod="hierarchical",
        representationMethod="medoidRepresentation",
        rescaleClusterPeriods=False,
    )
    made.createTypicalPeriods()
    labels, medoids = np.asarray(made.clusterOrder), [int(k) for k in made.clusterCenterIndices]
    return medoids, [float(np.sum(labels == labels[k])) for k in medoids]
