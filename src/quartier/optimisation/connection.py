"""The connection point as a linear program: exactly `problem.ConnectionTerms.cost_eur` (M3).

The cheapest choice of what is curtailed, exported and imported is what ``ConnectionTerms``
computes as long as import is not cheaper than export and the penalty is above all else; with a
price on the peak, nobody may be paid more for importing than curtailment costs, either. Where it
is not, the block is cheaper: a peak price above penalty times length of the steps in which a cap
binds buys the cap off, if power is fed in throughout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from quartier.optimisation import pyo
from quartier.problem import ConnectionTerms, Supply
from quartier.quantities import Array
from quartier.units.base import Quantity


def add_connection(
    block: Any,
    terms: ConnectionTerms,
    p_kw: Sequence[Quantity],
    curtailable_kw: Array,
    steps: Sequence[int],
) -> None:
    """Add the variables, rows and cost of the connection point to a Pyomo block.

    Variables by step: ``given_kw`` (power of everything else; fixed by its bounds), ``curtailed``,
    ``exported``, ``imported``, ``within``, ``over`` and ``under`` the caps; and ``peak_kw``. The
    expression ``cost_eur`` is what they cost.

    Parameters
    ----------
    p_kw
        Power at the connection point with nothing curtailed, by step, without ``given_kw``.
    curtailable_kw
        Renewable power in it, shape ``(T,)``.
    steps
        Steps to include; others have a cost that nobody here can change.
    """
    block.given_kw = pyo.Var(steps, bounds=(0.0, 0.0))
    block.curtailed_kw = pyo.Var(steps, bounds=lambda _, t: (0.0, float(curtailable_kw[t])))
    for name in ("exported_kw", "imported_kw", "over_kw", "under_kw"):
        block.add_component(name, pyo.Var(steps, bounds=(0.0, None)))
    block.within_kw = pyo.Var(
        steps,
        bounds=lambda _, t: (_finite(float(terms.p_min_kw[t])), _finite(float(terms.p_max_kw[t]))),
    )
    block.power = pyo.Constraint(steps)
    block.cap = pyo.Constraint(steps)
    for t in steps:
        net = block.exported_kw[t] - block.imported_kw[t]
        block.power[t] = p_kw[t] + block.given_kw[t] - block.curtailed_kw[t] - net == 0
        block.cap[t] = net - block.within_kw[t] - block.over_kw[t] + block.under_kw[t] == 0
    if terms.served is not None:
        _add_served(block, terms.served, steps)
    eur = eur_per_kw(terms)
    if "peak_kw" in eur and steps:  # without a step nothing bounds the peak
        _add_peak(block, steps)
    block.cost_eur = pyo.Expression(expr=sum(_cost_of(block, eur, steps)))


def _add_served(block: Any, served: Supply, steps: Sequence[int]) -> None:
    """Let blocks serve what is drawn: they join both rows of every step."""
    for k, most in enumerate(served.most_kw):
        name = f"served_{k}_kw"
        block.add_component(name, pyo.Var(steps, bounds=lambda _, t, kw=most: (0.0, float(kw[t]))))
    parts = [block.component(name) for name in served_names(served)]
    for t in steps:
        drawn = sum(part[t] for part in parts)
        for row, sign in ((block.power[t], 1.0), (block.cap[t], -1.0)):
            row.set_value(row.body + sign * drawn == 0)


def served_names(served: Supply) -> list[str]:
    """Names of the variables of what blocks serve."""
    return [f"served_{k}_kw" for k in range(len(served.most_kw))]


def same_served(one: ConnectionTerms, other: ConnectionTerms) -> bool:
    """Whether the same power is served in blocks, at whatever price."""
    if one.served is None or other.served is None:
        return one.served is other.served
    return np.array_equal(one.served.most_kw, other.served.most_kw)


def _finite(bound: float) -> float | None:
    return bound if np.isfinite(bound) else None


def eur_per_kw(terms: ConnectionTerms) -> dict[str, Array]:
    """What a kW of each variable costs in EUR, by step, shape ``(T,)``.

    A peak has a variable only if it has a price, and one of shape ``(1,)``.
    """
    every = np.full(len(terms.import_eur_per_kwh), terms.dt_h)
    found = {
        "curtailed_kw": terms.curtailment_eur_per_kwh * every,
        "imported_kw": terms.import_eur_per_kwh * every,
        "exported_kw": -terms.export_eur_per_kwh * every,
        "over_kw": terms.penalty_eur_per_kwh * every,
        "under_kw": terms.penalty_eur_per_kwh * every,
    }
    if terms.served is not None:
        prices = terms.dt_h * terms.served.price_eur_per_kwh
        found |= dict(zip(served_names(terms.served), prices, strict=True))
    peak = {"peak_kw": np.array([terms.peak_eur_per_kw])} if terms.peak_eur_per_kw else {}
    return {**found, **peak}


def _cost_of(block: Any, eur: Mapping[str, Array], steps: Sequence[int]) -> Iterator[Quantity]:
    peak = block.component("peak_kw")
    by_step = {name: values.tolist() for name, values in eur.items() if name != "peak_kw"}
    for t in steps:
        for name, values in by_step.items():
            yield values[t] * block.component(name)[t]
    if peak is not None:
        yield float(eur["peak_kw"][0]) * peak


def _add_peak(block: Any, steps: Sequence[int]) -> None:
    """Peak import, not clipped at zero; its lower bound stands for the steps left out."""
    block.peak_kw = pyo.Var()
    block.peak = pyo.Constraint(steps)
    for t in steps:
        block.peak[t] = block.imported_kw[t] - block.exported_kw[t] - block.peak_kw <= 0


def same_band(one: ConnectionTerms, other: ConnectionTerms) -> bool:
    """Whether flexibility is worth the same."""
    if one.band_eur_per_kwh is None or other.band_eur_per_kwh is None:
        return one.band_eur_per_kwh is other.band_eur_per_kwh
    return np.array_equal(one.band_eur_per_kwh, other.band_eur_per_kwh)


def hangs_together(terms: ConnectionTerms) -> bool:
    """Whether what is best curtailed in a step depends on other steps, as a peak may make it."""
    dear = -terms.export_eur_per_kwh > terms.curtailment_eur_per_kwh
    return bool(terms.peak_eur_per_kw and dear.any())


def same_prices(one: ConnectionTerms, other: ConnectionTerms) -> bool:
    """Whether two terms differ in their caps at most."""
    arrays = ("export_eur_per_kwh", "import_eur_per_kwh", "curtailment_eur_per_kwh")
    numbers = (
        "dt_h",
        "co2_eur_per_kg",
        "peak_eur_per_kw",
        "penalty_eur_per_kwh",
    )
    if one.served is not None and one.served is not other.served:
        return False
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in arrays) and all(
        getattr(one, n) == getattr(other, n) for n in numbers
    )
