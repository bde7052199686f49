"""The agents' plan against the neighbourhood's own optimum under the same caps.

The bound is the linear relaxation of the neighbourhood's problem, solved in the same run.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from quartier.agents import society
from quartier.instance import build
from quartier.optimisation import NeighbourhoodModel
from quartier.scenario.load import load

VARIANTS = ("max-feed-in", "max-load", "three-neighbourhoods")


def main() -> None:
    """Let the agents of the first gate live, and compare what they reach."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{'variant':<22}{'choice':<9}{'neighbourhood':<15}{'round':>6}{'agents EUR':>12}"
        f"{'bound EUR':>12}{'gap EUR':>9}{'messages':>10}{'agents s':>10}"
    )
    for variant in VARIANTS:
        for choice in ("exact", "sampled"):
            measure(variant, choice, options.seed)


def measure(variant: str, choice: str, seed: int) -> None:
    """Print a row for every negotiation of a variant."""
    loaded = load(f"fliegerhorst:{variant}", [f"negotiation.local_choice={choice}"])
    instance = build(loaded, seed)
    problem = instance.problem(0, 0, instance.initial_state())
    agents = society.build(problem, np.random.default_rng(seed))
    began = time.perf_counter()
    society.run_apart(agents.live(problem.lead_s))
    wall_s = time.perf_counter() - began
    for neighbourhood in problem.neighbourhoods:
        speaker = agents.speakers[neighbourhood.name]
        for outcome in speaker.outcomes:
            terms = speaker.terms if outcome.negotiation.round else neighbourhood.terms
            bound = NeighbourhoodModel(
                replace(neighbourhood, terms=terms), relax_binaries=True
            ).solve()
            messages = agents.medium.traffic[outcome.negotiation].messages
            print(
                f"{variant:<22}{choice:<9}{neighbourhood.name:<15}{outcome.negotiation.round:>6}"
                f"{outcome.objective_eur:>12.2f}{bound.objective_eur:>12.2f}"
                f"{outcome.objective_eur - bound.objective_eur:>9.2f}{messages:>10}{wall_s:>10.2f}"
            )


if __name__ == "__main__":
    main()
