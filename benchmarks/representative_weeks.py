"""The weeks that stand for the seasons in scenarios/aachen: hierarchical clustering with tsam.

As the paper does (Wüller et al., section 3.3): hourly demand of electricity and heat, PV, wind and
day-ahead price over the year are cut into weeks, and these clustered (Ward's method) into three; a
cluster is represented by its medoid, a week that there is. Heat demand counts three times: it tells
the seasons apart, while with equal weights five stormy weeks are what is told from the rest.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import pandas as pd
from tsam.timeseriesaggregation import TimeSeriesAggregation

from quartier.instance import build
from quartier.scenario.load import load

SEASONS = ("summer", "transition", "winter")
"""By rising heat demand."""
SERIES = {
    "household": "load_kw",
    "heat_demand": "demand_kw",
    "pv": "available_kw",
    "wind": "available_kw",
}
WEIGHTS = {"heat_demand": 3.0}
ZONE = "Etc/GMT-1"


class Week(NamedTuple):
    """A representative week."""

    start: pd.Timestamp
    """Monday, 00:00 CET."""
    weeks: int
    """How many weeks it stands for."""
    heat_mwh: float


def hourly() -> pd.DataFrame:
    """What aachen's neighbourhoods need and could have, and the price, over the year in CET."""
    instance = build(load("aachen:year"))
    columns = {
        kind: sum(unit.series[name] for unit in instance.units if unit.kind == kind)
        for kind, name in SERIES.items()
    }
    columns["price"] = instance.signals["import_eur_per_kwh"][0]
    return pd.DataFrame(columns, index=instance.horizon.times.tz_convert(ZONE))


def representative_weeks(hours: pd.DataFrame) -> dict[str, Week]:
    """Cluster the whole weeks of a year; return the medoid of each season.

    Parameters
    ----------
    hours
        Hourly series from the year's first hour on, one a column, ``heat_demand`` among them.
    """
    mondays = hours.index[(hours.index.dayofweek == 0) & (hours.index.hour == 0)]
    whole = hours[mondays[0] : mondays[0] + pd.Timedelta(weeks=52) - pd.Timedelta(hours=1)]
    found = TimeSeriesAggregation(
        whole.tz_localize(None),
        noTypicalPeriods=len(SEASONS),
        hoursPerPeriod=7 * 24,
        clusterMethod="hierarchical",
        representationMethod="medoidRepresentation",
        weightDict={name: WEIGHTS.get(name, 1.0) for name in whole},
    )
    found.createTypicalPeriods()
    weeks = []
    for k, place in enumerate(found.clusterCenterIndices):
        start = mondays[0] + pd.Timedelta(weeks=int(place))
        heat = whole["heat_demand"][start : start + pd.Timedelta(hours=167)].sum() / 1000
        weeks.append(Week(start, int(found.clusterPeriodNoOccur[k]), heat))
    return dict(zip(SEASONS, sorted(weeks, key=lambda week: week.heat_mwh), strict=True))


def main() -> None:
    """Print the weeks."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for season, week in representative_weeks(hourly()).items():
        print(
            f"{season:<11} {week.start:%Y-%m-%dT%H:%M}+01:00  {week.heat_mwh:6.1f} MWh of heat, "
            f"stands for {week.weeks} weeks"
        )


if __name__ == "__main__":
    main()
