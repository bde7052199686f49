"""Local resources used (seed 002, eq. 25-27): what converters and stores do of what they could."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from quartier.kpi.redispatch import Groups
from quartier.kpi.run_data import RunData
from quartier.quantities import ELECTRICITY
from quartier.units.balance import greatest_kw
from quartier.units.base import HEAT, UnitKind
from quartier.units.kinds import kind_of
from quartier.units.size import scaled


def used(
    run: RunData,
    sizes: Mapping[str, float] | None = None,
    weights: pd.Series[float] | None = None,
) -> Groups:
    """Local resource utilisation factor by carrier.

    `(ECEC + ECES) / (T (B + A))`: output of the B converters over their greatest, and changes of
    the energy in the A stores over what they hold, each summed over the T steps. The source's
    (25)-(27) swap the indices of the two sums. Wind and PV are converters; the greatest output is
    what a unit can reach (of a CHP's heat, at its greatest electric power). Units of one
    description (``count``: the blocks of a CHP) are one converter or store.

    Parameters
    ----------
    sizes
        How many there are of a unit as the scenario writes it, by name; of others, one.
    weights
        How often a step counts, by time; None: all alike.
    """
    found = {}
    for carrier in (ELECTRICITY, HEAT):
        rows = _shares(run, carrier, sizes or {}, weights)
        shares = pd.DataFrame(rows, columns=["described", "share"])
        if len(shares):
            found[carrier] = float(shares.groupby("described")["share"].mean().mean())
    return found


def described_as(described: Mapping[str, Any], name: str) -> str:
    """Key of the units that one is of: its name, or that without its number."""
    return name if name in described else name.rpartition("-")[0]


def _shares(
    run: RunData, carrier: str, sizes: Mapping[str, float], weights: pd.Series[float] | None
) -> Iterator[tuple[str, float]]:
    """Mean share of each converter and store of a carrier, by the description it is of."""
    settings, begun = run.setting("neighbourhoods"), run.result.manifest["start_energy_kwh"]
    for (place, unit), rows in run.units.groupby(["neighbourhood", "unit"], observed=True):
        kind, own = kind_of(str(rows["kind"].iloc[0])), str(unit).partition(".")[2]
        written = settings[str(place)]["units"]
        name = described_as(written, own)
        parameters = _parameters(kind, written.get(name))
        if parameters is None:
            continue
        parameters = scaled(parameters, sizes.get(own) or 1.0)
        if kind.holds == carrier:
            steps = np.diff(rows["energy_kwh"].to_numpy(float), prepend=begun[str(unit)])
            shares = np.abs(steps) / parameters.energy_kwh
        elif (greatest := greatest_kw(parameters, carrier)) > 0:
            made = rows["p_kw" if carrier == ELECTRICITY else "heat_kw"]
            shares = made.clip(lower=0.0).to_numpy(float) / greatest
        else:
            continue
        each = None if weights is None else weights.reindex(rows["time"]).to_numpy(float)
        yield f"{place}.{name}", float(np.average(shares, weights=each))


def _parameters(kind: UnitKind, described: Any) -> Any:
    """Parameters of a unit, None of what no settings describe, and of a kind that is gone."""
    try:
        return kind.Parameters.model_validate(described)
    except ValidationError:
        return None
