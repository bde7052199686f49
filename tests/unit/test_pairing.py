"""Two agents that gain only together: what they say, and what they come to.

Two hours, import at 0.31 and 0.30 EUR/kWh, export at 0.05. A plant gives 10 kW in the first hour, a
car needs 10 kWh in one of the two. Alone it takes the second, the cheaper one. A battery that
decides first takes the plant's 10 kWh for it, and gives back what two losses of 10 % leave: of the
10 kWh, 1.9 are bought for 0.57 EUR. Now neither moves alone: the car would buy in the first hour,
and the battery would sell what the car then buys. Together the car takes what the plant gives, for
nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from mango.simulation.communication import CommunicationSimulationResult, PackageResult

from quartier.agents import society
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.fallback import own_rule_entry
from quartier.agents.messages import CallForOffers, Heard, OfferMade
from quartier.agents.speaker import SpeakerAgent
from quartier.agents.unit import UnitAgent
from quartier.optimisation.beside import Beside
from quartier.optimisation.local_choice import LocalChoice
from quartier.scenario.communication import CommunicationSettings
from quartier.scenario.settings import NegotiationSettings
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.sampling import own_rules
from quartier.units.stays import Session

from .factories import terms, unit

STUCK_EUR = 0.57
TERMS = terms(
    2,
    1.0,
    export_eur_per_kwh=0.05,
    import_eur_per_kwh=np.array([0.31, 0.30]),
)


def car() -> UnitData:
    found = unit("ev_station", "place.car", 2, 1.0)
    return KINDS["ev_station"].bounded(replace(found, sessions=(Session(0, 2, 10.0, 20.0),)))


def plant() -> UnitData:
    found = unit("pv", "place.plant", 2, 1.0)
    return replace(found, series={"available_kw": np.array([10.0, 0.0])})


def battery() -> UnitData:
    own = {"min_soc": 0.0, "max_soc": 1.0, "start_soc": 0.0, "wear_eur_per_kwh": 0.0}
    lossy = {"charge_efficiency": 0.9, "discharge_efficiency": 0.9}
    return unit("battery", "place.battery", 2, 1.0, energy_kwh=50.0, power_kw=20.0, **own, **lossy)


class Caller(QuartierAgent):
    """Asks for the offer, in place of the DSO."""

    def on_ready(self) -> None:
        self.later(0.0, partial(self.tell, "place", CallForOffers()))

    @hears(Heard)
    def on_heard(self, heard: Heard, sender: str) -> None:
        """Wait."""

    @hears(OfferMade)
    def on_offer(self, offer: OfferMade, sender: str) -> None:
        """Nothing is redispatched."""


class Thoughtful(UnitAgent):
    """Thinks as long as it is told to: who decides first is no chance."""

    thinks_s = 0.1

    def _thinking_s(self) -> float:
        return self.thinks_s


class Medium(MeasuredCommunication):
    """Counts what is said by kind, and loses what it is told to."""

    def __init__(self, lost: str = "") -> None:
        super().__init__(CommunicationSettings(), np.random.default_rng(1))
        self.lost, self.said = lost, Counter[str]()

    def calculate_communication(
        self, current_time: float, messages: list[Any]
    ) -> CommunicationSimulationResult:
        names = [type(m.content[0]).__name__ for m in messages]
        self.said.update(names)
        found = super().calculate_communication(current_time, messages).package_results
        return CommunicationSimulationResult(
            [
                PackageResult(reached=one.reached and name != self.lost, delay_s=one.delay_s)
                for one, name in zip(found, names, strict=True)
            ]
        )


def negotiated(lost: str = "", **changes: Any) -> tuple[Any, Medium]:
    """What the three agree on."""
    settings = NegotiationSettings(**changes)
    units = {u.name: u for u in (battery(), car(), plant())}
    rules = own_rules(tuple(units.values()), TERMS.penalty_eur_per_kwh)
    links = society.small_world(["place", *units], 0.0, np.random.default_rng(1))
    agents = [
        Thoughtful(n, (u,), "place", links[n], settings, np.random.default_rng(1), None, rules[n])
        for n, u in units.items()
    ]
    agents[1].thinks_s = 6.0
    published = {name: own_rule_entry(name, rule, TERMS) for name, rule in rules.items()}
    speaker = SpeakerAgent("place", TERMS, published, settings, np.zeros(2), "dso")
    medium = Medium(lost)
    society.run_apart(society.live([Caller("dso"), speaker, *agents], medium, 900.0))
    assert all(agent.failure is None for agent in (speaker, *agents))
    return speaker.outcomes[0], medium


def test_single_moves_are_stuck_where_two_gain_only_together() -> None:
    outcome, medium = negotiated(pairs=False)
    assert outcome.agreed
    assert outcome.objective_eur == pytest.approx(STUCK_EUR, abs=1e-5)
    assert not {"Look", "PairCall"} & medium.said.keys()


def test_a_pair_that_gains_only_together_moves() -> None:
    outcome, medium = negotiated()
    assert outcome.agreed
    assert outcome.objective_eur == pytest.approx(0.0, abs=1e-5)
    assert outcome.p_kw == pytest.approx([0.0, 0.0], abs=1e-5)
    assert medium.said["PairReply"] >= 1
    values = [value for _, value in outcome.trace]
    assert values == sorted(values, reverse=True)  # at any time, the best so far


@pytest.mark.parametrize("lost", ["Look", "PairCall", "PairAnswer", "PairOffer", "PairReply"])
def test_a_pair_whose_words_are_lost_costs_its_gain_and_nothing_else(lost: str) -> None:
    outcome, _ = negotiated(lost)
    assert outcome.agreed
    assert outcome.objective_eur == pytest.approx(STUCK_EUR, abs=1e-5)


def test_a_negotiation_ends_as_soon_as_all_are_settled() -> None:
    outcome, _ = negotiated(pairs=False)
    assert outcome.ended_s - outcome.started_s < 15.0  # the quiet period


@pytest.mark.parametrize("lost", ["Settled", "Looked"])
def test_without_a_word_of_the_end_a_negotiation_ends_by_its_quiet_period(lost: str) -> None:
    outcome, _ = negotiated(lost)
    assert outcome.agreed
    assert outcome.ended_s - outcome.started_s > 15.0


# -- the program behind it ------------------------------------------------------------------------
def test_an_agent_alone_is_its_own_choice_and_the_price_is_what_a_kwh_is_worth() -> None:
    others_kw = np.array([3.0, -30.0])
    alone = Beside((battery(),), TERMS).joint(others_kw, np.zeros(2))
    own = LocalChoice((battery(),), TERMS).best(others_kw, np.zeros(2))
    assert alone.p_kw == pytest.approx(own.p_kw, abs=1e-6)
    cost = float(TERMS.cost_eur(others_kw + own.p_kw, np.zeros(2))) + own.cost_eur
    assert alone.objective_eur == pytest.approx(cost)
    # A kWh more in the second hour saves its import, one in the first 0.81 of it.
    assert alone.price_eur_per_kwh == pytest.approx([0.81 * 0.30, 0.30])


def test_beside_a_partner_that_could_do_two_things_the_better_mix_is_found() -> None:
    late, soon = (np.array([0.0, -10.0]), 0.0), (np.array([-10.0, 0.0]), 0.0)
    program = Beside((battery(),), TERMS)
    stuck = program.joint(np.array([10.0, 0.0]), np.zeros(2), [late])
    assert stuck.objective_eur == pytest.approx(STUCK_EUR)
    both = program.joint(np.array([10.0, 0.0]), np.zeros(2), [late, soon])
    assert both.objective_eur == pytest.approx(0.0, abs=1e-9)
    assert both.p_kw == pytest.approx([0.0, 0.0], abs=1e-9)


def test_at_a_price_a_choice_knows_neither_limits_nor_peak() -> None:
    """Limits and peak enter the price: it is asked of one who has to know neither."""
    capped = replace(TERMS, p_max_kw=np.zeros(2), peak_eur_per_kw=5.0)
    for known in (TERMS, capped):
        choice = LocalChoice((battery(),), known)
        before = choice.best(np.array([10.0, -10.0]), np.zeros(2)).p_kw
        dear_at_last = choice.at_price(np.array([0.1, 0.5])).p_kw
        assert dear_at_last == pytest.approx([-20.0, 0.81 * 20.0])
        after = choice.best(np.array([10.0, -10.0]), np.zeros(2)).p_kw
        assert after == pytest.approx(before)
