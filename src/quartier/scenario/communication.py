"""What a scenario may say of the medium that agents' messages go through.

Times are simulated seconds: every gate has a clock of its own that starts at 0.
"""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    model_validator,
)

from quartier.scenario.network import NetworkSettings, Transport
from quartier.units.base import Frozen

DSO = "dso"
"""Name of the DSO's agent."""

POOL = "sharing pool"
"""Name of the agent that speaks for a pool of neighbourhoods."""

MARKET = "market operator"
"""Name of the agent that speaks for a market."""

PLAYER = "multi-energy player"
"""Name of who sets the prices of all carriers. It has no agent."""

Loss = Annotated[float, Field(ge=0, lt=1)]
"""Share of messages."""

Pattern = Annotated[str, Field(min_length=1)]
"""An agent's name, or a pattern for names: `*` for any text, `?` for any character."""


class UniformDelay(Frozen):
    """`kind: uniform`: any delay between two bounds is equally likely."""

    kind: Literal["uniform"]
    min_s: NonNegativeFloat = 0.0
    """Least delay in s."""
    max_s: PositiveFloat
    """Greatest delay in s."""

    @model_validator(mode="after")
    def _some_width(self) -> UniformDelay:
        _ordered(self.min_s, self.max_s)
        return self


class NormalDelay(Frozen):
    """`kind: normal`, cut off below `min_s` and above `max_s`."""

    kind: Literal["normal"]
    mean_s: NonNegativeFloat
    """Mean in s before it is cut off."""
    sd_s: PositiveFloat
    """Standard deviation in s before it is cut off."""
    min_s: NonNegativeFloat = 0.0
    """Least delay in s."""
    max_s: PositiveFloat | None = None
    """Greatest delay in s; none if left out."""

    @model_validator(mode="after")
    def _some_width(self) -> NormalDelay:
        _ordered(self.min_s, self.max_s)
        _around(self.mean_s, self.min_s, self.max_s)
        return self


class LognormalDelay(Frozen):
    """`kind: lognormal`, as delays in wide-area networks are; cut off above `max_s`."""

    kind: Literal["lognormal"]
    mean_s: PositiveFloat
    """Mean of the delay (not of its logarithm) in s before it is cut off."""
    sd_s: PositiveFloat
    """Standard deviation of the delay in s before it is cut off."""
    max_s: PositiveFloat | None = None
    """Greatest delay in s; none if left out."""

    @model_validator(mode="after")
    def _mean_inside(self) -> LognormalDelay:
        _around(self.mean_s, 0.0, self.max_s)
        return self


class ExponentialDelay(Frozen):
    """`kind: exponential`: a least delay and a drawn one on top; cut off above `max_s`."""

    kind: Literal["exponential"]
    mean_s: PositiveFloat
    """Mean in s of what comes on top of `min_s`, before it is cut off."""
    min_s: NonNegativeFloat = 0.0
    """Least delay in s."""
    max_s: PositiveFloat | None = None
    """Greatest delay in s; none if left out."""

    @model_validator(mode="after")
    def _some_width(self) -> ExponentialDelay:
        _ordered(self.min_s, self.max_s)
        return self


def _ordered(min_s: float, max_s: float | None) -> None:
    if max_s is not None and min_s >= max_s:
        raise ValueError(f"min_s {min_s:g} is not below max_s {max_s:g}")


def _around(mean_s: float, min_s: float, max_s: float | None) -> None:
    if mean_s < min_s or (max_s is not None and mean_s > max_s):
        raise ValueError(f"mean_s {mean_s:g} lies outside of the delays allowed")


Distribution: TypeAlias = Annotated[
    UniformDelay | NormalDelay | LognormalDelay | ExponentialDelay, Field(discriminator="kind")
]
"""A distribution of delays, told apart by `kind`."""

Delay: TypeAlias = NonNegativeFloat | Distribution
"""A delay in s: always the same, or drawn for each message."""


