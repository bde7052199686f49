"""From settings and addresses to ports and wires."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Mapping
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from quartier.agents.network.frames import TOKEN, nonce
from quartier.agents.network.port import Port, Wire
from quartier.errors import InputError
from quartier.fingerprint import identity
from quartier.scenario.communication import CommunicationSettings
from quartier.scenario.load import LoadedScenario
from quartier.scenario.network import MOST_PORT, NetworkSettings, TlsSettings

PASSWORD = "QUARTIER_MQTT_PASSWORD"  # the name of it
HERE = "127.0.0.1"
MQTT_PORT = 1883

ADDRESS = re.compile(r"(?:(tcp|mqtt)://)?([^\s:/@]+):(\d{1,5})(?:/([A-Za-z0-9_/-]+))?")


def token() -> str:
    """Return the secret that all processes of a run share; empty if there is none."""
    return os.environ.get(TOKEN, "")


def facts(loaded: LoadedScenario) -> dict[str, str]:
    """What the figures of a run follow from, one short text each, by name.

    Where processes find each other, and what is recorded, are no part of it.
    """
    found = identity(loaded, loaded.scenario.coordination)
    scenario = dict(found.pop("scenario"))
    medium = {"transport", "network", "replay"}
    scenario["communication"] = {
        key: value for key, value in scenario["communication"].items() if key not in medium
    }
    scenario.pop("record", None)
    parts: dict[str, Any] = {f"scenario.{key}": value for key, value in scenario.items()}
    for group in ("versions", "files"):
        parts |= {f"{group}.{key}": value for key, value in found.pop(group).items()}
    parts |= found
    # What one side sends and the other does not take would be sent again without end.
    most = loaded.scenario.communication.network.max_message_bytes
    parts["communication.network.max_message_bytes"] = str(most)
    return {name: _short(value) for name, value in parts.items()}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 32 else sha256(text.encode()).hexdigest()[:32]


def open_port(settings: CommunicationSettings, folder: Path) -> Port:
    """Open the orchestrator's side (InputError: it cannot be opened)."""
    network = settings.network
    if settings.transport == "tcp":
        from quartier.agents.network.tcp import TcpPort

        host, port = _split(network.address or f"{HERE}:0")
        tls = None if network.tls is None else _context(network.tls, folder, listens=True)
        return TcpPort(host, port, network.max_message_bytes, tls)
    from quartier.agents.network.mqtt import Broker, MqttPort

    host, port = _split(network.address or f"{HERE}:{MQTT_PORT}")
    topic = f"{network.topic}/{nonce()[:8]}" if network.start else network.topic
    return MqttPort(_broker(Broker, network, folder, host, port, topic), network.max_message_bytes)


def caller(
    address: str, network: NetworkSettings, folder: Path, neighbourhood: str
) -> Callable[[], Wire]:
    """Return what connects an agents' process to an address.

    Raises
    ------
    InputError
        If it is none.
    """
    found = ADDRESS.fullmatch(address)
    if found is None or int(found[3]) > MOST_PORT:
        raise InputError(
            [f"--connect {address!r} is no address; write tcp://host:port or mqtt://host:port"]
        )
    scheme, host, port = found[1] or "tcp", found[2], int(found[3])
    most = network.max_message_bytes
    if scheme == "tcp":
        from quartier.agents.network.tcp import TcpWire

        tls = None if network.tls is None else _context(network.tls, folder, listens=False)
        return lambda: TcpWire(host, port, most, tls)
    from quartier.agents.network.mqtt import Broker, MqttWire

    broker = _broker(Broker, network, folder, host, port, found[4] or network.topic)
    return lambda: MqttWire(broker, neighbourhood, most)


def _broker(
    kind: Any, network: NetworkSettings, folder: Path, host: str, port: int, topic: str
) -> Any:
    tls = None if network.tls is None else _context(network.tls, folder, listens=False)
    return kind(host, port, topic, tls, network.user, os.environ.get(PASSWORD))


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def _context(tls: TlsSettings, folder: Path, *, listens: bool) -> ssl.SSLContext:
    """Make what encrypts a side's connections (InputError: files are not there or no good)."""
    files: Mapping[str, Path] = {
        name: folder / path for name, path in tls.model_dump().items() if path is not None
    }
    missing = [
        f"communication.network.tls.{name}: there is no file {path}"
        for name, path in files.items()
        if not path.is_file()
    ]
    if missing:
        raise InputError(missing)
    purpose = ssl.Purpose.CLIENT_AUTH if listens else ssl.Purpose.SERVER_AUTH
    try:
        context = ssl.create_default_context(purpose, cafile=files.get("ca"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if "cert" in files:
            context.load_cert_chain(files["cert"], files["key"])
    except (ssl.SSLError, OSError) as error:
        raise InputError([f"communication.network.tls: {error}"]) from error
    if listens and "ca" in files:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
