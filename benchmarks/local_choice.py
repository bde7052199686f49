"""The agents' plan against the neighbourhood's own optimum under the same caps.

The bound is the linear relaxation of the neighbourhood's problem, solved in the same run. The CPU
time is that of the whole gate: both negotiations, and the grid operator's redispatch between them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from quartier.agents import society
from quartier.instance import build
from quartier.optimisation import NeighbourhoodModel
from quartier.scenario.load import load

VARIANTS = ("max-feed-in", "max-load", "three-neighbourhoods")
HOMES = "neighbourhoods.fliegerhorst.units.h0"


def main() -> None:
    """Let the agents of the first gate live, and compare what they reach."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--single", action="store_true", help="max-feed-in with an agent for every household"
    )
    options = parser.parse_args()
    print(
        f"{'variant':<22}{'choice':<9}{'neighbourhood':<15}{'round':>6}{'agents EUR':>12}"
        f"{'bound EUR':>12}{'gap EUR':>9}{'messages':>10}{'gate CPU s':>12}"
    )
    homes = [f"{HOMES}{name}.agents=single" for name in "abcgl"] if options.single else []
    for variant in ("max-feed-in",) if options.single else VARIANTS:
        for choice in ("exact", "sampled"):
            measure(variant, choice, options.seed, homes)


def measure(variant: str, choice: str, seed: int, overrides: Sequence[str] = ()) -> None:
    """Print a row for every negotiation of a variant."""
    loaded = load(f"fliegerhorst:{variant}", [f"negotiation.local_choice={choice}", *overrides])
    instance = build(loaded, seed)
    problem = instance.problem(0, 0, instance.initial_state())
    agents = society.build(problem, np.random.default_rng(seed))
    began_s = time.process_time()
    society.run_apart(agents.live(problem.lead_s))
    cpu_s = time.process_time() - began_s
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
                f"{outcome.objective_eur - bound.objective_eur:>9.2f}{messages:>10}{cpu_s:>12.2f}"
            )


if __name__ == "__main__":
    main()
