"""What agents say to each other: frozen snapshots, never live state (M6).

In-process containers deliver by reference, so whatever is sent must not change afterwards:
arrays are made read-only, mappings are read-only copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from quartier.agents.counters import Counters
from quartier.planning import Band
from quartier.problem import ConnectionTerms, Supply
from quartier.quantities import Array

GRID = 2.0**-20
"""What is told of a schedule (kW) and its cost (EUR) is a multiple of this, a millionth: sums up to
2**32 are then exact in floating point, so that they do not depend on the order of adding up."""

Reference = tuple[str, int]
"""Agent and counter: names one choice for ever."""

OWN_RULE = 0
"""Counter of the choice to follow the own rules: everybody has it before any other choice, so that
others can stand in for an agent that is silent, and it can come back with a newer choice."""


def frozen(values: Array) -> Array:
    """Return a read-only copy of an array."""
    copy = np.array(values, dtype=float)
    copy.flags.writeable = False
    return copy


def frozen_terms(terms: ConnectionTerms) -> ConnectionTerms:
    """Return a copy of terms whose arrays are read-only."""
    own = vars(terms).items()
    arrays: dict[str, Any] = {k: frozen(v) for k, v in own if isinstance(v, np.ndarray)}
    if terms.served is not None:
        served = terms.served
        told = (served.price_eur_per_kwh, served.least_kw, served.most_kw)
        arrays["served"] = Supply(served.dt_h, *map(frozen, told))
    return replace(terms, **arrays)


def snapshot(mapping: Mapping[str, int]) -> Counters:
    """Return a read-only copy of counters by agent."""
    return Counters.of(mapping)


def on_grid(values: Array) -> Array:
    """Return a read-only copy, rounded to multiples of :data:`GRID`."""
    copy = np.round(np.asarray(values, dtype=float) / GRID) * GRID
    copy.flags.writeable = False
    return copy


@dataclass(frozen=True)
class Negotiation:
    """Names a negotiation: who holds it, and in which round of redispatch."""

    neighbourhood: str
    round: int


# -- between the DSO and the connection points -------------------------------------------------


@dataclass(frozen=True)
class CallForOffers:
    """The DSO asks a connection point for its offer."""


@dataclass(frozen=True)
class Heard:
    """A connection point got the DSO's question; its answer will take a while."""

    asset: str


@dataclass(frozen=True)
class OfferMade:
    """Schedule and band of a connection point; shapes ``(T,)``, kW positive into the grid."""

    asset: str
    p_kw: Array
    down_kw: Array
    up_kw: Array
    q_kvar: Array
    curtailed_kw: Array
    """Renewable power that the schedule itself curtails."""


def offer_made(asset: str, band: Band, q_kvar: Array) -> OfferMade:
    """Return an offer as it is told to the DSO."""
    told = (frozen(v) for v in (band.p_kw, band.down_kw, band.up_kw, q_kvar, band.curtailed_kw))
    return OfferMade(asset, *told)


@dataclass(frozen=True)
class SetCap:
    """P_set: feed-in at most ``p_max_kw``, and (negative for consumption) at least ``p_min_kw``."""

    round: int
    p_max_kw: Array
    p_min_kw: Array


@dataclass(frozen=True)
class Accepted:
    """What a connection point will do under its P_set, and so what it cannot keep."""

    asset: str
    round: int
    p_kw: Array


# -- inside a neighbourhood: COHDA ---------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """Begins a negotiation; fixes prices, limits and who takes part."""

    negotiation: Negotiation
    terms: ConnectionTerms
    participants: tuple[str, ...]
    instead: tuple[Entry, ...] = ()
    """What agents keep to that were not heard any more, in place of what was known of them."""


@dataclass(frozen=True)
class Begun:
    """An agent got the start, and negotiates."""

    negotiation: Negotiation
    agent: str


@dataclass(frozen=True)
class Entry:
    """One agent's choice at one count: schedule, what is curtailable in it, its own cost."""

    agent: str
    counter: int
    p_kw: Array
    curtailable_kw: Array
    cost_eur: float

    @cached_property
    def reference(self) -> Reference:
        """Agent and counter."""
        return self.agent, self.counter

    @cached_property
    def size(self) -> int:
        """Bytes it takes in a message: numbers as 8 bytes, text as UTF-8."""
        return len(self.agent.encode()) + self.p_kw.nbytes + self.curtailable_kw.nbytes + 16

    @cached_property
    def is_curtailable(self) -> bool:
        """Whether anything in it can be curtailed."""
        return bool(self.curtailable_kw.any())

    def says_as(self, other: Entry) -> bool:
        """Whether another entry says the same of the same choice."""
        return (
            (self.reference, self.cost_eur) == (other.reference, other.cost_eur)
            and np.array_equal(self.p_kw, other.p_kw)
            and np.array_equal(self.curtailable_kw, other.curtailable_kw)
        )


def entry_of(agent: str, counter: int, p_kw: Array, curtailable_kw: Array, cost: float) -> Entry:
    """Return a choice (kW, kW, EUR) as it is told to the others."""
    return Entry(agent, counter, *as_told(p_kw, curtailable_kw, cost))


def as_told(p_kw: Array, curtailable_kw: Array, cost_eur: float) -> tuple[Array, Array, float]:
    """Return power, what is curtailable in it (kW), and cost (EUR): read-only, and on the grid."""
    return on_grid(p_kw), on_grid(curtailable_kw), round(cost_eur / GRID) * GRID


