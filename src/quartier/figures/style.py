"""Colours, patterns, labels and units of all figures, in one place.

The palette is that of Okabe and Ito (2008), "Color Universal Design": its colours stay apart for
all common kinds of colour blindness. Colour never stands alone: areas have a pattern, lines a dash,
markers a symbol, so that a print in grey reads as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.units.kinds import kind_of

Numbers = np.ndarray[Any, np.dtype[np.float64]]

BLACK, ORANGE, SKY, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
YELLOW, BLUE, VERMILION, PURPLE, GREY = "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#8c8c8c"
PALETTE = {
    "black": BLACK,
    "orange": ORANGE,
    "sky": SKY,
    "green": GREEN,
    "yellow": YELLOW,
    "blue": BLUE,
    "vermilion": VERMILION,
    "purple": PURPLE,
    "grey": GREY,
}
"""Colours by the names that kinds of units call them."""
INK, FAINT = "#1a1a1a", "#d9d9d9"
"""Text and axes; grid lines."""
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, BLACK, GREY)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down")
PATTERNS = ("", "/", "x", "\\", ".", "+", "-", "|")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
HEIGHT = 400
"""Height of a figure in pixels where nothing else is said."""


@dataclass(frozen=True)
class Look:
    """How a series is told from others, with colour and without."""

    colour: str
    pattern: str = ""
    dash: str = "solid"
    symbol: str = "circle"


SERIES = {
    "executed": Look(INK, dash="solid"),
    "offer": Look(BLUE, dash="dot"),
    "cap": Look(VERMILION, dash="dash", symbol="triangle-down"),
    "floor": Look(ORANGE, dash="longdash", symbol="triangle-up"),
    "available": Look(GREY, dash="dashdot"),
    "band": Look("rgba(0,114,178,0.10)"),
}
"""What stands for the same thing in every figure."""


def kind_label(kind: str) -> str:
    """What readers call a kind of unit."""
    shown = kind_of(kind).shown
    return shown.label if shown else kind.replace("_", " ").capitalize()


def kind_labels(kinds: Iterable[str]) -> dict[str, str]:
    """What readers call each of several kinds; with its name where two are called the same."""
    made = {kind: kind_label(kind) for kind in kinds}
    count = Counter(made.values())
    return {kind: f"{text} ({kind})" if count[text] > 1 else text for kind, text in made.items()}


def kind_looks(kinds: Iterable[str]) -> dict[str, Look]:
    """Look of every kind: its own, or the next that is free."""
    known = list(dict.fromkeys(kinds))
    plain = [kind for kind in known if kind_of(kind).shown is None]
    return {kind: look(plain.index(kind)) if kind in plain else _shown(kind) for kind in known}


def _shown(kind: str) -> Look:
    shown = kind_of(kind).shown
    assert shown is not None
    return Look(PALETTE[shown.colour], shown.pattern, shown.dash, shown.symbol)


def stacked(kinds: Iterable[str]) -> list[str]:
    """Kinds in the order of a stack."""
    return sorted(kinds, key=lambda kind: shown.place if (shown := kind_of(kind).shown) else 99)


def look(number: int) -> Look:
    """The ``number``-th look: colour, pattern, dash and symbol change together."""
    return Look(
        COLOURS[number % len(COLOURS)],
        PATTERNS[(number + number // len(COLOURS)) % len(PATTERNS)],
        DASHES[(number + number // len(COLOURS)) % len(DASHES)],
        SYMBOLS[(number + number // len(COLOURS)) % len(SYMBOLS)],
    )


def figure(
    title: str, *, x: str, y: str, unit: str, height: int = HEIGHT, dates: bool = True
) -> go.Figure:
    """Return an empty figure in the house's style.

    Parameters
    ----------
    title
        What the figure shows; pages print it above the figure.
    x, y
        Titles of the axes, with units.
    unit
        Unit of the values in the CSV.
    height
        Height in pixels.
    dates
        Whether the x-axis holds times.
    """
    axis = {"gridcolor": FAINT, "zerolinecolor": GREY, "linecolor": INK, "automargin": True}
    return go.Figure(  # all at once: to update a figure takes ten times as long
        layout={
            "template": "none",
            "title": {"text": title, "x": 0, "xref": "paper"},
            "font": {"family": FONT, "size": 13, "color": INK},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "height": height,
            "margin": {"l": 56, "r": 16, "t": 48, "b": 48},
            "hovermode": "closest",
            "hoverlabel": {"bgcolor": "white", "font": {"color": INK}},
            "legend": {"orientation": "h", "y": -0.2},
            "xaxis": {**axis, "title": {"text": x}, **({"type": "date"} if dates else {})},
            "yaxis": {**axis, "title": {"text": y}, "zeroline": True},
            "meta": {"x": "time_utc" if dates else x, "unit": unit},
        }
    )


def line(number_or_look: int | Look, width: float = 2) -> dict[str, Any]:
    """Colour and dash of a line."""
    chosen = look(number_or_look) if isinstance(number_or_look, int) else number_or_look
    return {"color": chosen.colour, "dash": chosen.dash, "width": width}


def filled(chosen: Look) -> dict[str, Any]:
    """Colour and pattern of a bar or an area."""
    texture = {"bgcolor": chosen.colour, "fgcolor": INK, "size": 6, "solidity": 0.2}
    pattern = {"shape": chosen.pattern, **texture}
    return {"color": chosen.colour, "pattern": pattern, "line": {"width": 0}}


def utc(times: pd.Series[Any] | pd.DatetimeIndex | list[pd.Timestamp]) -> list[str]:
    """Times as Plotly reads them: ISO texts in UTC, without an offset."""
    index = pd.DatetimeIndex(times)
    index = index.tz_convert(None) if index.tz is not None else index
    return [str(text) for text in np.datetime_as_string(index.to_numpy(), unit="s")]


def step_ms(times: pd.Series[Any] | pd.DatetimeIndex) -> float:
    """Length of a step in milliseconds: the least difference of two times; 15 min if only one."""
    differences = np.diff(np.unique(pd.DatetimeIndex(times).to_numpy()))
    return float(differences.min() / np.timedelta64(1, "ms")) if differences.size else 900_000.0


def single(values: Any) -> Any:
    """Matrix in single precision, which is a pixel's many times over and half as large."""
    return np.asarray(values, dtype=np.float32)


