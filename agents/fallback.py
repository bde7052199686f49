"""What agents do that do not take part: what they acknowledged last, or their own rules (M6)."""

from __future__ import annotations

from collections.abc import Mapping

from quartier.agents.choice import option_of
from quartier.agents.messages import OWN_RULE, Entry, entry_of
from quartier.problem import ConnectionTerms
from quartier.units.schedule import Schedule


def own_rule_entry(agent: str, schedule: Schedule, terms: ConnectionTerms) -> Entry:
    """What an agent publishes of its units before a gate: what they do if nobody plans for them."""
    option = option_of(schedule, terms)
    return entry_of(agent, OWN_RULE, option.p_kw, option.curtailable_kw, option.cost_eur)


class Fallbacks:
    """What the agents of a neighbourhood do as far as its speaker knows.

    Parameters
    ----------
    published
        What every agent published beforehand: its own rules.
    """

    def __init__(self, published: Mapping[str, Entry]) -> None:
        self._published = published
        self._acknowledged: dict[str, Entry] = {}

    def acknowledge(self, entry: Entry) -> None:
        """Take note of a choice that an agent committed to: it keeps to that from now on."""
        self._acknowledged[entry.agent] = entry

    def own_rule(self, agent: str) -> Entry:
        """What the units of an agent do that nobody plans for."""
        return self._published[agent]

    def entry(self, agent: str) -> Entry:
        """Return the choice that an agent keeps to if it is not heard any more."""
        return self._acknowledged.get(agent) or self.own_rule(agent)
