"""What a scenario may say of the network between the processes that agents live in."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from quartier.units.base import Frozen

Transport: TypeAlias = Literal["simulated", "tcp", "mqtt"]

ADDRESS = r"^[^\s:/@]+:\d{1,5}$"
"""``host:port``."""

MOST_PORT = 65535


def _with_port(address: str) -> str:
    if int(address.rpartition(":")[2]) > MOST_PORT:
        raise ValueError(f"ports go up to {MOST_PORT}")
    return address


Address: TypeAlias = Annotated[str, Field(pattern=ADDRESS), AfterValidator(_with_port)]


class TlsSettings(Frozen):
    """Certificates in PEM files, relative to the scenario's folder.

    With `ca`, each side accepts only what that authority signed: over TCP, agents' processes then
    need a certificate of their own as well.
    """

    ca: str | None = None
    """Certificate of the authority that signed those of the others; without it, over TCP anybody
    may call, and agents' processes trust the authorities that the system knows."""
    cert: str | None = None
    """Own certificate; over TCP, the orchestrator needs one."""
    key: str | None = None
    """Its private key."""

    @model_validator(mode="after")
    def _both(self) -> TlsSettings:
        if (self.cert is None) != (self.key is None):
            raise ValueError("name both cert and key, or neither")
        return self


class NetworkSettings(Frozen):
    """How processes find each other, with `transport: tcp` or `mqtt`.

    A secret that all share is read from the environment variable `QUARTIER_TOKEN`: if it is set,
    everything is signed with it, and whoever does not know it is not listened to.
    """

    address: Address | None = None
    """`host:port`: where the orchestrator listens (`tcp`; `127.0.0.1` and any free port if left
    out), or where the broker is (`mqtt`; `127.0.0.1:1883` if left out)."""
    start: bool = True
    """Whether the run starts the agents' processes itself, and again if they die. If not, it waits
    for `quartier agents` of each neighbourhood."""
    wait_s: PositiveFloat = 120.0
    """Longest wall time in s that an agents' process may be away."""
    max_message_bytes: PositiveInt = Field(default=64 * 2**20, ge=2**10)
    """Longest message, the same on all sides. Longer ones are dropped; a run that would need one
    fails and says so."""
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")] = "quartier"
    """What the topics begin with (`mqtt`). Runs at the same time over one broker need different
    ones, unless they start their processes themselves."""
    user: str | None = None
    """Name for the broker; its password is read from the environment variable
    `QUARTIER_MQTT_PASSWORD`."""
    tls: TlsSettings | None = None
    """Encrypts everything; without it, nothing is."""
