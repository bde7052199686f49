"""What the orchestrator's side of a network can do, whichever it is."""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeAlias

Caller: TypeAlias = str
"""Names a connection, or what stands for one."""

MOST_UNKNOWN_BYTES = 2**16
"""Longest frame of somebody who has not shown yet who it is."""

MOST_UNKNOWN = 64
"""Most connections of such at a time."""

HANDSHAKE_S = 10.0
"""Longest wall time in s until a caller shows who it is."""


def too_long(size: int) -> str:
    """Say that something of our own is longer than what is taken."""
    return (
        f"a message of {size} bytes is too long; raise communication.network.max_message_bytes,"
        " or plan fewer steps at a gate"
    )


class Gone(ConnectionError):
    """A connection is lost: call again."""


@dataclass(frozen=True)
class Called:
    """Somebody calls."""

    caller: Caller


@dataclass(frozen=True)
class Arrived:
    """A caller sent something."""

    caller: Caller
    payload: bytes


@dataclass(frozen=True)
class Lost:
    """A caller is gone."""

    caller: Caller


@dataclass(frozen=True)
class Dropped:
    """Something was not even read."""

    why: str


Event: TypeAlias = Called | Arrived | Lost | Dropped


class Port(ABC):
    """Takes calls, and carries frames both ways without looking into them.

    Nothing that is received can end it: whatever it is, it becomes an event.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.events: queue.Queue[Event] = queue.Queue()

    @property
    @abstractmethod
    def address(self) -> str:
        """What agents' processes connect to."""

    @abstractmethod
    def send(self, caller: Caller, payload: bytes) -> None:
        """Send something to a caller, if it is still there."""

    @abstractmethod
    def trust(self, caller: Caller) -> None:
        """Let a caller send long frames: it has shown who it is."""

    @abstractmethod
    def hang_up(self, caller: Caller) -> None:
        """Let go of a caller, after all that was sent to it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everybody."""


class Wire(ABC):
    """The other side: one connection to the orchestrator, which may be lost (:class:`Gone`)."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes

    @abstractmethod
    def send(self, payload: bytes) -> None:
        """Send something."""

    @abstractmethod
    def receive(self, timeout_s: float | None) -> bytes:
        """Wait for something; TimeoutError if nothing comes."""

    @abstractmethod
    def close(self) -> None:
        """Let go."""
