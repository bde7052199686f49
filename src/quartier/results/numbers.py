"""Numbers as pages and tables show them."""

from __future__ import annotations

import math

NEGLIGIBLE = 1e-6
"""Shown as 0: what is left of a difference of large numbers."""
UNDEFINED = "–"
"""Shown for a figure that is not defined."""


def text(value: float | None, digits: int = 5) -> str:
    """Return a number with so many significant digits, whole ones in full; – if there is none."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    if abs(value) < NEGLIGIBLE:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    shown = f"{value:,.{max(0, decimals)}f}"
    whole, _, fraction = shown.partition(".")
    return shown if fraction.strip("0") else whole
