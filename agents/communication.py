"""What messages go through: mango's simulated communication, measured (M6).

Delay, loss, bandwidth and outages as the scenario has them. An agent never learns from sending
whether a message arrives: :meth:`quartier.agents.base.QuartierAgent.tell` returns nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mango.simulation.communication import (
    CommunicationSimulation,
    CommunicationSimulationResult,
    MessagePackage,
    PackageResult,
)

from quartier.agents.delays import delays_s, shares
from quartier.agents.messages import Negotiation, size_bytes
from quartier.scenario.communication import (
    CommunicationSettings,
    Delay,
    LinkSettings,
    OutageSettings,
)

BITS_PER_KBIT = 1000
"""Networks count in decimal thousands."""


@dataclass
class Traffic:
    """Messages sent and their payload, lost ones included."""

    messages: int = 0
    payload_bytes: int = 0
    numbers: int = 0
    """Numbers in messages that say how many they hold."""


@dataclass(frozen=True)
class Fate:
    """What becomes of a message: its delay, and why it is lost, nothing if it is not."""

    delay_s: float
    lost_to: str = ""


@dataclass(frozen=True)
class Measure:
    """What is counted of a message."""

    kind: str
    size: int
    """Payload in bytes."""
    negotiation: Negotiation | None
    numbers: int


def measure_of(content: Any) -> Measure:
    """Measure a message."""
    return Measure(
        type(content).__name__,
        size_bytes(content),
        getattr(content, "negotiation", None),
        getattr(content, "numbers", 0),
    )


class Link:
    """A medium between agents, which one message after the other goes over.

    Parameters
    ----------
    settings
        Of all messages.
    own
        What differs on this link; None for the medium of everybody else.
    outages
        When it is down.
    rng
        Of its losses and delays.
    """

    def __init__(
        self,
        settings: CommunicationSettings,
        own: LinkSettings | None,
        outages: Sequence[OutageSettings],
        rng: np.random.Generator,
    ) -> None:
        of_delays, of_losses = rng.spawn(2)
        delay: Delay = _own(own, "delay_s", settings.delay_s)
        self.loss: float = _own(own, "loss", settings.loss)
        self.bandwidth: float | None = _own(
            own, "bandwidth_kbit_per_s", settings.bandwidth_kbit_per_s
        )
        self._shared: bool = _own(own, "shared", False)
        self._outages = tuple(outages)
        self._delays, self._shares = delays_s(delay, of_delays), shares(of_losses)
        self._free_s: defaultdict[tuple[str | None, str] | None, float] = defaultdict(float)

    def fate(self, sender: str | None, receiver: str, now_s: float, size: int) -> Fate:
        """Send a message of ``size`` bytes: it waits for those before it, then travels."""
        outages = self._outages
        if outages and any(o.from_s <= now_s < o.end_s for o in outages):
            return Fate(0.0, "link is down")
        sent_s = now_s
        if self.bandwidth is not None:
            pair = None if self._shared else (sender, receiver)
            holds_s = 8 * size / (BITS_PER_KBIT * self.bandwidth)
            self._free_s[pair] = sent_s = max(now_s, self._free_s[pair]) + holds_s
        delay_s = sent_s - now_s + next(self._delays)
        if self.loss and next(self._shares) < self.loss:
            return Fate(delay_s, "loss")
        if outages and any(now_s < o.end_s and o.from_s <= now_s + delay_s for o in outages):
            return Fate(delay_s, "link is down")
        return Fate(delay_s)


def _own(own: LinkSettings | None, name: str, otherwise: Any) -> Any:
    value = getattr(own, name, None)
    return otherwise if value is None else value


class MeasuredCommunication(CommunicationSimulation):  # type: ignore[misc]  # mango is untyped
    """The medium of one gate; every message is counted.

    Parameters
    ----------
    settings
        Delays, losses, bandwidths and outages.
    rng
        Of all that is random in it.
    gate
        Number of the gate, which outages may be limited to.
    keep
        Whether to keep a row per message for the table ``messages``.
    """

    def __init__(
        self,
        settings: CommunicationSettings,
        rng: np.random.Generator,
        gate: int = 0,
        keep: bool = False,
    ) -> None:
        self.settings = settings
        self.keep = keep
        self.traffic: defaultdict[Negotiation | None, Traffic] = defaultdict(Traffic)
        self.rows: list[dict[str, Any]] = []
        outages = [o for o in settings.outages if o.happens_at(gate)]
        self._down: defaultdict[str | None, list[OutageSettings]] = defaultdict(list)
        for outage in outages:
            if outage.agent is not None:
                self._down[outage.agent].append(outage)
        media: list[tuple[str | None, LinkSettings | None]] = [(None, None)]
        media += settings.links.items()
        self._links = {
            key: Link(settings, own, [o for o in outages if key and o.link == key], child)
            for (key, own), child in zip(media, rng.spawn(len(media)), strict=True)
        }
        self._routes: dict[tuple[str | None, str], Link] = {}

    def calculate_communication(
        self, current_time: float, messages: list[MessagePackage]
    ) -> CommunicationSimulationResult:
        """Count the messages, and tell what becomes of each."""
        return CommunicationSimulationResult([self._sent(current_time, m) for m in messages])

    def _sent(self, now_s: float, message: MessagePackage) -> PackageResult:
        measure = measure_of(message.content[0])
        fate = self.fate(message.sender_id, message.receiver_id, now_s, measure.size)
        self.count(now_s, message.sender_id, message.receiver_id, measure, fate)
        return PackageResult(reached=not fate.lost_to, delay_s=fate.delay_s)

    def count(
        self, now_s: float, sender: str | None, receiver: str, measure: Measure, fate: Fate
    ) -> None:
        """Count a message, and keep its row if asked for."""
        total = self.traffic[measure.negotiation]
        total.messages += 1
        total.payload_bytes += measure.size
        total.numbers += measure.numbers
        if self.keep:
            self.rows.append(
                {
                    "sim_time_s": now_s,
                    "sender": sender,
                    "receiver": receiver,
                    "kind": measure.kind,
                    "bytes": measure.size,
                    "delivered": not fate.lost_to,
                    "delay_s": fate.delay_s,
                    "lost_to": fate.lost_to,
                }
            )

    def fate(self, sender: str | None, receiver: str, now_s: float, size: int) -> Fate:
        """Tell what becomes of a message of ``size`` bytes that is sent now."""
        if self._is_down(sender, now_s):
            return Fate(0.0, "sender is down")
        fate = self._link(sender, receiver).fate(sender, receiver, now_s, size)
        if not fate.lost_to and self._is_down(receiver, now_s + fate.delay_s):
            return Fate(fate.delay_s, "receiver is down")
        return fate

    def _is_down(self, agent: str | None, time_s: float) -> bool:
        outages = self._down.get(agent)
        return outages is not None and any(o.from_s <= time_s < o.end_s for o in outages)

    def _link(self, sender: str | None, receiver: str) -> Link:
        """Return the first link that fits, remembered for the pair."""
        pair = (sender, receiver)
        if pair not in self._routes:
            fits = (k for k, own in self.settings.links.items() if own.fits(str(sender), receiver))
            self._routes[pair] = self._links[next(fits, None)]
        return self._routes[pair]
