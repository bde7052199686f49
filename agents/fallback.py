"""What agents do that do not take part: what they acknowledged last, or their own rules (M6)."""

from __future__ import annotations

from quartier.agents.choice import option_of
from quartier.agents.messages import OWN_RULE, Entry, entry_of
from quartier.problem import NeighbourhoodProblem
from quartier.units.sampling import own_rules
from quartier.units.schedule import Schedule


class Fallbacks:
    """What the agents of a neighbourhood do as far as its speaker knows.

    Parameters
    ----------
    problem
        The neighbourhood with its units.
    """

    def __init__(self, problem: NeighbourhoodProblem) -> None:
        self._problem = problem
        self._schedules: dict[str, Schedule] = {}
        self._acknowledged: dict[str, Entry] = {}

    def acknowledge(self, entry: Entry) -> None:
        """Take note of a choice that an agent committed to: it keeps to that from now on."""
        self._acknowledged[entry.agent] = entry

    def own_rule(self, agent: str) -> Schedule:
        """What the units of an agent do if nobody plans for anybody."""
        if not self._schedules:
            penalty = self._problem.terms.penalty_eur_per_kwh
            self._schedules = own_rules(self._problem.units, penalty)
        return self._schedules[agent]

    def entry(self, agent: str) -> Entry:
        """Return the choice that an agent keeps to if it is not heard any more."""
        if agent in self._acknowledged:
            return self._acknowledged[agent]
        option = option_of(self.own_rule(agent), self._problem.terms)
        return entry_of(agent, OWN_RULE, option.p_kw, option.curtailable_kw, option.cost_eur)
