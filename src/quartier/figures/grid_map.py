"""Map of the grid with loadings and voltages at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.grid import Grid, ends, names, relative_loading


@dataclass(frozen=True)
class LoadingClass:
    """Lines are drawn in classes of loading in percent of their own limit."""

    up_to: float
    label: str
    colour: str
    width: float
    dash: str


CLASSES = (
    LoadingClass(25.0, "line below 25 % of its limit", "#b8b8b8", 1.5, "solid"),
    LoadingClass(50.0, "25 to 50 %", style.SKY, 2.5, "solid"),
    LoadingClass(75.0, "50 to 75 %", style.BLUE, 3.5, "solid"),
    LoadingClass(99.0, "75 to 99 %", style.ORANGE, 5.0, "solid"),
    LoadingClass(100.1, "at its limit (99 to 100 %)", style.VERMILION, 7.0, "solid"),
    LoadingClass(np.inf, "above its limit", style.BLACK, 9.0, "dot"),
)
"""Wider is more loaded, dotted is overloaded: it reads without colour."""

BANDS = (("below its band", "triangle-down"), ("within", "circle"), ("above", "triangle-up"))
"""Symbol of a bus by where its voltage is."""
DIVERGING = [[0.0, style.BLUE], [0.5, "#f2f2f2"], [1.0, style.VERMILION]]
"""From the lower to the upper limit of the voltage band."""
SIDES = ("top center", "bottom center", "middle right", "middle left")
"""Where names of neighbourhoods stand, one after the other, so that those close by stay apart."""
MOST_NAMES = 8
"""Neighbourhoods whose names stand on the map; of more, hovering tells the names."""
MOST_TOGETHER = 8
"""Transformers up to which hovering one, which may lie below another, tells of all."""
MANY = 400
"""Buses from which on marks are small, or they would cover the lines."""
_BUS_SIZE, _SMALL, _HIT_SIZE, _HIT_POINTS = 8, 3, 16, (0.2, 0.35, 0.5, 0.65, 0.8)


def loading_map(
    grid: Grid,
    lines: pd.DataFrame,
    transformers: pd.DataFrame,
    buses: pd.DataFrame,
    places: pd.DataFrame,
    time: pd.Timestamp,
) -> go.Figure:
    """Map of the grid at a time: lines by loading, buses by voltage, connection points by name.

    Parameters
    ----------
    grid
        Coordinates and limits.
    lines, transformers, buses
        Tables of a run.
    places
        ``name, kind, bus`` of the connection points (neighbourhoods and plants).
    time
        Step that is drawn.
    """
    made = style.figure(f"Grid at {time:%Y-%m-%d %H:%M} UTC", x="", y="", unit="", height=560)
    hidden = {"visible": False, "type": "linear"}
    made.update_layout(
        xaxis=hidden,
        yaxis={**hidden, "scaleanchor": "x", "scaleratio": _stretch(grid.buses)},
        margin={"l": 8, "r": 8, "t": 48, "b": 8},
        dragmode="pan",
    )
    made.add_trace(_chosen())
    now = {"lines": lines, "transformers": transformers, "buses": buses}
    now = {name: table[table["time"] == time] for name, table in now.items()}
    _add_lines(made, grid, now["lines"])
    _add_transformers(made, grid, now["transformers"])
    _add_buses(made, grid, now["buses"].set_index("bus")["vm_pu"])
    _add_places(made, grid, places)
    return made


def _stretch(buses: pd.DataFrame) -> float:
    """Length of a degree of latitude against one of longitude; 1 where it is no degree."""
    latitude = float(buses["y"].mean()) if len(buses) else 0.0
    geographic = buses["y"].abs().max() <= 90 and buses["x"].abs().max() <= 180
    return 1 / max(np.cos(np.radians(latitude)), 0.1) if geographic else 1.0


def _chosen() -> go.Scatter:
    """Room for a mark around an element that a reader chooses on a page."""
    return go.Scatter(
        x=[],
        y=[],
        mode="lines",
        name="chosen",
        line={"color": style.PURPLE, "width": 16},
        opacity=0.6,
        hoverinfo="skip",
        showlegend=False,
        meta={"role": "chosen"},
    )


def _add_lines(made: go.Figure, grid: Grid, now: pd.DataFrame) -> None:
    of_rows = relative_loading(grid, now, "lines").set_axis(now["index"])
    relative = of_rows.reindex(grid.lines.index).fillna(0.0).to_numpy()
    if grid.others is not None:
        _add_others(made, *grid.others)
    x, y = ends(grid, grid.lines)
    for of_class, members in zip(CLASSES, classes_of(relative), strict=True):
        made.add_trace(
            go.Scatter(
                x=_segments(x[:, members]),
                y=_segments(y[:, members]),
                name=of_class.label,
                mode="lines",
                line={"color": of_class.colour, "width": of_class.width, "dash": of_class.dash},
                hoverinfo="skip",
                meta={"role": "lines", "up_to": min(of_class.up_to, 1e9)},
            )
        )
    _add_hits(made, grid, x, y, now)


def _add_others(made: go.Figure, x: Any, y: Any) -> None:
    """Lines without figures, so that one sees where the others lie."""
    made.add_trace(
        go.Scatter(
            x=_segments(x),
            y=_segments(y),
            name="other lines",
            mode="lines",
            line={"color": "#dddddd", "width": 1},
            hoverinfo="skip",
            meta={"role": "others"},
        )
    )


def classes_of(relative_percent: Any) -> list[Any]:
    """Which elements are in which of :data:`CLASSES`, a mask each."""
    class_of = np.searchsorted([c.up_to for c in CLASSES], relative_percent, side="right")
    return [np.flatnonzero(class_of == number) for number in range(len(CLASSES))]


def _segments(both: Any) -> list[float | None]:
    """Ends of segments in a row, with gaps between them."""
    return [value for start, end in both.T.tolist() for value in (start, end, None)]


def _add_hits(made: go.Figure, grid: Grid, x: Any, y: Any, now: pd.DataFrame) -> None:
    """Points along each line that can be hovered and clicked."""
    loading = now.set_index("index")["loading_percent"].reindex(grid.lines.index)
    along = np.array(_HIT_POINTS)[:, None]
    labels = names(grid, "line")
    texts = [f"{name}: {value:.1f} %" for name, value in zip(labels, loading, strict=True)]
    times = len(_HIT_POINTS)
    made.add_trace(
        go.Scatter(
            x=(x[0] + along * (x[1] - x[0])).ravel(),
            y=(y[0] + along * (y[1] - y[0])).ravel(),
            mode="markers",
            marker={"size": _HIT_SIZE, "opacity": 0, "color": style.INK},
            name="lines",
            text=texts * times,
            customdata=labels * times,
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
            meta={"role": "hits"},
        )
    )


def _add_transformers(made: go.Figure, grid: Grid, now: pd.DataFrame) -> None:
    if grid.transformers.empty:
        return
    x, y = ends(grid, grid.transformers)
    loading = now.set_index("index")["loading_percent"].reindex(grid.transformers.index)
    labels = names(grid, "transformer")
    own = [f"{name}: {value:.1f} %" for name, value in zip(labels, loading, strict=True)]
    together = len(own) <= MOST_TOGETHER
    made.add_trace(
        go.Scatter(
            x=x.mean(axis=0),
            y=y.mean(axis=0),
            mode="markers",
            name="transformers",
            marker={
                "symbol": "hexagon2-open",
                "size": 22 if len(grid.buses) <= MANY else 12,
                "color": style.INK,
                "line": {"width": 2.5 if len(grid.buses) <= MANY else 1.0},
            },
            text=["<br>".join(own)] * len(own) if together else own,
            customdata=labels,
            hovertemplate="%{text}<extra></extra>",
            meta={"role": "transformers", "together": together},
        )
    )


def _add_buses(made: go.Figure, grid: Grid, vm_pu: pd.Series[float]) -> None:
    buses = grid.buses
    vm_pu = vm_pu.reindex(buses.index)
    position = (vm_pu - buses["vm_min_pu"]) / (buses["vm_max_pu"] - buses["vm_min_pu"])
    side = np.select([position < 0, position > 1], [0, 2], 1)
    symbols = [BANDS[int(number)][1] for number in side]
    size, edge = (_BUS_SIZE, 1.0) if len(buses) <= MANY else (_SMALL, 0.0)
    made.add_trace(
        go.Scatter(
            x=buses["x"].to_numpy(float),
            y=buses["y"].to_numpy(float),
            mode="markers",
            name="buses (● within the voltage band, ▲ above, ▼ below)",
            marker={
                "symbol": symbols,
                "size": [size if s == "circle" else _BUS_SIZE + 6 for s in symbols],
                "color": position.to_numpy(float),
                "cmin": 0,
                "cmax": 1,
                "colorscale": DIVERGING,
                "line": {"width": edge, "color": style.INK},
            },
            text=[_bus_text(b, vm_pu[b], buses.loc[b]) for b in buses.index],
            customdata=[f"bus {bus}" for bus in buses.index],
            hovertemplate="%{text}<extra></extra>",
            meta={"role": "buses", "size": size},
        )
    )


def _bus_text(bus: Any, vm_pu: float, row: pd.Series[Any]) -> str:
    band = f"{row['vm_min_pu']:.3f} to {row['vm_max_pu']:.3f}"
    return f"bus {bus} {row['name']}: {vm_pu:.4f} pu (band {band})"


def _add_places(made: go.Figure, grid: Grid, places: pd.DataFrame) -> None:
    for kind, symbol, size in (("neighbourhood", "star", 20), ("der", "diamond-tall", 13)):
        rows = places[places["kind"] == kind]
        at = grid.buses.reindex(rows["bus"])
        named = kind == "neighbourhood"
        made.add_trace(
            go.Scatter(
                x=at["x"].to_numpy(float),
                y=at["y"].to_numpy(float),
                mode="markers+text" if named and len(rows) <= MOST_NAMES else "markers",
                name="neighbourhoods" if named else "plants of the grid",
                text=rows["name"].tolist(),
                textposition=[SIDES[i % len(SIDES)] for i in range(len(rows))],
                marker={
                    "symbol": symbol,
                    "size": size,
                    "color": style.GREEN if named else style.YELLOW,
                    "line": {"width": 1.5, "color": style.INK},
                },
                customdata=[f"asset:{name}" for name in rows["name"]],
                hovertemplate="%{text}<extra></extra>",
                meta={"role": kind},
            )
        )
