"""What messages go through: mango's simulated communication, measured (M6)."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from mango.simulation.communication import (
    CommunicationSimulation,
    CommunicationSimulationResult,
    MessagePackage,
    SimpleCommunicationSimulation,
)

from quartier.agents.messages import Negotiation, size_bytes
from quartier.scenario.settings import CommunicationSettings


@dataclass
class Traffic:
    """Messages sent and their payload, lost ones included."""

    messages: int = 0
    payload_bytes: int = 0


@dataclass
class MeasuredCommunication(CommunicationSimulation):  # type: ignore[misc]  # mango is untyped
    """Delay and loss as the scenario has them; every message is counted.

    Parameters
    ----------
    settings
        Delay and loss.
    seed
        Of the losses.
    keep
        Whether to keep a row per message for the table ``messages``.
    """

    settings: CommunicationSettings
    seed: int
    keep: bool = False
    traffic: defaultdict[Negotiation | None, Traffic] = field(
        default_factory=lambda: defaultdict(Traffic)
    )
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # mango calls it a percentage and reads it as a share.
        self._medium = SimpleCommunicationSimulation(
            loss_percent=self.settings.loss,
            default_delay_s=self.settings.delay_s,
            rng=random.Random(self.seed),
        )

    def calculate_communication(
        self, current_time: float, messages: list[MessagePackage]
    ) -> CommunicationSimulationResult:
        """Count the messages and let the medium decide what becomes of them."""
        result = self._medium.calculate_communication(current_time, messages)
        for message, fate in zip(messages, result.package_results, strict=True):
            content = message.content[0]
            size = size_bytes(content)
            total = self.traffic[getattr(content, "negotiation", None)]
            total.messages += 1
            total.payload_bytes += size
            if self.keep:
                self.rows.append(
                    {
                        "sim_time_s": current_time,
                        "sender": message.sender_id,
                        "receiver": message.receiver_id,
                        "kind": type(content).__name__,
                        "bytes": size,
                        "delivered": fate.reached,
                    }
                )
        return result
