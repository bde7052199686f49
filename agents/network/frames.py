"""What orchestrator and agents' processes write to each other, and how it is signed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quartier.agents.communication import Measure
from quartier.agents.network.codec import Malformed, dumps, loads, register
from quartier.hiccups import Hiccup
from quartier.problem import State

MAC_BYTES = 32
"""Length of a signature (HMAC-SHA256)."""

TOKEN = "QUARTIER_TOKEN"  # the name of it
"""Environment variable with the secret that orchestrator and agents' processes share."""


# -- getting to know each other -------------------------------------------------------------------
@dataclass(frozen=True)
class Challenge:
    """The orchestrator's first words to whoever calls: a number used once, nothing else."""

    session: str


@dataclass(frozen=True)
class Hello:
    """An agents' process says who it is, and what it has dealt with already."""

    session: str
    nonce: str
    neighbourhood: str
    run: str
    """The run it took part in; empty if in none yet."""
    handled: int
    """Number of the last work of that run that it carried out."""
    identity: Mapping[str, str]
    """What its figures follow from: scenario, seed, versions."""


@dataclass(frozen=True)
class Welcome:
    """The orchestrator takes it in, and says how much it has heard of it."""

    session: str
    run: str
    replied: int


@dataclass(frozen=True)
class Refused:
    """The orchestrator does not take it in, or not any more."""

    session: str
    why: str


@dataclass(frozen=True)
class Ended:
    """The run is over."""

    session: str


# -- work, and what came of it --------------------------------------------------------------------
@dataclass(frozen=True)
class OpenGate:
    """Make the agents of a gate; all that their making depends on besides the scenario."""

    gate: int
    first: int
    state: State
    tap_is_fixed: bool
    rng: str
    """State of the generator of random numbers, as JSON."""
    memory: Any = None
    """What the mechanism remembers of earlier gates, encoded."""


@dataclass(frozen=True)
class Advance:
    """Let simulated time pass, and do what is due."""

    now_s: float


@dataclass(frozen=True)
class Said:
    """One agent says something to another."""

    sender: str
    receiver: str
    content: Any
    """A message, encoded; read only by whom it is for."""


@dataclass(frozen=True)
class Hear:
    """Hear what others said."""

    now_s: float
    messages: tuple[Said, ...]


@dataclass(frozen=True)
class CloseGate:
    """Tell what the agents leave."""


Work = OpenGate | Advance | Hear | CloseGate


@dataclass(frozen=True)
class Task:
    """The ``n``-th work of a run for an agents' process."""

    session: str
    n: int
    work: Work


@dataclass(frozen=True)
class Hearing:
    """An agent heard a message: what the table ``messages`` tells of it."""

    now_s: float
    sender: str
    receiver: str
    measure: Measure


@dataclass(frozen=True)
class Done:
    """What came of a work: what is said to agents elsewhere, and when there is more to do."""

    said: tuple[Said, ...]
    heard: tuple[Hearing, ...]
    next_s: float
    left: Any = None
    """What agents leave, encoded, by name and attribute: at the end of a gate."""
    hiccups: tuple[Hiccup, ...] = ()
    failure: str | None = None
    """Why the process cannot go on."""


@dataclass(frozen=True)
class Reply:
    """Answers the ``n``-th work."""

    session: str
    n: int
    done: Done


register(
    (
        *(Challenge, Hello, Welcome, Refused, Ended, OpenGate, Advance, Said, Hear, CloseGate),
        *(Task, Hearing, Measure, Done, Reply),
    )
)


# -- signatures -----------------------------------------------------------------------------------
class Seal:
    """Signs what is sent, and checks what is received.

    Parameters
    ----------
    token
        The secret; empty: nothing is signed.
    nonces
        Numbers used once that both sides know: what was signed before says nothing now.
    """

    def __init__(self, token: str, *nonces: str) -> None:
        self._key = b"" if not token else _mac(token.encode(), "/".join(nonces).encode())

    def write(self, frame: Any, direction: str) -> bytes:
        """Return a frame as it is sent."""
        body = dumps(frame)
        return (_mac(self._key, direction.encode() + body) if self._key else b"") + body

    def read(self, payload: bytes, hint: Any, direction: str) -> Any:
        """Read a frame of a type.

        Raises
        ------
        Unsigned
            If it is not signed as it should be.
        Malformed
            If it is no frame of that type.
        """
        body = payload
        if self._key:
            mac, body = payload[:MAC_BYTES], payload[MAC_BYTES:]
            if not hmac.compare_digest(mac, _mac(self._key, direction.encode() + body)):
                raise Unsigned("it is not signed with the token of this run")
        return loads(body, hint)


class Unsigned(Malformed):
    """Something was not signed by somebody who knows the token."""


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()


def nonce() -> str:
    """Return a number used once."""
    return secrets.token_hex(16)


UP, DOWN = "up", "down"
"""Directions: to the orchestrator, and from it. What is signed for one is not valid for the
other."""
