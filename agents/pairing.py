"""A second look: two agents that gain only together (M6).

Agents that move one by one stop where a kink of the cost binds two of them: what one would draw
more, another would have to draw less at the same time. So when all are settled, an agent that is
asked to looks for a partner. It holds its own program, and of others only schedules that they name:

1. It asks all what they would do at the price that power has for it (the dual of its balance). Who
   would do no better than now cannot gain with it: then its price is right for both.
2. With whoever would gain most it goes on: it solves its program with a mix of what the partner
   named (:class:`quartier.optimisation.beside.Beside`), and asks for what the partner would do at
   the new price, until there is nothing to add.
3. If the two gain, it tells what all others do beside its own new schedule; the partner answers
   with its own choice, which it does not make yet. The asker chooses once more, and if γ is better
   with both, that is the new γ. By γ the partner learns that its choice holds.

Nothing is waited for longer than :data:`WAIT_S`: what is lost costs a gain, not the negotiation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from quartier.agents.base import QuartierAgent, hears
from quartier.agents.choice import Choice
from quartier.agents.cohda import WorkingMemory
from quartier.agents.memory import Memory, Option
from quartier.agents.messages import (
    Entry,
    Look,
    Looked,
    Negotiation,
    PairAnswer,
    PairCall,
    PairOffer,
    PairReply,
    frozen,
)
from quartier.errors import SolveFailed
from quartier.hiccups import note_kept
from quartier.optimisation.beside import Answered, Beside, Joint
from quartier.quantities import Array

WAIT_S = 3.0
"""Simulated time in s that an asker waits for answers."""

WORTH = 1e-4
"""Share of γ's value (at least of 1 EUR) that must be to gain, before two agents look further."""

MOST_CALLS = 12
"""Most prices that a partner is asked for."""

FRUITLESS_CALLS = 4
"""Prices after which a partner with whom nothing was gained is left alone."""

ENOUGH = 0.1
"""Share of what two have found to gain: if less can be left, they stop asking."""

KEPT = "its agent names no schedule at a price"


@dataclass
class SecondLook:
    """What an asker knows while it looks for partners."""

    negotiation: Negotiation
    program: Beside
    asked: set[str]
    """Who has not answered yet."""
    number: int = 0
    answers: dict[str, PairAnswer] = field(default_factory=dict)
    """By partner, of those that would do something else."""
    partner: str = ""
    known: list[Answered] = field(default_factory=list)
    """What the partner named."""
    joint: Joint | None = None
    gain_eur: float = 0.0
    """By how much γ got better so far."""
    contented: bool = True
    """Whether nobody would do anything else at the first price."""


