"""Colours, patterns, labels and units of all figures, in one place.

The palette is that of Okabe and Ito (2008), "Color Universal Design": its colours stay apart for
all common kinds of colour blindness. Colour never stands alone: areas have a pattern, lines a dash,
markers a symbol, so that a print in grey reads as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

BLACK, ORANGE, SKY, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
YELLOW, BLUE, VERMILION, PURPLE, GREY = "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#8c8c8c"
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


KINDS: dict[str, tuple[str, Look]] = {
    "pv": ("PV", Look(YELLOW, "", "dash", "star")),
    "wind": ("Wind", Look(SKY, "/", "dot", "triangle-up")),
    "plant": ("Plant", Look(BLACK, ".", "dashdot", "square")),
    "conventional": ("Conventional plant", Look(VERMILION, "|", "longdashdot", "triangle-down")),
    "battery": ("Battery", Look(GREEN, "x", "solid", "diamond")),
    "chp": ("CHP", Look(VERMILION, "\\", "longdash", "cross")),
    "household": ("Households", Look(GREY, "", "solid", "circle")),
    "ev_station": ("Charging stations", Look(PURPLE, "+", "dash", "square")),
    "heat_pump": ("Heat pump", Look(BLUE, "-", "dot", "triangle-down")),
    "electric_heater": ("Electric heater", Look(ORANGE, "|", "dashdot", "x")),
    "thermal_storage": ("Heat storage", Look(VERMILION, "x", "dash", "square")),
    "boiler": ("Boiler", Look(ORANGE, "\\", "longdash", "cross")),
    "heat_demand": ("Heat demand", Look(GREY, ".", "dot", "circle")),
}
"""Label and look by kind of unit; kinds of the user's own take the next look that is free."""

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
    return KINDS[kind][0] if kind in KINDS else kind.replace("_", " ").capitalize()


def kind_looks(kinds: Iterable[str]) -> dict[str, Look]:
    """Look of every kind, also of those that are not ours."""
    known = list(dict.fromkeys(kinds))
    own = [kind for kind in known if kind not in KINDS]
    return {kind: look(own.index(kind)) if kind in own else KINDS[kind][1] for kind in known}


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
    made = go.Figure()
    axis = {"gridcolor": FAINT, "zerolinecolor": GREY, "linecolor": INK, "automargin": True}
    made.update_layout(
        template="none",
        title={"text": title, "x": 0, "xref": "paper"},
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        height=height,
        margin={"l": 56, "r": 16, "t": 48, "b": 48},
        hovermode="closest",
        hoverlabel={"bgcolor": "white", "font": {"color": INK}},
        legend={"orientation": "h", "y": -0.2},
        xaxis={**axis, "title": {"text": x}, **({"type": "date"} if dates else {})},
        yaxis={**axis, "title": {"text": y}, "zeroline": True},
        meta={"x": "time_utc" if dates else x, "unit": unit},
    )
    return made


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
