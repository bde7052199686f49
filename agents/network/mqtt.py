"""Frames over an MQTT broker, by paho's client, which mango's own container uses too.

Not mango's container: a payload that it cannot decode ends its receiving thread. Here that thread
only puts bytes into a queue. Whoever calls has two topics of its own below
``<topic>/<neighbourhood>/<number>``; the broker keeps nothing: what it loses is sent again.
"""

from __future__ import annotations

import queue
import ssl
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from quartier.agents.network.frames import nonce
from quartier.agents.network.port import (
    MOST_UNKNOWN,
    MOST_UNKNOWN_BYTES,
    Arrived,
    Called,
    Caller,
    Dropped,
    Gone,
    Lost,
    Port,
    Wire,
)

QOS = 1
KEEPALIVE_S = 20
LAST_WORDS_S = 2.0
"""Longest wall time in s to send what is left at the end."""

KNOCK = b"knock"
CALL_AGAIN = b"call again"
"""What the orchestrator says to all when it has been cut off from the broker."""


class Broker:
    """Where a broker is, and how to get in.

    Parameters
    ----------
    topic
        What all topics of a run begin with.
    """

    def __init__(
        self,
        host: str,
        port: int,
        topic: str,
        tls: ssl.SSLContext | None = None,
        user: str | None = None,
        password: str | None = None,
    ) -> None:
        self.host, self.port, self.topic = host, port, topic
        self._tls, self._user, self._password = tls, user, password

    def client(self, *, calls_again: bool) -> paho.Client:
        """Return a client that is not connected yet."""
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"quartier-{nonce()[:12]}",
            clean_session=True,
            reconnect_on_failure=calls_again,
        )
        client.reconnect_delay_set(1, 2)
        client.max_queued_messages_set(10_000)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        return client


def _forget(client: paho.Client) -> None:
    """Let a client tell nothing any more, so that its sockets close when nobody knows it."""
    client.on_connect = client.on_message = client.on_subscribe = client.on_disconnect = None


class MqttPort(Port):
    """Takes calls by topics of a broker, which may come and go."""

    def __init__(self, broker: Broker, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self._broker = broker
        self._known: dict[Caller, bool] = {}
        """Callers, and whether they have shown who they are."""
        self._client = broker.client(calls_again=True)
        self._client.on_connect = self._connected
        self._client.on_message = self._received
        self._client.connect_async(broker.host, broker.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    @property
    def address(self) -> str:
        """What agents' processes connect to."""
        broker = self._broker
        return f"mqtt://{broker.host}:{broker.port}/{broker.topic}"

    def _connected(self, client: paho.Client, *_: Any) -> None:
        client.subscribe([(f"{self._broker.topic}/+/+/{end}", QOS) for end in ("up", "gone")])
        client.publish(f"{self._broker.topic}/all", CALL_AGAIN, QOS)

    def _received(self, client: paho.Client, given: Any, message: paho.MQTTMessage) -> None:
        """Pass on what arrives, whatever it is: nothing may be raised here."""
        caller, _, end = message.topic.removeprefix(f"{self._broker.topic}/").rpartition("/")
        known = self._known.get(caller)
        if end == "gone":
            if known is not None:
                self.events.put(Lost(caller))
        elif len(message.payload) > (self.most_bytes if known else MOST_UNKNOWN_BYTES):
            self.events.put(Dropped("oversized"))
        elif known is not None:
            self.events.put(Arrived(caller, bytes(message.payload)))
        elif message.payload != KNOCK:
            self.events.put(Dropped("of nobody"))
        else:
            self._make_room()
            self._known[caller] = False
            self.events.put(Called(caller))

    def _make_room(self) -> None:
        unknown = [caller for caller, trusted in list(self._known.items()) if not trusted]
        for caller in unknown[: max(len(unknown) - MOST_UNKNOWN + 1, 0)]:
            self._known.pop(caller, None)

    def send(self, caller: Caller, payload: bytes) -> None:
        """Send something to a caller, if it is still there."""
        self._client.publish(f"{self._broker.topic}/{caller}/down", payload, QOS)

    def trust(self, caller: Caller) -> None:
        """Let a caller send long frames."""
        self._known[caller] = True

    def hang_up(self, caller: Caller) -> None:
        """Let go of a caller."""
        self._known.pop(caller, None)

    def close(self) -> None:
        """Send what is left, and let go of everybody."""
        with suppress(RuntimeError, ValueError):  # the broker is not there
            self._client.publish(f"{self._broker.topic}/end", b"", QOS).wait_for_publish(
                LAST_WORDS_S
            )
        self._client.disconnect()
        self._client.loop_stop()
        _forget(self._client)


class MqttWire(Wire):
    """One call by topics of its own (OSError: there is no broker)."""

    def __init__(self, broker: Broker, neighbourhood: str, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self._inbox: queue.Queue[bytes | None] = queue.Queue()
        self._own = f"{broker.topic}/{neighbourhood}/{nonce()[:12]}"
        self._all = f"{broker.topic}/all"
        self._client = client = broker.client(calls_again=False)
        client.on_connect = self._connected
        client.on_message = self._received
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.will_set(f"{self._own}/gone", b"", QOS)
        try:
            client.connect(broker.host, broker.port, keepalive=KEEPALIVE_S)
        except BaseException:
            _forget(client)
            raise
        client.loop_start()

    def _connected(
        self, client: paho.Client, given: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if reason.is_failure:
            self._inbox.put(None)
            return
        client.subscribe([(f"{self._own}/down", QOS), (self._all, QOS)])

    def _subscribed(self, client: paho.Client, *_: Any) -> None:
        client.publish(f"{self._own}/up", KNOCK, QOS)

    def _received(self, client: paho.Client, given: Any, message: paho.MQTTMessage) -> None:
        if message.topic == self._all:
            self._inbox.put(None)
        elif len(message.payload) <= self.most_bytes:
            self._inbox.put(bytes(message.payload))

    def _disconnected(self, *_: Any) -> None:
        self._inbox.put(None)

    def send(self, payload: bytes) -> None:
        """Send something."""
        if self._client.publish(f"{self._own}/up", payload, QOS).rc != paho.MQTT_ERR_SUCCESS:
            raise Gone("the broker is gone")

    def receive(self, timeout_s: float | None) -> bytes:
        """Wait for something; TimeoutError if nothing comes."""
        try:
            payload = self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError("the orchestrator does not answer") from None
        if payload is None:
            raise Gone("the broker or the orchestrator was gone")
        return payload

    def close(self) -> None:
        """Let go."""
        self._client.publish(f"{self._own}/gone", b"", QOS)
        self._client.disconnect()
        self._client.loop_stop()
        _forget(self._client)