class PairingAgent(QuartierAgent):
    """An agent that can look for partners, and be one."""

    neighbourhood: str
    _memory: Memory | None
    _choice: Choice | None
    _flexible: bool
    _open: bool
    _others: Sequence[str] = ()
    """Everybody else who takes part."""
    _look: SecondLook | None = None

    def _act(self) -> None:
        raise NotImplementedError

    def _chosen(self, residual_kw: Array, curtailable_kw: Array) -> Option:
        raise NotImplementedError

    def _negotiates(self, negotiation: Negotiation) -> WorkingMemory | None:
        """The memory if it is about that negotiation, and that has not ended."""
        memory = self._memory
        if not isinstance(memory, WorkingMemory) or not self._open or memory.gamma is None:
            return None
        return memory if memory.negotiation == negotiation else None

    # -- the asker ----------------------------------------------------------------------------
    @hears(Look)
    def on_look(self, look: Look, sender: str) -> None:
        """Ask everybody what they would do at the price that power has here."""
        memory = self._negotiates(look.negotiation)
        if memory is None or (
            self._look is not None and self._look.negotiation == look.negotiation
        ):
            return
        program = self._choice.beside() if self._choice is not None and self._flexible else None
        joint = None if program is None else self._joint(memory, program)
        if program is None or joint is None:
            self.tell(self.neighbourhood, Looked(look.negotiation, 0.0, contented=False))
            return
        self._look = SecondLook(look.negotiation, program, set(self._others))
        self._call(self._look, joint)

    def _joint(self, memory: WorkingMemory, program: Beside, partner: str = "") -> Joint | None:
        """What is best with a partner's known schedules, at the cost of all."""
        p_kw, loose_kw, cost_eur = memory.beside(self.title, partner)
        known: Sequence[Answered] = ()
        settled = memory.in_candidate(partner)
        if settled is not None and self._look is not None:
            known = ((settled.p_kw, settled.cost_eur), *self._look.known)
            loose_kw = loose_kw + settled.curtailable_kw
        try:
            found = program.joint(p_kw, loose_kw, known)
        except SolveFailed as failure:
            note_kept(failure, "its agent looks for no partner")
            return None
        return Joint(found.objective_eur + cost_eur, found.price_eur_per_kwh, found.p_kw)

    def _call(self, look: SecondLook, joint: Joint) -> None:
        """Ask whoever is to be asked at the newest price."""
        look.number += 1
        look.joint = joint
        call = PairCall(look.negotiation, look.number, frozen(joint.price_eur_per_kwh))
        for agent in sorted(look.asked):
            self.tell(agent, call)
        self.later(WAIT_S, partial(self._waited, look, look.number))

    def _waited(self, look: SecondLook, number: int) -> None:
        """Go on without those that have not answered."""
        if look is self._look and look.number == number:
            look.asked.clear()
            look.contented = False
            self._next_partner(look)

    @hears(PairAnswer)
    def on_pair_answer(self, answer: PairAnswer, sender: str) -> None:
        """Take note of what somebody would do; go on when all have answered."""
        look = self._look
        if look is None or (answer.negotiation, answer.number) != (look.negotiation, look.number):
            return
        if sender not in look.asked:
            return
        look.asked.discard(sender)
        if look.partner:
            self._weigh(look, answer)
            return
        if len(answer.p_kw):
            look.answers[sender] = answer
            look.contented = False
        if not look.asked:
            self._next_partner(look)

    def _next_partner(self, look: SecondLook) -> None:
        """Go on with whoever would gain most; with nobody left, say what came of it."""
        memory = self._negotiates(look.negotiation)
        look.number += 1
        if memory is None or not look.answers:
            self._look = None
            looked = Looked(look.negotiation, look.gain_eur, look.contented)
            self.tell(self.neighbourhood, looked)
            return
        look.partner = min(look.answers, key=lambda name: (-look.answers[name].gain_eur, name))
        answer = look.answers.pop(look.partner)
        look.known = [(answer.p_kw, answer.cost_eur)]
        self._ask_more(look, memory)

    def _ask_more(self, look: SecondLook, memory: WorkingMemory) -> None:
        joint = self._joint(memory, look.program, look.partner)
        if joint is None:
            self._next_partner(look)
        elif len(look.known) >= MOST_CALLS:
            self._offer(look, memory, joint)
        else:
            look.asked = {look.partner}
            self._call(look, joint)

    def _weigh(self, look: SecondLook, answer: PairAnswer) -> None:
        """Add what the partner would do at the last price, if it helps."""
        memory, joint = self._negotiates(look.negotiation), look.joint
        if memory is None or joint is None:
            self._next_partner(look)
            return
        settled = memory.in_candidate(look.partner)
        assert settled is not None and memory.gamma is not None
        left = 0.0
        if len(answer.p_kw):
            dt_h, price = memory.terms.dt_h, joint.price_eur_per_kwh
            known = [(settled.p_kw, settled.cost_eur), *look.known]
            left = min(cost - dt_h * float(price @ kw) for kw, cost in known)
            left -= answer.cost_eur - dt_h * float(price @ answer.p_kw)
        value = memory.gamma.value
        found, worth = value - joint.objective_eur, WORTH * max(1.0, abs(value))
        if found + left < worth or (
            found < worth and len(look.known) >= FRUITLESS_CALLS
        ):  # Lagrange: two of them cannot gain more
            self._next_partner(look)
        elif left <= max(ENOUGH * found, 0.1 * worth):
            self._offer(look, memory, joint)
        else:
            look.known.append((answer.p_kw, answer.cost_eur))
            self._ask_more(look, memory)

    def _offer(self, look: SecondLook, memory: WorkingMemory, joint: Joint) -> None:
        """Tell the partner what all others would do, this agent's new schedule among them."""
        assert memory.gamma is not None
        if memory.gamma.value - joint.objective_eur < WORTH * max(1.0, abs(memory.gamma.value)):
            self._next_partner(look)
            return
        p_kw, loose_kw, _ = memory.beside(look.partner)
        mine = memory.in_candidate(self.title)
        assert mine is not None
        look.number += 1
        look.asked = {look.partner}
        told = frozen(p_kw - mine.p_kw + joint.p_kw), frozen(loose_kw)
        self.tell(look.partner, PairOffer(look.negotiation, look.number, *told))
        self.later(WAIT_S, partial(self._waited, look, look.number))

    @hears(PairReply)
    def on_pair_reply(self, reply: PairReply, sender: str) -> None:
        """Choose beside what the partner would do, and make both the new γ if it is better."""
        look = self._look
        if look is None or (reply.negotiation, reply.number) != (look.negotiation, look.number):
            return
        memory = self._negotiates(look.negotiation)
        if memory is not None and sender == look.partner == reply.entry.agent:
            p_kw, loose_kw, _ = memory.beside(self.title, sender)
            entry = reply.entry
            option = self._chosen(p_kw + entry.p_kw, loose_kw + entry.curtailable_kw)
            gained = memory.pair(option, entry)
            if gained:
                look.gain_eur += gained
                self._act()
        self._next_partner(look)

    # -- the partner --------------------------------------------------------------------------
    @hears(PairCall)
    def on_pair_call(self, call: PairCall, sender: str) -> None:
        """Say what would be best at a price, if that is better than what is in γ."""
        memory = self._negotiates(call.negotiation)
        if memory is None:
            return
        nothing = PairAnswer(call.negotiation, call.number, 0.0, frozen(np.zeros(0)), 0.0)
        settled = memory.in_candidate(self.title)
        option = self._at_price(call.price_eur_per_kwh) if self._flexible else None
        if option is None or settled is None:
            self.tell(sender, nothing)
            return
        dt_h, price = memory.terms.dt_h, call.price_eur_per_kwh
        gain = settled.cost_eur - option.cost_eur
        gain += dt_h * float(price @ (option.p_kw - settled.p_kw))
        if gain <= 0.1 * WORTH * max(1.0, abs(memory.gamma.value if memory.gamma else 0.0)):
            self.tell(sender, nothing)
            return
        told = frozen(option.p_kw), option.cost_eur
        self.tell(sender, PairAnswer(call.negotiation, call.number, gain, *told))

    def _at_price(self, price_eur_per_kwh: Array) -> Option | None:
        assert self._choice is not None
        try:
            return self._choice.at_price(price_eur_per_kwh)
        except SolveFailed as failure:
            note_kept(failure, KEPT)
            return None

    @hears(PairOffer)
    def on_pair_offer(self, offer: PairOffer, sender: str) -> None:
        """Name the own choice beside what all others would do."""
        memory = self._negotiates(offer.negotiation)
        if memory is None or not self._flexible:
            return
        option = self._chosen(offer.p_kw, offer.curtailable_kw)
        entry: Entry = memory.reserve(option)
        self.tell(sender, PairReply(offer.negotiation, offer.number, entry))
