"""From the solution of the game to what everybody does (M7).

Caps follow from the charges (see :mod:`quartier.optimisation.bilevel.charged`): P_set is the
planned power where the charge is positive; elsewhere a neighbourhood gets the headroom that AC
limits leave it, as in redispatch, so that what it plans anew overloads no other step.

The neighbourhoods answer P_set with their own optimum, vehicles one by one and CHPs on or off,
which the game knows relaxed only. So a leader that foresees answers looks at the true ones before
it decides: where they break a cap that the grid does not need, the cap is widened to the headroom;
where all in all they are not cheaper than the known answers to its own redispatch, the caps that
take less from the neighbourhoods stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from quartier.centralised.central import limit_of
from quartier.centralised.game import Game
from quartier.centralised.individual import records
from quartier.centralised.leader import Leader
from quartier.centralised.network import SOLVED, outcome_mw
from quartier.centralised.outcome import Outcome, outcome_of
from quartier.coordination import Cap, Plan, UnitPlan
from quartier.planning import Row, plant_plan
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.caps import Room, cap_rows, caps_of
from quartier.redispatch.cure import Cured
from quartier.redispatch.grid_model import GridModel
from quartier.redispatch.headroom import headroom
from quartier.redispatch.rounds import KEPT_KW

ROUNDS = 5
"""Most rounds of fitting the plants to the answers."""
ROUND_KW = 1e-3
"""Room left above a planned power, so that rounding does not turn a cap into a violation."""
NOT_KEPT = "not kept"
"""Status of caps whose true answers keep neither them nor the limits."""
CHEAPER_EUR = 0.01
"""Costs that are closer than this are the same: what is left of solvers, and of losses."""


class Execution:
    """From the solution of the game to what everybody does.

    Parameters
    ----------
    game
        The game, solved.

    Attributes
    ----------
    decided
        P_set of every neighbourhood as the game has it, before anybody answered.
    """

    def __init__(self, game: Game) -> None:
        self.game, self.process = game, game.process
        self.grid = game.grid
        self._known = self._known_answers()
        self._restore = {
            name: (optimiser.solution, optimiser.terms)
            for name, optimiser in self.process.optimisers.items()
        }
        self._cap()
        self._answer()
        self._fit_plants()
        self._choose()

    def _known_answers(self) -> Outcome:
        """The answers to the DSO's own redispatch."""
        process, power = self.process, outcome_mw(self.process)
        tap_pos, trouble = process.rounds.tap_pos, [*process.rounds.trouble()]
        assert tap_pos is not None
        caps = {name: process.rounds.caps[name] for name in process.optimisers}
        name = "bilevel, caps of redispatch"
        return outcome_of(name, process, self.grid, power, tap_pos, caps, trouble)

    def _cap(self) -> None:
        """P_set: the plan where a charge makes it bind, else the headroom in AC (M4, rule 3)."""
        game, power = self.game, self.game.power_mw
        self._model, self._cured = self._cured_at(power)
        room = Room(headroom(self._model, self._cured, 1), headroom(self._model, self._cured, -1))
        self._room = room
        self._widest = caps_of(self._model.assets, self._cured, room)
        self.caps = {}
        for k, member in enumerate(game.members):
            name, binding = member.problem.name, game.binding(k)
            cap = self._widest[name]
            # A cap on consumption never demands feed-in.
            least = np.minimum(np.maximum(cap.p_min_kw, binding.p_min_kw - ROUND_KW), 0.0)
            most = np.minimum(cap.p_max_kw, binding.p_max_kw + ROUND_KW)
            self.caps[name] = Cap(np.maximum(most, 0.0), least)
        self.decided = tuple(self.caps.values())

    def _cured_at(self, power_mw: Array) -> tuple[GridModel, Cured]:
        """The plan as redispatch would have it: moved are plants, and who is charged for it."""
        assets = self.grid.assets
        offered = assets.offered_mw.copy()
        for k in range(len(self.game.members)):
            cap = self.game.binding(k)
            free = np.isinf(cap.p_max_kw) & np.isinf(cap.p_min_kw)
            offered[:, k] = np.where(free, power_mw[:, k], offered[:, k])
        model = GridModel(
            self.grid.problem.network, replace(assets, offered_mw=offered), self.grid.model.settings
        )
        state = model.solve(power_mw, self.grid.tap_pos)
        excess = model.excess(state)
        moved = np.abs(power_mw - offered) * KW_PER_MW > ROUND_KW
        tight = np.broadcast_to(excess.argmax(axis=1)[:, None], power_mw.shape)
        driving = np.where(moved, tight, -1)
        congested = np.asarray(moved.any(axis=1))
        return model, Cured(power_mw, state, excess, congested, driving, np.zeros_like(congested))

    def _answer(self) -> None:
        """The neighbourhoods' answers; caps that they break widen as far as the grid bears it."""
        number = len(self.process.rounds.history) + 1
        for name, optimiser in self.process.optimisers.items():
            p_kw, cap, widest = (
                optimiser.answer(number, self.caps[name]),
                self.caps[name],
                self._widest,
            )
            over, under = p_kw > cap.p_max_kw + KEPT_KW, p_kw < cap.p_min_kw - KEPT_KW
            if over.any() or under.any():
                self.caps[name] = Cap(
                    np.where(over, np.maximum(widest[name].p_max_kw, 0.0), cap.p_max_kw),
                    np.where(under, np.minimum(widest[name].p_min_kw, 0.0), cap.p_min_kw),
                )
                optimiser.answer(number, self.caps[name])

    def _fit_plants(self) -> None:
        """Set the plants for what the neighbourhoods answered, checked by AC power flow."""
        optimisers = self.process.optimisers
        p_kw = np.column_stack(
            [optimisers[m.problem.name].solution.p_kw for m in self.game.members]
        )
        for _ in range(ROUNDS):
            leader = self.game.leader
            answer = leader.solve(p_kw)
            self.power_mw = np.column_stack([p_kw / KW_PER_MW, leader.plants_mw(answer)])
            worst = self.grid.worst(self.grid.solve(self.power_mw))
            if worst <= SOLVED:
                return
            self.grid.linearise(self.power_mw)
            self.game.leader = Leader(self.game.joint)

    def _choose(self) -> None:
        """Keep the caps of redispatch where their known answers are better."""
        process, name = self.process, "bilevel, caps of the game"
        mine = outcome_of(name, process, self.grid, self.power_mw, self.grid.tap_pos, self.caps, ())
        self.outcomes = (mine, self._known)
        cheapest = min(self.outcomes, key=lambda o: (bool(o.trouble), o.cost_eur))
        self.chosen = min(
            (o for o in self.outcomes if self._is_as_good(o, cheapest)), key=self._taken_kw
        )
        for row in self.game.rows:
            if mine.trouble and row["problem"] == "bilevel" and row["status"].startswith("optimal"):
                row["status"] = NOT_KEPT
        if self.chosen is not mine:
            self.power_mw, self.caps = self._known.power_mw, dict(self._known.caps)
            number = len(process.rounds.history) + 2
            for name, optimiser in process.optimisers.items():
                solution, optimiser.terms = self._restore[name]
                optimiser.history.append((number, solution))

    @staticmethod
    def _is_as_good(outcome: Outcome, cheapest: Outcome) -> bool:
        dearer_eur = outcome.cost_eur - cheapest.cost_eur
        return bool(outcome.trouble) == bool(cheapest.trouble) and dearer_eur <= CHEAPER_EUR

    def _taken_kw(self, outcome: Outcome) -> float:
        """Power that the neighbourhoods' caps take from their offers, summed over the steps."""
        offered = {offer.asset: offer.p_kw for offer in self.process.offers}
        return sum(float(cap.excess_kw(offered[name]).sum()) for name, cap in outcome.caps.items())

    @property
    def trouble(self) -> tuple[str, ...]:
        """What is not kept."""
        return self.chosen.trouble

    def plan(self) -> Plan:
        """What everybody shall do."""
        process, assets = self.process, self.grid.assets
        caps = dict(self.caps)
        for k, name in enumerate(assets.names):
            if name not in process.optimisers:
                limit = limit_of(self.power_mw[:, k], assets.offered_mw[:, k])
                caps[name] = Cap(limit, np.full_like(limit, -np.inf))
        return Plan(
            units=dict(self._units(caps)),
            offers={offer.asset: offer for offer in process.offers},
            caps=caps,
            tap_pos=self.chosen.tap_pos,
            records=self._records(caps),
            degraded=self.trouble,
        )

    def _units(self, caps: Mapping[str, Cap]) -> Iterator[tuple[str, UnitPlan]]:
        for optimiser in self.process.optimisers.values():
            yield from optimiser.unit_plans()
        for plant in self.process.problem.plants:
            yield plant.name, plant_plan(plant.series["available_kw"], caps[plant.name].p_max_kw)

    def _records(self, caps: Mapping[str, Cap]) -> dict[str, Any]:
        process = self.process
        solves = [*self.game.rows, *self._outcome_rows()]
        tables = records(process.problem, process.rounds, process.optimisers, solves)
        if self.chosen is self._known:
            return tables  # caps and their reasons are those of redispatch
        rows: Sequence[Row] = [
            {**row, "round": len(process.rounds.history) + 1}
            for row in cap_rows(
                process.problem.horizon,
                process.offers,
                self._model,
                self._cured,
                self._room,
                caps,
            )
        ]
        return {**tables, "redispatch": rows}

    def _outcome_rows(self) -> Iterator[Row]:
        """Rows of the table ``solves``: upper cost in AC with the true answers, by caps."""
        for outcome in self.outcomes:
            dearer = outcome.cost_eur - self.chosen.cost_eur > CHEAPER_EUR
            said = NOT_KEPT if outcome.trouble else "dearer" if dearer else "not cheaper"
            status = "chosen" if outcome is self.chosen else said
            yield {"problem": outcome.name, "status": status, "objective": outcome.cost_eur}
