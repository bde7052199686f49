"""KPIs of sharing by season, of a run that lasts longer or of runs of several weeks (seed 000).

Seasons are those of BDEW's load profiles (VDEW 1999): winter from 1 November to 20 March, summer
from 15 May to 14 September, transition in between, by the local date of a step.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from quartier.kpi.run_data import RunData
from quartier.kpi.settlement import cost, system_cost
from quartier.kpi.sharing import shared_energy
from quartier.results import Result

SEASONS = ("winter", "transition", "summer")
"""In the order of the source's figures."""
ALL = "all together"
SHARED = "shared_energy"
REFERENCE = "individual"
"""The mechanism that changes are counted from: everybody for itself."""
LOCAL = "Europe/Berlin"


class _Part(RunData):
    """A run as if it had some of its steps only."""

    def __init__(self, run: RunData, times: pd.DatetimeIndex) -> None:
        super().__init__(run.result)
        self._whole, self._times = run, times

    def table(self, name: str) -> pd.DataFrame:
        """Rows of those steps."""
        if name not in self._tables:
            whole = self._whole.table(name)
            here = whole["time"].isin(self._times) if "time" in whole else slice(None)
            self._tables[name] = whole[here]
        return self._tables[name]


def seasons(times: pd.DatetimeIndex) -> pd.Series[str]:
    """Season of every step, by its start."""
    local = times.tz_convert(LOCAL)
    day = 100 * local.month + local.day
    winter, summer = (day >= 1101) | (day <= 320), (day >= 515) & (day <= 914)
    names = np.select([winter, summer], ["winter", "summer"], "transition")
    return pd.Series(names, index=times)


def steps_of(result: Result) -> pd.DatetimeIndex:
    """Starts of the steps that a run has."""
    manifest = result.manifest
    step = pd.Timedelta(manifest["scenario"]["horizon"]["step_minutes"], unit="min")
    start = pd.Timestamp(manifest["start"])
    return pd.date_range(start, periods=int(manifest["steps_written"]), freq=step)


def several(results: Mapping[str, Result]) -> bool:
    """Whether runs tell more than one season apart, each beside a run of everybody for itself."""
    spans = [span for span in _spans(results).values() if REFERENCE in span and len(span) > 1]
    found = [seasons(steps_of(next(iter(span.values())))).unique() for span in spans]
    return len(set().union(*found)) > 1


def by_season(results: Mapping[str, Result]) -> pd.DataFrame:
    """What each neighbourhood pays in EUR, and energy shared in kWh, by season and mechanism.

    Runs over the same steps belong together, and their seasons are added up; those without a run of
    everybody for itself beside them are left out.

    Returns
    -------
    pandas.DataFrame
        Rows: neighbourhoods, ``all together`` and ``shared_energy``; columns: season and mechanism.
    """
    found: dict[tuple[str, str], pd.Series[float]] = {}
    for span in _spans(results).values():
        if REFERENCE not in span:
            continue
        for mechanism, result in span.items():
            run, season = RunData(result), seasons(steps_of(result))
            for name in season.unique():
                part = _Part(run, pd.DatetimeIndex(season.index[season == name]))
                figures = {**cost(part), ALL: system_cost(part), SHARED: shared_energy(part)}
                key, values = (str(name), mechanism), pd.Series(figures)
                found[key] = found[key] + values if key in found else values
    table = pd.DataFrame(found)
    order = [(s, m) for s in SEASONS for m in dict.fromkeys(m for _, m in found) if (s, m) in found]
    return table[order]


def _spans(results: Mapping[str, Result]) -> dict[tuple[str, int], dict[str, Result]]:
    """Runs by their steps and mechanism; of several alike, the first."""
    found: dict[tuple[str, int], dict[str, Result]] = {}
    for result in results.values():
        manifest = result.manifest
        span = found.setdefault((manifest["start"], int(manifest["steps_written"])), {})
        span.setdefault(str(manifest["coordination"]), result)
    return found