class LinkSettings(Frozen):
    """A medium of its own between some of the agents; what it leaves out is as for all others."""

    senders: Pattern | Annotated[list[Pattern], Field(min_length=1)]
    """Who sends over it: an agent's name, a pattern such as `fliegerhorst.*`, or a list of them.
    The DSO's agent is `dso`, a neighbourhood's has its name, a unit's `<neighbourhood>.<unit>`."""
    receivers: Pattern | Annotated[list[Pattern], Field(min_length=1)]
    """Who receives over it."""
    both_ways: bool = True
    """Whether answers go over it too."""
    delay_s: Delay | None = None
    """Delay of a message in s, besides what the bandwidth makes of its size: a number, or a
    distribution."""
    loss: Loss | None = None
    """Share of the messages that are lost."""
    bandwidth_kbit_per_s: PositiveFloat | None = None
    """Bandwidth in kbit/s (1,000 bit/s): a message of `n` bytes holds the link for
    `n * 8 / (1000 * bandwidth_kbit_per_s)` s, the next one waits for it."""
    shared: bool | None = None
    """Whether all pairs of agents on the link share its bandwidth, as on a radio channel. Without
    it, each sender has the bandwidth to each receiver to itself."""

    @property
    def sender_patterns(self) -> list[str]:
        """Who sends, as a list."""
        return [self.senders] if isinstance(self.senders, str) else self.senders

    @property
    def receiver_patterns(self) -> list[str]:
        """Who receives, as a list."""
        return [self.receivers] if isinstance(self.receivers, str) else self.receivers

    def fits(self, sender: str, receiver: str) -> bool:
        """Whether a message from one agent to another goes over this link."""
        there = _names(self.sender_patterns, sender) and _names(self.receiver_patterns, receiver)
        back = _names(self.sender_patterns, receiver) and _names(self.receiver_patterns, sender)
        return there or (self.both_ways and back)


def _names(patterns: list[str], name: str) -> bool:
    return any(is_meant(pattern, name) for pattern in patterns)


def is_meant(pattern: str, name: str) -> bool:
    """Whether a pattern is an agent's name, or fits it."""
    return pattern == name or fnmatchcase(name, pattern)


class OutageSettings(Frozen):
    """Who or what is cut off, and when: nothing is sent, and nothing arrives.

    An agent that is cut off keeps what it knows.
    """

    agent: str | None = Field(default=None, min_length=1)
    """Agent that is cut off, by its name."""
    link: str | None = Field(default=None, min_length=1)
    """Link that is down, by its key in `links`."""
    from_s: NonNegativeFloat = 0.0
    """Start in simulated s since the gate began."""
    to_s: PositiveFloat | None = None
    """End in simulated s since the gate began; without it, it lasts to the end of the gate."""
    gates: list[NonNegativeInt] | None = Field(default=None, min_length=1)
    """Numbers of the gates in which it happens, the first is 0; without it, in every one."""

    @property
    def end_s(self) -> float:
        """End in simulated s, infinite if it lasts to the end of the gate."""
        return math.inf if self.to_s is None else self.to_s

    def happens_at(self, gate: int) -> bool:
        """Whether it happens at a gate."""
        return self.gates is None or gate in self.gates

    @model_validator(mode="after")
    def _one_thing_for_a_while(self) -> OutageSettings:
        wrong = []
        if (self.agent is None) == (self.link is None):
            wrong.append("name exactly one of 'agent' and 'link'")
        if self.to_s is not None and self.from_s >= self.to_s:
            wrong.append(f"from_s {self.from_s:g} is not before to_s {self.to_s:g}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


class CommunicationSettings(Frozen):
    """What the messages go through."""

    transport: Transport = "simulated"
    """`simulated`: all agents live in one process, and messages go through a simulated medium, as
    the keys below have it. `tcp`, `mqtt`: each neighbourhood's agents live in a process of their
    own, and messages go over TCP or an MQTT broker; what a medium does to them is then not
    simulated. Mechanisms without agents take no notice."""
    network: NetworkSettings = NetworkSettings()
    """Where, with `transport: tcp` or `mqtt`, the processes find each other."""
    replay: str | None = None
    """With `transport: simulated`: folder of a run whose table `messages` (`record.messages`) says
    who hears whom in which order. Agents then do again what they did over a network."""
    delay_s: Delay = 0.05
    """Delay of a message in s, besides what the bandwidth makes of its size: a number, or a
    distribution, e.g. `{kind: lognormal, mean_s: 0.2, sd_s: 0.1}`."""
    loss: Loss = 0.0
    """Share of the messages that are lost, each independently of the others."""
    bandwidth_kbit_per_s: PositiveFloat | None = None
    """Bandwidth in kbit/s (1,000 bit/s) from each sender to each receiver: a message of `n` bytes
    takes `n * 8 / (1000 * bandwidth_kbit_per_s)` s, the next one waits for it. Without it, size
    makes no delay."""
    links: dict[str, LinkSettings] = Field(default_factory=dict)
    """Other media between some agents, by a name of one's own. The first that fits a pair of
    agents is theirs."""
    outages: list[OutageSettings] = Field(default_factory=list)
    """Agents and links that are cut off for a while."""
