"""New prices against new caps against a cold build: what a neighbourhood's program costs to change.

Each row is the median over the repetitions of one run. New prices should cost what new caps cost:
both only change numbers inside the solver, and the solve that follows starts from its last basis.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import perf_counter

import numpy as np

from quartier.instance import build
from quartier.optimisation import LocalChoice, NeighbourhoodModel
from quartier.problem import ConnectionTerms
from quartier.scenario.load import load


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="?", default="fliegerhorst")
    parser.add_argument("--repetitions", type=int, default=9)
    options = parser.parse_args()
    instance = build(load(options.scenario))
    neighbourhood = instance.problem(0, 0, instance.initial_state()).neighbourhoods[0]
    print(f"{options.scenario}: {neighbourhood.name}, {neighbourhood.horizon.steps} steps")
    print(
        f"{'':<26}{'cold ms':>9}{'caps ms':>9}{'prices ms':>10}{'prices/caps':>12}{'solve ms':>10}"
    )
    agent = max(neighbourhood.agents.values(), key=len)
    measure(
        "neighbourhood",
        lambda: NeighbourhoodModel(neighbourhood),
        neighbourhood.terms,
        options.repetitions,
    )
    measure(
        "agent",
        lambda: LocalChoice(agent, neighbourhood.terms),
        neighbourhood.terms,
        options.repetitions,
    )


def measure(
    name: str,
    make: Callable[[], NeighbourhoodModel | LocalChoice],
    terms: ConnectionTerms,
    repetitions: int,
) -> None:
    """Print a row: to build, to take caps, to take prices, and to solve after that."""
    rng = np.random.default_rng(1)
    cold = median(timed(make) for _ in range(min(repetitions, 3)))
    model = make()
    solve(model, terms)
    model.update(other_prices(terms, rng))  # the first time more is compiled
    caps, prices, solves = [], [], []
    for _ in range(repetitions):
        terms = replace(terms, p_max_kw=rng.uniform(300.0, 900.0, terms.p_max_kw.size))
        model.update(terms)
        terms = replace(terms, p_max_kw=rng.uniform(300.0, 900.0, terms.p_max_kw.size))
        caps.append(timed(lambda terms=terms: model.update(terms)))
        terms = other_prices(terms, rng)
        prices.append(timed(lambda terms=terms: model.update(terms)))
        solves.append(timed(lambda terms=terms: solve(model, terms)))
    cold_ms, *found = [1e3 * median(times) for times in ([cold], caps, prices, solves)]
    ratio = found[1] / found[0]
    print(
        f"{name:<26}{cold_ms:>9.1f}{found[0]:>9.2f}{found[1]:>10.2f}{ratio:>12.2f}{found[2]:>10.1f}"
    )


def other_prices(terms: ConnectionTerms, rng: np.random.Generator) -> ConnectionTerms:
    """Prices a little different in every step."""
    dearer = rng.uniform(0.9, 1.1, terms.import_eur_per_kwh.size)
    return replace(
        terms,
        import_eur_per_kwh=dearer * terms.import_eur_per_kwh,
        export_eur_per_kwh=dearer * terms.export_eur_per_kwh,
        co2_eur_per_kg=float(dearer[0]) * terms.co2_eur_per_kg,
    )


def solve(model: NeighbourhoodModel | LocalChoice, terms: ConnectionTerms) -> None:
    """Solve once."""
    if isinstance(model, LocalChoice):
        nothing = np.zeros(terms.p_max_kw.size)
        model.best(nothing, nothing)
    else:
        model.solve()


def timed(action: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began = perf_counter()
    action()
    return perf_counter() - began


if __name__ == "__main__":
    main()
