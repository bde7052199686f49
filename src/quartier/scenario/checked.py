"""What every series goes through: dimension, sign, marks of missing values, plausible range.

A value that no honest data have is refused; one that some may have is a doubt, which is said.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quartier.quantities import Array
from quartier.scenario.record import SeriesError
from quartier.units.base import SeriesRequest

_DIMENSION = {
    "kW": ("power", 1.0),
    "MW": ("power", 1000.0),
    "W": ("power", 0.001),
    "kvar": ("power", 1.0),
    "1": ("share", 1.0),
    "EUR/kWh": ("price", 1.0),
    "EUR/MWh": ("price", 0.001),
    "degC": ("temperature", 1.0),
    "K": ("temperature", 1.0),
}
_ZERO_CELSIUS_K = 273.15
_MOST_SHARE = 1.2
"""A share above this is taken for a power whose unit was forgotten; a power above this share of
the rated one is doubted."""
_MOST_OF_RATED = 10.0
"""Powers beyond this multiple of the rated one are in another unit."""
_LITTLE_OF_RATED, _LITTLE_MEAN = 0.01, 0.001
"""Greatest and mean power, as shares of the rated one, below which the unit is doubted."""
_DEGC = (-60.0, 60.0)
"""Temperatures on the ground and of what heat pumps draw from."""
_DEAR, _DEAREST, _CHEAP = 1.0, 10.0, 0.002
"""Prices in EUR/kWh: typical ones are doubted above the first, refused above the second (a
price in EUR/MWh or ct/kWh), and doubted where none reaches the third."""
_CLIPPED, NOISE = 0.01, 1e-4
"""Shares of the greatest value: a negative one below the second is noise, below the first the
standby of an inverter or the zero of a meter; both count as zero, and the latter is said."""
_MARKS = np.array([99, 99.9, 99.99, 999, 999.9, 999.99, 9999, 9999.9, 99999, 999999, 9999999])
_MARK_STANDS_OUT = 10.0

NEVER_NEGATIVE = ("available_kw", "load_kw", "demand_kw")
"""Series by their name in a unit."""


def converted(values: Array, unit: str, request: SeriesRequest, what: str) -> Array:
    """Return values in the unit that is asked for.

    Raises
    ------
    SeriesError
        If the unit has another dimension, or a share is none.
    """
    if not {unit, request.unit} <= set(_DIMENSION):
        if unit == request.unit:
            return values * request.factor
        raise SeriesError(
            f"{what} is in {unit!r}, but {request.unit!r} is needed; only these are converted: "
            f"{', '.join(_DIMENSION)}"
        )
    dimension, scale = _DIMENSION[unit]
    wanted, wanted_scale = _DIMENSION[request.unit]
    if dimension == wanted == "temperature":
        return values - _ZERO_CELSIUS_K if unit == "K" else values
    if dimension == wanted:
        return values * (scale / wanted_scale)
    if (dimension, wanted) == ("share", "power"):
        return values * request.factor
    raise SeriesError(
        f"{what} is a {dimension} ({unit}), but a {wanted} ({request.unit}) is needed"
    )


def check_share(values: Array, what: str) -> None:
    """Raise SeriesError if values are no share of a rated power; a load may feed in."""
    at = int(np.nanargmax(np.abs(values)))
    if abs(values[at]) > _MOST_SHARE:
        raise SeriesError(
            f"{what} reaches {values[at]:g}, but a share of the rated power lies between 0 and 1; "
            "if it is a power, give its unit, e.g. unit: kW"
        )


def doubts(
    values: Array, whole: Array, hours: float, request: SeriesRequest, what: str
) -> Iterator[str]:
    """Return what is doubtful of a series, one sentence each.

    Parameters
    ----------
    values, whole
        The series over the horizon, shape ``(T,)``, and all that its source has, in the unit of
        the request.
    hours
        What the source covers.

    Raises
    ------
    SeriesError
        If no honest data have such values.
    """
    dimension = _DIMENSION.get(request.unit, ("", 1.0))[0]
    if dimension == "temperature":
        _check_temperature(values, what)
    elif dimension == "price":
        yield from _price_doubts(values, whole, what)
    elif dimension == "power" and request.rated_kw is not None:
        yield from _power_doubts(values, whole, hours, request.rated_kw, what)


def _check_temperature(values: Array, what: str) -> None:
    low, high = _DEGC
    wrong = values[(values < low) | (values > high)]
    if len(wrong):
        kelvin = "; if it is in K, say unit: K" if 200 < wrong[0] < 340 else ""
        raise SeriesError(
            f"{what} reaches {wrong[0]:g} degC, but temperatures lie between {low:g} and {high:g} "
            f"degC{kelvin}"
        )


def _price_doubts(values: Array, whole: Array, what: str) -> Iterator[str]:
    typical, most = float(np.median(np.abs(values))), float(np.nanmax(np.abs(whole)))
    if typical > _DEAREST:
        raise SeriesError(
            f"{what} is typically {typical:g} EUR/kWh, which no energy costs; if it is in EUR/MWh, "
            "say unit: EUR/MWh, or divide a number by 1000"
        )
    if typical > _DEAR:
        yield f"{what} is typically {typical:g} EUR/kWh; is it in ct/kWh?"
    if 0 < most < _CHEAP:
        yield f"{what} is {most:g} EUR/kWh at most; is it in EUR/kWh rather than EUR/MWh?"


def _power_doubts(
    values: Array, whole: Array, hours: float, rated_kw: float, what: str
) -> Iterator[str]:
    reached, most = float(values.max()), float(np.nanmax(whole))
    ratio = max(reached, most) / rated_kw
    said = f"{what} reaches {max(reached, most):g} kW, {ratio:.3g} times the rated {rated_kw:g} kW"
    if ratio > _MOST_OF_RATED:
        raise SeriesError(f"{said}; give its unit (e.g. unit: W) or another power_kw")
    if ratio > _MOST_SHARE:
        yield said
    little = ratio < _LITTLE_OF_RATED or float(np.nanmean(whole)) < _LITTLE_MEAN * rated_kw
    if little and most > 0 and hours >= 24:
        yield (
            f"{what} reaches only {most:g} kW ({100 * ratio:.2g} %) of the rated {rated_kw:g} kW; "
            'is it a share (unit: "1") or in MW (unit: MW)?'
        )


def without_marks(values: Array) -> tuple[Array, float | None]:
    """Return values with marks of missing ones (-999, 9999, ...) as NaN, and the mark.

    A value is a mark only if it stands far out from all others.
    """
    marked = np.isin(np.abs(values), _MARKS)
    rest = np.abs(values[~marked & np.isfinite(values)])
    marked &= np.abs(values) > _MARK_STANDS_OUT * rest.max(initial=0.0)
    if not marked.any():
        return values, None
    return np.where(marked, np.nan, values), float(values[marked][0])


def not_negative(name: str, values: Array, scale: float = 0.0) -> tuple[Array, str | None]:
    """Return a series that must not be negative without what little of it is, and what to say.

    SimBench's wind profiles go down to -1e-5 of the rated power, meters of PV to the standby of
    their inverters.

    Parameters
    ----------
    scale
        What the values are measured by, if it is more than their greatest.

    Raises
    ------
    SeriesError
        If it is negative by more than that.
    """
    at = int(np.argmin(values))
    scale = max(scale, float(np.abs(values).max()))
    if values[at] < -_CLIPPED * scale:
        raise SeriesError(
            f"{name} is negative ({values[at]:g} in step {at}); write generation, load and demand "
            "as positive numbers"
        )
    said = f"{name} is negative in steps ({values[at]:g} in step {at}): taken for 0"
    return np.maximum(values, 0.0), said if values[at] < -NOISE * scale else None
