"""KPIs of sharing by season, of a run that lasts longer or of runs of several weeks (seed 000).

Seasons are those of BDEW's load profiles (VDEW 1999): winter from 1 November to 20 March, summer
from 15 May to 14 September, transition in between, by the local date of a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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

    def parts(self) -> Iterator[RunData]:
        """Itself: it is a part."""
        yield self

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
    return len({season for season, mechanism in _parts(results) if mechanism != REFERENCE}) > 1


def by_season(results: Mapping[str, Result]) -> pd.DataFrame:
    """What each neighbourhood pays in EUR, and energy shared in kWh, by season and mechanism.

    Runs over the same steps belong together, and the seasons of several such spans are added up.
    Left out are spans without a run of everybody for itself, and those that a longer one has
    steps of, which would count twice; and of a season, a mechanism that not all its spans have.

    Returns
    -------
    pandas.DataFrame
        Rows: neighbourhoods, ``all together`` and ``shared_energy``; columns: season and mechanism.
    """
    found = {key: sum(map(_figures, parts)) for key, parts in _parts(results).items()}
    table = pd.DataFrame(found)
    order = [(s, m) for s in SEASONS for m in dict.fromkeys(m for _, m in found) if (s, m) in found]
    return table[order]


def _figures(part: RunData) -> pd.Series[float]:
    return pd.Series({**cost(part), ALL: system_cost(part), SHARED: shared_energy(part)})


def _parts(results: Mapping[str, Result]) -> dict[tuple[str, str], list[RunData]]:
    """Parts of runs to add up, by season and mechanism."""
    found: dict[tuple[str, str], list[RunData]] = {}
    spans = [span for span in _spans(results).values() if REFERENCE in span]
    for season in SEASONS:
        here = [(span, _within(span, season)) for span in spans]
        times = [steps for _, steps in here if len(steps)]
        here = [(span, steps) for span, steps in here if len(steps) and not _twice(steps, times)]
        for mechanism in dict.fromkeys(name for span, _ in here for name in span):
            if all(mechanism in span for span, _ in here):
                found[season, mechanism] = [
                    _Part(RunData(span[mechanism]), steps) for span, steps in here
                ]
    return found


def _within(span: Mapping[str, Result], season: str) -> pd.DatetimeIndex:
    found = seasons(steps_of(span[REFERENCE]))
    return pd.DatetimeIndex(found.index[found == season])


def _twice(steps: pd.DatetimeIndex, others: list[pd.DatetimeIndex]) -> bool:
    """Whether a longer span has these steps, too."""
    return any(len(other) > len(steps) and steps[0] in other for other in others)


def _spans(results: Mapping[str, Result]) -> dict[tuple[str, int], dict[str, Result]]:
    """Runs by their steps and mechanism; of several alike, the first."""
    found: dict[tuple[str, int], dict[str, Result]] = {}
    for result in results.values():
        manifest = result.manifest
        span = found.setdefault((manifest["start"], int(manifest["steps_written"])), {})
        span.setdefault(str(manifest["coordination"]), result)
    return found