def add_stack(made: go.Figure, powers: pd.DataFrame) -> None:
    """Stack powers in kW, a column each, over the steps of the index, shape ``(T, columns)``."""
    times = pd.DatetimeIndex(powers.index)
    for number, name in enumerate(powers):
        made.add_trace(
            go.Bar(
                x=utc(times),
                y=powers[name].to_numpy(float),
                name=str(name),
                marker=filled(look(number)),
                width=step_ms(times),
                offset=0,
                hovertemplate="%{y:,.1f} kW",
            )
        )
    made.update_layout(barmode="relative", hovermode="x unified")


LINEAR_TO = 0.01
"""Where a symmetric logarithmic axis begins to be one: a cent, a hundredth of a percent."""


def symlog(values: Numbers) -> Numbers:
    """Where values stand: log10 of their hundredths beyond a few, linear about 0, odd."""
    at: Numbers = np.arcsinh(values / (2 * LINEAR_TO)) / np.log(10)
    return at


def symlog_axis(made: go.Figure, largest: float) -> None:
    """Mark powers of ten up to the largest value and 0, on both sides."""
    most = int(np.ceil(np.log10(max(largest, 10 * LINEAR_TO))))
    above = [10.0**power for power in range(-1, most + 1)]
    ticks = [*(-value for value in reversed(above)), 0.0, *above]
    made.update_yaxes(tickvals=symlog(np.array(ticks)).tolist(), ticktext=[f"{t:g}" for t in ticks])
