"""Energy in stores."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import groups, style
from quartier.units.kinds import kind_of


def stores(
    units: pd.DataFrame, neighbourhood: str, start_kwh: Mapping[str, float] | None = None
) -> go.Figure:
    """Energy in a neighbourhood's stores at the end of every step.

    Parameters
    ----------
    units
        Table of a run; units with an ``energy_kwh`` are stores (charging stations left out: their
        vehicles are in :func:`quartier.figures.ev_stays.ev_stays`).
    neighbourhood
        Name.
    start_kwh
        Energy at the start of the run by unit, where known.
    """
    made = style.figure(
        f"Energy in the stores of {neighbourhood}", x="time (UTC)", y="energy (kWh)", unit="kWh"
    )
    made.update_layout(hovermode="x unified")
    made.update_yaxes(rangemode="tozero")
    own = of_neighbourhood(units, neighbourhood)
    kind_of = {str(unit): str(rows["kind"].iloc[0]) for unit, rows in own.groupby("unit")}
    looks = groups.looks(kind_of)
    for unit, rows in own.groupby("unit"):
        first = (start_kwh or {}).get(str(unit))
        _add_store(made, str(unit).removeprefix(f"{neighbourhood}."), rows, first, looks[str(unit)])
    return made


def of_neighbourhood(units: pd.DataFrame, neighbourhood: str) -> pd.DataFrame:
    """Rows of the stores of a neighbourhood."""
    own = units[(units["neighbourhood"] == neighbourhood) & units["energy_kwh"].notna()]
    vehicles = [kind for kind in own["kind"].unique() if kind_of(str(kind)).sessions]
    return own[~own["kind"].isin(vehicles)]


def _add_store(
    made: go.Figure, name: str, rows: pd.DataFrame, first: float | None, look: style.Look
) -> None:
    """Add a line through the energies at the ends of the steps, where ``energy_kwh`` holds."""
    step = pd.Timedelta(style.step_ms(rows["time"]), unit="ms")
    times, energy = list(rows["time"] + step), rows["energy_kwh"].tolist()
    if first is not None:
        times, energy = [rows["time"].iloc[0], *times], [first, *energy]
    made.add_trace(
        go.Scatter(
            x=style.utc(times),
            y=energy,
            name=name,
            mode="lines",
            line=style.line(look, 2.5),
            hovertemplate="%{y:.1f} kWh",
        )
    )
