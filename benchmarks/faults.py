"""What lost and late messages do to a negotiation: loss x delay x seeds against the same without.

The agents of fliegerhorst negotiate their offer, and again under the P_set that the DSO finds for
it. P_set is found once, without faults, and is the same in all runs, so that their values compare.
Each value is held against that of the run with the same seed in which nothing is lost or late.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from quartier.agents import society
from quartier.agents.society import Society
from quartier.agents.strategies.cohda import trouble
from quartier.coordination import Cap
from quartier.instance import build
from quartier.problem import NetworkProblem, Offer, Problem
from quartier.redispatch.rounds import Round, Rounds
from quartier.scenario.load import load

LOSSES = (0.0, 0.1, 0.3, 0.5)
DELAYS_S = (0.0, 0.05, 1.0)


class SameCaps(Rounds):
    """Redispatch that finds the same caps as a run before."""

    def __init__(self, problem: NetworkProblem, most: int, found: Round) -> None:
        super().__init__(problem, most)
        self._found = found

    def decide(self, offers: Sequence[Offer]) -> dict[str, Cap]:
        """Return the caps that are known."""
        self.history.append(self._found)
        self.caps.update(self._found.result.caps)
        return dict(self._found.result.caps)


@dataclass(frozen=True)
class Negotiated:
    """What became of the negotiations of a run."""

    values_eur: tuple[float, ...]
    """Of the offer and of what is accepted in the end, of each neighbourhood."""
    agreed: bool
    """All agents committed to their choice in the same candidate, in every negotiation."""
    sim_time_s: float
    messages: int


def main() -> None:
    """Print a row for every loss and delay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--choice", choices=("exact", "sampled"), default="exact")
    parser.add_argument("--scenario", default="fliegerhorst:max-feed-in")
    options = parser.parse_args()
    began = time.process_time()
    instance = build(load(options.scenario, [f"negotiation.local_choice={options.choice}"]), 1)
    problem = instance.problem(0, 0, instance.initial_state())
    found = reference_round(problem)
    best = {seed: run(problem, found, 0.0, 0.0, seed) for seed in range(1, options.seeds + 1)}
    count = sum(len(neighbourhood.agents) for neighbourhood in problem.neighbourhoods)
    print(
        f"{options.scenario}, {options.choice}, {count} agents, {options.seeds} seeds; "
        "value above that without faults in %"
    )
    print(
        f"{'loss':>5}{'delay s':>9}{'agreed':>8}{'max':>8}{'median':>8}{'min':>8}"
        f"{'time s':>8}{'longest':>9}{'messages':>10}"
    )
    for loss, delay_s in itertools.product(LOSSES, DELAYS_S):
        runs = {seed: run(problem, found, loss, delay_s, seed) for seed in best}
        print_row(loss, delay_s, runs, best)
    print(f"{time.process_time() - began:.0f} s of processor time")


def reference_round(problem: Problem) -> Round:
    """Let the agents of a gate live without faults; return the first round of redispatch."""
    agents = lived(problem, 0.0, 0.0, 1)
    return agents.dso.history[0]


def lived(
    problem: Problem, loss: float, delay_s: float, seed: int, found: Round | None = None
) -> Society:
    """Return the agents after the gate."""
    medium = problem.communication.model_copy(update={"loss": loss, "delay_s": delay_s})
    problem = replace(problem, communication=medium)
    agents = society.build(problem, np.random.default_rng(seed))
    if found is not None:
        agents.dso.rounds = SameCaps(problem.grid, problem.rounds, found)
    society.run_apart(agents.live(problem.lead_s))
    return agents


def run(problem: Problem, found: Round, loss: float, delay_s: float, seed: int) -> Negotiated:
    """Negotiate at the first gate, offer and renegotiation."""
    agents = lived(problem, loss, delay_s, seed, found)
    outcomes = [o for n in agents.speakers.values() for o in n.outcomes]
    return Negotiated(
        tuple(
            outcome.objective_eur
            for speaker in agents.speakers.values()
            for outcome in (speaker.outcomes[0], speaker.outcomes[-1])
        ),
        not list(trouble(problem, agents)) and is_common(agents),
        sum(outcome.ended_s - outcome.started_s for outcome in outcomes),
        sum(agents.medium.traffic[outcome.negotiation].messages for outcome in outcomes),
    )


def is_common(agents: Society) -> bool:
    """Whether the choices that the agents committed to add up to what their speaker published."""
    for name, speaker in agents.speakers.items():
        for outcome in speaker.outcomes:
            committed = [
                option.p_kw
                for agent in agents.units[name].values()
                for number, option, _ in agent.history
                if number == outcome.negotiation.round
            ]
            published = outcome.p_kw + outcome.curtailed_kw
            if len(committed) != outcome.agents or not outcome.agreed:
                return False
            if not np.allclose(np.sum(committed, axis=0), published, atol=1e-3):
                return False
    return True


def print_row(
    loss: float, delay_s: float, runs: dict[int, Negotiated], best: dict[int, Negotiated]
) -> None:
    """Print how often agents agreed, and how far the values lie above those without faults."""
    above = [
        100 * (mine - other) / abs(other)
        for seed, negotiated in runs.items()
        for mine, other in zip(negotiated.values_eur, best[seed].values_eur, strict=True)
    ]
    times = [negotiated.sim_time_s for negotiated in runs.values()]
    messages = np.median([negotiated.messages for negotiated in runs.values()])
    agreed = sum(negotiated.agreed for negotiated in runs.values())
    print(
        f"{loss:>5.0%}{delay_s:>9.2f}{f'{agreed}/{len(runs)}':>8}{max(above):>8.2f}"
        f"{np.median(above):>8.2f}{min(above):>8.2f}{np.median(times):>8.0f}{max(times):>9.0f}"
        f"{messages:>10.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
