"""Negotiations of up to 1,000 agents against a central descent over the same schedules.

Every agent has 200 schedules of 96 steps, drawn at random. One of each is hidden, and the target is
their sum: P_set from above and below, so that the value is the penalty on what is missed, and the
optimum is 0. The peer knows all schedules: it lets one agent after the other, in random order, take
the best of its own against all others until nobody gains, with the same vectorised choice. Both end
where no single agent gains, so what they miss should be alike; what the agents take longer is the
price of not knowing each other. `kernels` is the time of their decisions alone.

`wall_s` is the time from the call to the last acknowledgement; `cpu_s`, of the process in the whole
simulated world, says what it would be on a machine with nothing else to do.

Agents, messages, communication and mango's simulated world are those of `cohda`.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from quartier.agents import society
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.choice import SampledChoice
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.memory import Option
from quartier.agents.messages import OWN_RULE, CallForOffers, Heard, OfferMade, entry_of
from quartier.agents.speaker import SpeakerAgent
from quartier.agents.unit import UnitAgent
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.scenario.communication import CommunicationSettings
from quartier.scenario.settings import NegotiationSettings
from quartier.units.schedule import Schedule

AGENTS = (10, 30, 100, 300, 1000)
STEPS, SCHEDULES, DT_H = 96, 200, 0.25
SPREAD_KW = 5.0
"""Standard deviation of a schedule's power in every step."""
TOWN, CALLER = "town", "dso"
LEAD_S = 3600.0


@dataclass(frozen=True)
class Planted:
    """Schedules of all agents, ``(n, K, T)`` kW, and the sum of the hidden ones, ``(T,)`` kW."""

    p_kw: Array
    target_kw: Array

    @classmethod
    def drawn(cls, agents: int, rng: np.random.Generator) -> Planted:
        """Draw schedules, and hide one of every agent."""
        p_kw = rng.normal(0.0, SPREAD_KW, (agents, SCHEDULES, STEPS))
        hidden = rng.integers(SCHEDULES, size=agents)
        return cls(p_kw, p_kw[np.arange(agents), hidden].sum(axis=0))

    @property
    def terms(self) -> ConnectionTerms:
        """The value is what is missed of the target, in kWh."""
        zero = np.zeros(STEPS)
        return ConnectionTerms(
            dt_h=DT_H,
            export_eur_per_kwh=zero,
            import_eur_per_kwh=zero,
            curtailment_eur_per_kwh=0.0,
            co2_eur_per_kg=0.0,
            peak_eur_per_kw=0.0,
            penalty_eur_per_kwh=1.0,
            p_max_kw=self.target_kw,
            p_min_kw=self.target_kw,
        )

    def missed(self, value: float) -> float:
        """Share of the target's energy, both signs counted as positive, that a value misses."""
        return value / (DT_H * float(np.abs(self.target_kw).sum()))

    def choices(self) -> list[TimedChoice]:
        """Return the choice of every agent."""
        return [TimedChoice([schedule_of(p) for p in rows], self.terms) for rows in self.p_kw]


class TimedChoice(SampledChoice):
    """The agents' own choice, with the time it takes."""

    decisions = 0
    wall_s = 0.0

    def best(self, residual_kw: Array, curtailable_kw: Array) -> Option:
        """Value all schedules, and look at the clock."""
        began = time.perf_counter()
        found = super().best(residual_kw, curtailable_kw)
        self.wall_s += time.perf_counter() - began
        self.decisions += 1
        return found


def schedule_of(p_kw: Array) -> Schedule:
    """Make a schedule of power alone."""
    zero = np.zeros(STEPS)
    return Schedule(p_kw, zero, 0.0, 0.0, 0.0, {}, {}, {}, {}, zero, zero, zero)


