"""The front that agents negotiate against the exact one, of the same neighbourhood in one run.

Hypervolume with objectives normalised by ideal and nadir of the exact front, up to its nadir and a
tenth of the range.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits

from quartier.agents import society
from quartier.agents.mo_agents import FrontSpeakerAgent
from quartier.agents.strategies.mo_cohda import MoCohda
from quartier.centralised.fronts import Objectives
from quartier.instance import build
from quartier.pareto import OBJECTIVES, Scale, as_costs, hypervolume
from quartier.problem import NeighbourhoodProblem
from quartier.scenario.load import load


@threadpool_limits.wrap(limits=1, user_api="blas")
def main() -> None:
    """Let the agents of the first gate live, and compare their fronts with the exact ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="?", default="fliegerhorst")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 1")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    print(
        f"{'neighbourhood':<15}{'seed':>5}{'exact points':>14}{'exact s':>9}{'points':>8}"
        f"{'hypervolume':>13}{'agents s':>10}{'simulated s':>13}{'messages':>10}{'MB':>7}"
    )
    instance = build(load(options.scenario, options.overrides), 1)
    problem = instance.problem(0, 0, instance.initial_state())
    exact = {
        neighbourhood.name: exact_front(neighbourhood) for neighbourhood in problem.neighbourhoods
    }
    for seed in range(1, options.seeds + 1):
        agents = MoCohda().society(problem, np.random.default_rng(seed))
        society.run_apart(agents.live(problem.lead_s))
        for name, (values, wall_s) in exact.items():
            speaker = agents.speakers[name]
            assert isinstance(speaker, FrontSpeakerAgent)
            outcome, (_, found, _) = speaker.outcomes[0], speaker.fronts[0]
            simulated_s = outcome.ended_s - outcome.started_s
            traffic, scale = agents.medium.traffic[outcome.negotiation], Scale.of(values)
            share = hypervolume(found.values, scale) / hypervolume(values, scale)
            print(
                f"{name:<15}{seed:>5}{len(values):>14}{wall_s:>9.1f}{len(found.values):>8}"
                f"{share:>12.1%} {outcome.wall_s:>10.1f}{simulated_s:>13.1f}"
                f"{traffic.messages:>10}{traffic.payload_bytes / 1e6:>7.0f}"
            )


def exact_front(neighbourhood: NeighbourhoodProblem) -> tuple[np.ndarray, float]:
    """Objectives as costs, shape ``(points, 3)``, and the wall time in s that they took."""
    began = time.perf_counter()
    points = Objectives(neighbourhood).front()
    wall_s = time.perf_counter() - began
    return as_costs(np.array([[p.values[name] for name in OBJECTIVES] for p in points])), wall_s


if __name__ == "__main__":
    main()
