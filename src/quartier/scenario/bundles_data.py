"""What user groups need, in days that stand for a year (M11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from quartier.quantities import Array, Horizon
from quartier.scenario.asked import Asked
from quartier.scenario.bundles_asked import BundlesAsked
from quartier.scenario.findings import Findings
from quartier.scenario.series import SeriesReader
from quartier.scenario.typical_days import steps_a_day, typical
from quartier.units.base import SeriesRequest, UnitData

YEAR_D = 365.0
_LEAST_D, _MOST_D = 364.5, 366.5
"""Days that are a year."""
WEIGHT = "days_stood_for"
"""Signal: how many days of the year the day of a step stands for."""

Needs = Mapping[tuple[str, str], Array]
"""Power in kW by group and carrier, shape ``(T,)``."""
Signals = Mapping[str, tuple[Array, str]]


def need(group: str, carrier: str) -> str:
    """Name of the signal with what a group needs of a carrier."""
    return f"need_kw[{group}.{carrier}]"


@dataclass(frozen=True)
class InDays:
    """Data of a scenario in its typical days, which follow each other."""

    horizon: Horizon
    units: tuple[UnitData, ...]
    signals: dict[str, tuple[Array, str]]
    needs_kw: dict[tuple[str, str], Array]
    weights: Array
    """Days of the year that each stands for, shape ``(D,)``."""


def in_days(
    asked: Asked,
    horizon: Horizon,
    units: tuple[UnitData, ...],
    signals: Signals,
    reader: SeriesReader,
    findings: Findings,
) -> InDays | None:
    """Read what groups need, and take typical days.

    None where no bundles are offered, and if something is wrong.
    """
    if not isinstance(asked, BundlesAsked):
        return None
    needs = dict(_needs(asked, horizon, reader, findings))
    for where, problem in _nothing(asked, needs):
        findings.add(where, problem)
    a_day = steps_a_day(horizon)
    days, rest = divmod(horizon.steps, a_day)
    if rest:
        findings.add(
            "horizon.steps",
            f"is {horizon.steps}, which is no whole number of days of {a_day} steps: what is"
            " sized is sized for typical days",
        )
    if asked.days and len(asked.days) != days:
        findings.add("problem.days", f"says {len(asked.days)} days, but the horizon has {days}")
    if findings.problems or reader.offhand:
        return None
    if asked.days is not None and not _LEAST_D < sum(asked.days) < _MOST_D:
        findings.note(
            "problem.days",
            f"stand for {sum(asked.days):g} days, while capital and upkeep are those of a year",
        )
    whole = InDays(horizon, units, dict(signals), needs, np.full(days, YEAR_D / days))
    if asked.days is not None:
        whole = replace(whole, weights=np.array(asked.days))
    if asked.typical is not None:
        whole = _typical(whole, asked)
    return _with_signals(replace(whole, needs_kw=dict(_scaled(whole, asked))))


def _needs(
    asked: BundlesAsked, horizon: Horizon, reader: SeriesReader, findings: Findings
) -> Iterator[tuple[tuple[str, str], Array]]:
    for group, settings in asked.groups.items():
        for carrier, source in settings.needs.items():
            with findings.at(f"problem.groups.{group}.needs.{carrier}"):
                yield (
                    (group, carrier),
                    reader.series("demand_kw", SeriesRequest(source, "kW"), horizon),
                )


def _nothing(asked: BundlesAsked, needs_kw: Needs) -> Iterator[tuple[str, str]]:
    """Say which energies of a year no series can be scaled to."""
    for group, settings in asked.groups.items():
        for sold in settings.kwh_per_household:
            of = [c for c in settings.needs if asked.serves.get(c) == sold]
            if of and not any(np.any(needs_kw.get((group, c), np.ones(1))) for c in of):
                yield (
                    f"problem.groups.{group}.kwh_per_household.{sold}",
                    f"cannot be shared out: {' and '.join(of)} of its needs is 0 in all steps",
                )


def _typical(whole: InDays, asked: BundlesAsked) -> InDays:
    assert asked.typical is not None
    others = {need(*key): values for key, values in whole.needs_kw.items()}
    others |= {name: values for name, (values, _) in whole.signals.items()}
    chosen = typical(whole.horizon, asked.typical, whole.units, others)
    return InDays(
        chosen.horizon,
        tuple(chosen.unit(unit) for unit in whole.units),
        {name: (chosen.of(values), unit) for name, (values, unit) in whole.signals.items()},
        {key: chosen.of(values) for key, values in whole.needs_kw.items()},
        chosen.weights * YEAR_D / chosen.weights.sum(),
    )


def _scaled(whole: InDays, asked: BundlesAsked) -> Iterator[tuple[tuple[str, str], Array]]:
    """Needs that come to the energy which is stated for a year."""
    factor = {}
    hours = np.repeat(whole.weights, steps_a_day(whole.horizon)) * whole.horizon.dt_h
    for group, settings in asked.groups.items():
        for sold, each_kwh in settings.kwh_per_household.items():
            of = [c for c in settings.needs if asked.serves.get(c) == sold]
            total = sum(float(whole.needs_kw[group, c] @ hours) for c in of)
            for carrier in of if total > 0 else ():
                factor[group, carrier] = settings.households * each_kwh / total
    for key, values in whole.needs_kw.items():
        yield key, values * factor.get(key, 1.0)


def _with_signals(whole: InDays) -> InDays:
    """What KPIs read: weights, and needs."""
    weights = np.repeat(whole.weights, steps_a_day(whole.horizon))
    needs = {need(*key): (values, "kW") for key, values in whole.needs_kw.items()}
    return replace(whole, signals={**whole.signals, WEIGHT: (weights, "d"), **needs})