class Caller(QuartierAgent):
    """Asks the neighbourhood for its offer, in place of the DSO."""

    def on_ready(self) -> None:
        """Call as soon as everybody is there."""
        self.later(0.0, partial(self.tell, TOWN, CallForOffers()))

    @hears(Heard)
    def on_heard(self, heard: Heard, sender: str) -> None:
        """Wait for the offer."""

    @hears(OfferMade)
    def on_offer(self, offer: OfferMade, sender: str) -> None:
        """Nothing is redispatched here."""


def descend(planted: Planted, rng: np.random.Generator) -> tuple[float, float]:
    """Central descent, one agent after the other: value and wall time in s."""
    choices, terms, zero = planted.choices(), planted.terms, np.zeros(STEPS)
    began = time.perf_counter()
    own = [choice.best(zero, zero) for choice in choices]  # what the agents begin with
    p_kw, gained = np.sum([option.p_kw for option in own], axis=0), True
    value = float(terms.cost_eur(p_kw, zero))
    while gained:
        gained = False
        for i in rng.permutation(len(own)):
            others = p_kw - own[i].p_kw
            option = choices[i].best(others, zero)
            better = float(terms.cost_eur(others + option.p_kw, zero))
            if better < value - 1e-6 * max(1.0, abs(value)):
                own[i], p_kw, value, gained = option, others + option.p_kw, better, True
    return value, time.perf_counter() - began


def measure(agents: int, options: argparse.Namespace) -> dict[str, Any]:
    """Let agents negotiate about a planted target, and let the peer descend."""
    rng = np.random.default_rng(options.seed)
    planted = Planted.drawn(agents, rng)
    central, central_s = descend(planted, rng)
    names, choices = [f"agent-{i:04d}" for i in range(agents)], planted.choices()
    settings = NegotiationSettings(
        local_choice="sampled",
        drain_s=options.drain_s,
        quiet_s=max(15.0, 2 * options.drain_s),
        deadline_s=LEAD_S / 2,
    )
    links = society.small_world([TOWN, *names], options.shortcuts, rng, options.ring)
    units = [
        UnitAgent(name, (), TOWN, links[name], settings, child, choice)
        for name, child, choice in zip(names, rng.spawn(agents), choices, strict=True)
    ]
    zero = np.zeros(STEPS)
    published = {name: entry_of(name, OWN_RULE, zero, zero, 0.0) for name in names}
    town = SpeakerAgent(TOWN, planted.terms, published, settings, zero, CALLER)
    medium = MeasuredCommunication(CommunicationSettings(), rng.spawn(1)[0])
    gc.collect()
    began_s = time.process_time()
    society.run_apart(society.live([Caller(CALLER), town, *units], medium, LEAD_S))
    cpu_s = time.process_time() - began_s
    outcome = town.outcomes[0]
    traffic = medium.traffic[outcome.negotiation]
    return {
        "agents": agents,
        "agreed": "yes" if outcome.agreed else "no",
        "wall_s": outcome.wall_s,
        "cpu_s": cpu_s,
        "sim_s": outcome.ended_s - outcome.started_s,
        "messages": traffic.messages,
        "MB": traffic.payload_bytes / 1e6,
        "missed_%": 100 * planted.missed(outcome.objective_eur),
        "decisions": sum(choice.decisions for choice in choices),
        "kernels_s": sum(choice.wall_s for choice in choices),
        "central_s": central_s,
        "central_missed_%": 100 * planted.missed(central),
        "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("agents", type=int, nargs="*", default=AGENTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drain-s", type=float, default=5.0)
    parser.add_argument("--ring", type=int, default=2, help="neighbours on the ring")
    parser.add_argument("--shortcuts", type=float, default=0.5)
    options = parser.parse_args()
    for row, agents in enumerate(options.agents):
        found = measure(agents, options)
        if not row:
            print("".join(f"{name:>17}" for name in found))
        cells = (f"{x:.2f}" if isinstance(x, float) else str(x) for x in found.values())
        print("".join(f"{cell:>17}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
