"""What must hold between the settings of communication and who there is to communicate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from quartier.scenario.communication import (
    DSO,
    MARKET,
    POOL,
    CommunicationSettings,
    LinkSettings,
    OutageSettings,
    is_meant,
)
from quartier.scenario.findings import Findings
from quartier.scenario.models import Scenario
from quartier.scenario.nodes import agents_of
from quartier.scenario.problems import suggestion
from quartier.scenario.repair import Rest
from quartier.units.base import UnitData

Flags: TypeAlias = NDArray[np.bool_]


def check_communication(rest: Rest, plants: Sequence[UnitData], findings: Findings) -> None:
    """Note agents and links that are not there, and settings that cannot come into play.

    Parameters
    ----------
    rest
        The scenario; what was taken out of it because it is wrong is not called missing.
    plants
        Plants that take part in redispatch.
    """
    scenario = rest.scenario
    if DSO in scenario.neighbourhoods:
        findings.add(f"neighbourhoods.{DSO}", "is the name of the DSO's agent; rename it")
    suppliers = list(getattr(scenario.problem, "suppliers", ()))
    for name in sorted(scenario.neighbourhoods.keys() & suppliers):
        findings.add(f"problem.suppliers.{name}", "is the name of a neighbourhood, too; rename it")
    settings = scenario.communication
    _check_network(settings, findings)
    if not settings.links and not settings.outages:
        return
    groups = {
        neighbourhood: _agents(scenario, neighbourhood) for neighbourhood in scenario.neighbourhoods
    }
    names = [DSO, *groups, *(p.name for p in plants)]
    names += [agent for group in groups.values() for agent in group]
    pool = {"sharing": POOL, "market": MARKET}.get(scenario.problem.kind)
    if pool is not None:
        names += [pool, *suppliers]
    agents_known = not any(map(rest.lacks, ("neighbourhoods", "redispatch", "grid")))
    if agents_known and not rest.lacks("communication", "links"):
        _check_links(settings, names, _talks(names, groups, suppliers), findings)
    _check_outages(rest, names if agents_known else None, findings)


MEDIUM = ("loss", "bandwidth_kbit_per_s", "links", "outages")
"""What a simulated medium does to messages, besides delay."""


def _check_network(settings: CommunicationSettings, findings: Findings) -> None:
    """Note what of the medium comes into play only where it is simulated."""
    if settings.transport == "simulated":
        return
    tls = settings.network.tls
    if settings.transport == "tcp" and tls is not None and tls.cert is None:
        findings.add("communication.network.tls.cert", "is missing: who listens needs one")
    if settings.replay is not None:
        findings.add("communication.replay", "needs transport: simulated; leave out one of them")
    idle = [name for name in MEDIUM if getattr(settings, name)]
    if idle:
        what = (
            f"is simulated only with transport: simulated; over {settings.transport} it is as it is"
        )
        for name in idle:
            findings.note(f"communication.{name}", what)


def _agents(scenario: Scenario, neighbourhood: str) -> list[str]:
    agents = agents_of(scenario)
    names = scenario.neighbourhoods[neighbourhood].units
    return list(dict.fromkeys(agent for name in names for agent in agents[neighbourhood, name]))


def _talks(
    names: Sequence[str], groups: Mapping[str, Sequence[str]], suppliers: Sequence[str]
) -> Flags:
    """Who may send to whom, shape ``(n, n)``.

    The DSO and the points, those of a neighbourhood, and those that share a pool or a market.
    """
    at = {name: k for k, name in enumerate(names)}
    inside = {agent for group in groups.values() for agent in group} | set(suppliers)
    points = [at[name] for name in names if name not in inside and name != DSO]
    talks = np.zeros((len(names), len(names)), dtype=bool)
    talks[at[DSO], points] = talks[points, at[DSO]] = True
    for neighbourhood, group in groups.items():
        own = [at[neighbourhood], *(at[agent] for agent in group)]
        talks[np.ix_(own, own)] = True
    pool = next((name for name in (POOL, MARKET) if name in at), None)
    if pool is not None:  # it talks to neighbourhoods or to all units, and these to each other
        units = [at[name] for name in (pool, *sorted(inside - set(suppliers)))]
        traders = [at[name] for name in suppliers]
        talks[at[pool], traders] = talks[traders, at[pool]] = True
        talks[at[pool], [at[name] for name in groups]] = True
        talks[[at[name] for name in groups], at[pool]] = True
        talks[np.ix_(units, units)] = True
    np.fill_diagonal(talks, False)
    return talks


def _check_links(
    settings: CommunicationSettings, names: Sequence[str], talks: Flags, findings: Findings
) -> None:
    """Every link must know its agents, and be the first that fits some pair of them."""
    free = talks.copy()
    for key, link in settings.links.items():
        path = f"communication.links.{key}"
        lacking = list(_lacking(link, names))
        for problem in lacking:
            findings.add(path, problem)
        fits = talks & _fits(link, names)
        if not fits.any() and not lacking:
            findings.add(path, "none of its senders ever talks to one of its receivers; remove it")
        elif not (fits & free).any() and not lacking:
            findings.add(path, "earlier links take all of its pairs of agents; put it before them")
        free &= ~fits


def _lacking(link: LinkSettings, names: Sequence[str]) -> Iterator[str]:
    for pattern in (*link.sender_patterns, *link.receiver_patterns):
        if not any(is_meant(pattern, name) for name in names):
            yield f"there is no agent {pattern!r}{suggestion(pattern, names)}"


def _fits(link: LinkSettings, names: Sequence[str]) -> Flags:
    """Pairs of agents whose messages a link could carry, shape ``(n, n)``."""
    sends, receives = (
        np.array([any(is_meant(pattern, name) for pattern in patterns) for name in names])
        for patterns in (link.sender_patterns, link.receiver_patterns)
    )
    there = np.logical_and.outer(sends, receives)
    return np.asarray(there | there.T if link.both_ways else there)


def _check_outages(rest: Rest, names: Sequence[str] | None, findings: Findings) -> None:
    """Check outages; names of agents are None where some are not known."""
    settings, gates = rest.scenario.communication, _gate_count(rest.scenario)
    links_known = not rest.lacks("communication", "links")
    gates_known = not rest.lacks("gates") and not rest.lacks("horizon")
    for k, outage in enumerate(settings.outages):
        path = f"communication.outages.{k}"
        if outage.agent is not None and names is not None and outage.agent not in names:
            near = suggestion(outage.agent, names)
            findings.add(path, f"there is no agent {outage.agent!r}{near}")
        if outage.link is not None and links_known and outage.link not in settings.links:
            near = suggestion(outage.link, settings.links)
            findings.add(path, f"there is no link {outage.link!r} in communication.links{near}")
        late = [gate for gate in outage.gates or () if gate >= gates]
        if late and gates_known:
            findings.add(path, f"there is no gate {late[0]}; the last one is {gates - 1}")
    if not rest.lacks("communication", "outages"):
        _check_overlaps(settings.outages, findings)


def _gate_count(scenario: Scenario) -> int:
    gates, steps = scenario.gates, scenario.horizon.steps
    return len(range(gates.first, steps, gates.every or steps))


def _check_overlaps(outages: Sequence[OutageSettings], findings: Findings) -> None:
    """What is down already cannot go down."""
    for (i, one), (k, other) in combinations(enumerate(outages), 2):
        same = (one.agent, one.link) == (other.agent, other.link)
        together = one.gates is None or other.gates is None or set(one.gates) & set(other.gates)
        if same and together and one.from_s < other.end_s and other.from_s < one.end_s:
            findings.add(
                f"communication.outages.{k}", f"overlaps with outage {i} of the same; join them"
            )
