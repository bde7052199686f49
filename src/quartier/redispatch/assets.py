"""The assets that make offers, as arrays: shape ``(T, A)`` over steps and assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quartier.errors import InputError
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import KW_PER_MW, Array

LEAST_PRICE = 1e-3
"""EUR/MWh that a free measure counts in the optimisation, so that nothing is moved in vain."""

BAND = ("down_kw", "up_kw")
"""The two sides of an offer's band."""


@dataclass(frozen=True)
class Assets:
    """Offers and background as arrays.

    Attributes
    ----------
    names
        Names of the assets.
    buses, columns
        pandapower's bus of every asset, and its column in arrays over buses.
    flexible
        Whether an asset may use its band on its own (a neighbourhood, not a plant), ``(A,)``.
    offered_mw
        Power offered, clipped to what the asset reported it can do.
    low_mw, high_mw
        Least and greatest power it can go to: the offered band, narrowed by the reports.
    least_mw, most_mw
        Least and greatest power that P_set can demand: a limit takes feed-in, or load, down to
        nothing, but forces neither.
    lower_price, raise_price
        EUR/MWh of lowering and of raising the power, shape ``(A,)``.
    other_p_mw, other_q_mvar
        Injections at every bus without the assets' active power, shape ``(T, n_bus)``.
    dt_h
        Length of a step in hours.
    """

    names: tuple[str, ...]
    buses: tuple[int, ...]
    columns: NDArray[np.int64]
    flexible: NDArray[np.bool_]
    offered_mw: Array
    low_mw: Array
    high_mw: Array
    least_mw: Array
    most_mw: Array
    lower_price: Array
    raise_price: Array
    other_p_mw: Array
    other_q_mvar: Array
    dt_h: float

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of steps and assets."""
        steps, count = self.offered_mw.shape
        return steps, count

    @property
    def nearest_to_nothing_mw(self) -> Array:
        """As little power as P_set can demand, shape ``(T, A)``."""
        return np.asarray(np.clip(0.0, self.least_mw, self.most_mw))

    def p_mw(self, power_mw: Array, steps: NDArray[np.int64] | None = None) -> Array:
        """Injections at every bus with the assets at ``power_mw``, for all or some steps."""
        total = (self.other_p_mw if steps is None else self.other_p_mw[steps]).copy()
        for k, column in enumerate(self.columns):
            total[:, column] += power_mw[:, k]
        return total

    def cost_eur(self, power_mw: Array) -> Array:
        """Cost of setting the assets to ``power_mw`` instead of the offer, shape ``(T, A)``."""
        change = (power_mw - self.offered_mw) * self.dt_h
        lower, upper = np.maximum(-change, 0.0), np.maximum(change, 0.0)
        return np.asarray(lower * self.lower_price + upper * self.raise_price)


def read_assets(
    problem: NetworkProblem,
    offers: Sequence[Offer],
    floors: Mapping[str, Array] | None = None,
    ceilings: Mapping[str, Array] | None = None,
) -> Assets:
    """Turn offers into arrays.

    Parameters
    ----------
    floors, ceilings
        Least and greatest power in kW that an asset reported it can be set to, shape ``(T,)``;
        NaN or infinite where it reported none.

    Raises
    ------
    InputError
        If an offer has another length than the horizon, is not finite, has a negative band or
        an unknown bus, or if a name occurs twice or is unknown.
    """
    floors, ceilings = floors or {}, ceilings or {}
    problems = [*_problems(problem, offers), *_unknown(offers, {**floors, **ceilings})]
    if problems:
        raise InputError(problems, "the offers")
    steps = problem.horizon.steps
    asked = _columns([offer.p_kw for offer in offers], steps)
    down, up = (_columns([getattr(o, band) for o in offers], steps) for band in BAND)
    none = np.full(steps, np.nan)
    floor, ceiling = (
        _columns([reports.get(offer.asset, none) for offer in offers], steps)
        for reports in (floors, ceilings)
    )
    low = np.fmin(np.fmax(asked - down, floor), ceiling)
    high = np.fmax(np.fmin(asked + up, ceiling), low)
    offered = np.clip(asked, low, high)
    columns = [problem.network.position(offer.bus) for offer in offers]
    other_q = problem.background_q_mvar.copy()
    for column, offer in zip(columns, offers, strict=True):
        other_q[:, column] += offer.q_kvar / KW_PER_MW
    return Assets(
        names=tuple(offer.asset for offer in offers),
        buses=tuple(offer.bus for offer in offers),
        columns=np.array(columns, dtype=np.int64),
        flexible=np.array([offer.kind == "neighbourhood" for offer in offers], dtype=bool),
        offered_mw=offered,
        low_mw=low,
        high_mw=high,
        least_mw=np.maximum(low, np.minimum(offered, 0.0)),
        most_mw=np.minimum(high, np.maximum(offered, 0.0)),
        lower_price=_prices([offer.price_eur_per_kwh for offer in offers]),
        raise_price=_prices([offer.raise_price_eur_per_kwh for offer in offers]),
        other_p_mw=problem.background_p_mw,
        other_q_mvar=other_q,
        dt_h=problem.horizon.dt_h,
    )


def _problems(problem: NetworkProblem, offers: Sequence[Offer]) -> list[str]:
    steps = problem.horizon.steps
    found = []
    for offer in offers:
        series = {"p": offer.p_kw, "down": offer.down_kw, "up": offer.up_kw, "q": offer.q_kvar}
        for name, values in series.items():
            if np.shape(values) != (steps,):
                found.append(f"{offer.asset}: {name} has shape {np.shape(values)}, not ({steps},)")
            elif not np.isfinite(values).all():
                found.append(f"{offer.asset}: {name} is not a number in some step")
            elif name in {"down", "up"} and (values < 0).any():
                found.append(f"{offer.asset}: band {name} is negative in some step")
    names = [offer.asset for offer in offers]
    return found + [
        f"{name} makes two offers" for name in sorted({*names}) if names.count(name) > 1
    ]


def _unknown(offers: Sequence[Offer], reports: Mapping[str, Array]) -> list[str]:
    names = {offer.asset for offer in offers}
    return [f"{name} reports a limit, but makes no offer" for name in sorted({*reports} - names)]


def _columns(series: Sequence[Array], steps: int) -> Array:
    if not series:
        return np.zeros((steps, 0))
    return np.column_stack(series).astype(float) / KW_PER_MW


def _prices(eur_per_kwh: Sequence[float]) -> Array:
    return np.array(eur_per_kwh, dtype=float) * KW_PER_MW