@dataclass(frozen=True)
class Candidate:
    """Solution candidate γ: a choice of every known agent, its value, and its author."""

    counters: Mapping[str, int]
    value: float
    author: str


@dataclass(frozen=True)
class Gossip:
    """Working memory as a reference by counters, with the entries that the receiver may lack."""

    negotiation: Negotiation
    entries: tuple[Entry, ...]
    omega: Mapping[str, int]
    gamma: Candidate | None
    digest: bool = False
    """Sent by the clock against loss (anti-entropy), not because something changed."""


@dataclass(frozen=True)
class Missing:
    """Asks for entries that were referred to but never arrived."""

    negotiation: Negotiation
    wanted: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class AskStart:
    """Asks for the start of a negotiation that an agent hears others hold."""

    negotiation: Negotiation


@dataclass(frozen=True)
class Commit:
    """Publishes the chosen candidate; every agent keeps its own choice in it."""

    negotiation: Negotiation
    gamma: Candidate
    curtailed_share: Array
    """Share of the available renewable power to curtail in each step, shape ``(T,)``."""


@dataclass(frozen=True)
class Acknowledge:
    """An agent commits to its choice; ``up_kw`` and ``down_kw`` are its band.

    ``shiftable_kw`` is the part of the band, both ways, of loads that it can move in time.
    """

    negotiation: Negotiation
    agent: str
    counter: int
    up_kw: Array
    down_kw: Array
    shiftable_kw: Array


@dataclass(frozen=True)
class Curtail:
    """Replaces the share of a commitment: other agents do otherwise, or P_set leaves more room."""

    negotiation: Negotiation
    number: int
    """Newer ones of a negotiation have greater numbers."""
    curtailed_share: Array


@dataclass(frozen=True)
class Curtails:
    """An agent keeps to the share of a :class:`Curtail`."""

    negotiation: Negotiation
    agent: str
    number: int


@dataclass(frozen=True)
class Settled:
    """An agent has weighed all that it knows, and would change nothing: γ, and how old Ω is.

    No agent can change anything any more if all say the same, and nobody has made a choice since
    that another one does not know of (:meth:`quartier.agents.caller.CallerAgent.on_settled`).
    """

    negotiation: Negotiation
    agent: str
    value: float
    """Value of γ in EUR."""
    author: str
    own: int
    """Counter of the agent's own newest choice; -1 if it makes none."""
    known: int
    """Sum of all counters in Ω, which grows with every choice that is heard of."""


# -- inside a neighbourhood: two agents at once ----------------------------------------------------


@dataclass(frozen=True)
class Look:
    """Asks a settled agent to look for another one with whom it gains."""

    negotiation: Negotiation


@dataclass(frozen=True)
class Looked:
    """An agent has looked for partners; ``gain_eur`` is by how much γ got better."""

    negotiation: Negotiation
    gain_eur: float
    contented: bool
    """Whether all answered that they would do nothing better at its price. Then no plan of any
    number of them is better, but for units that switch."""


@dataclass(frozen=True)
class PairCall:
    """Asks an agent what it would do at a price of its power, shape ``(T,)``, EUR/kWh."""

    negotiation: Negotiation
    number: int
    price_eur_per_kwh: Array


@dataclass(frozen=True)
class PairAnswer:
    """What an agent would do at a price, and by how much that is better for it than what it does.

    ``p_kw`` (shape ``(T,)``) is empty if nothing is better.
    """

    negotiation: Negotiation
    number: int
    gain_eur: float
    p_kw: Array
    cost_eur: float


@dataclass(frozen=True)
class PairOffer:
    """Tells a partner what all others would do, shape ``(T,)``, kW: the asker has moved.

    ``curtailable_kw`` is the renewable power in it.
    """

    negotiation: Negotiation
    number: int
    p_kw: Array
    curtailable_kw: Array


@dataclass(frozen=True)
class PairReply:
    """The partner's choice beside what it was offered; it holds as soon as it is in γ."""

    negotiation: Negotiation
    number: int
    entry: Entry


@dataclass(frozen=True)
class Failed:
    """An agent could not go on; its reason, for the run's report."""

    agent: str
    reason: str


def size_bytes(content: Any) -> int:
    """Payload of a message in a plain binary encoding.

    Numbers take 8 bytes, counters 8 with the agent's number, text its UTF-8 length.
    """
    own = getattr(content, "size_bytes", None)
    if own is not None:
        return int(own)
    if isinstance(content, Gossip):  # most of what is sent: not taken apart field by field
        head = len(content.negotiation.neighbourhood.encode()) + 16  # round and digest
        gamma = 0 if content.gamma is None else size_bytes(content.gamma)
        return head + gamma + 8 * len(content.omega) + sum([e.size for e in content.entries])
    if isinstance(content, Candidate):
        return 8 * len(content.counters) + 8 + len(content.author.encode())
    if isinstance(content, Entry):
        return content.size
    if isinstance(content, np.ndarray):
        return int(content.nbytes)
    if isinstance(content, str):
        return len(content.encode())
    if isinstance(content, Mapping):
        return 8 * len(content)
    if isinstance(content, tuple):
        return sum(size_bytes(item) for item in content)
    if is_dataclass(content):
        return sum(size_bytes(getattr(content, f.name)) for f in fields(content))
    return 0 if content is None else 8
