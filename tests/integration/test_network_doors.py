"""With TLS and credentials, whoever has none gets nothing: neither over TCP nor from a broker."""

from __future__ import annotations

import gc
import shutil
import socket
import ssl
import struct
import subprocess
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from quartier.agents.network.connecting import PASSWORD, caller, open_port
from quartier.agents.network.frames import Done, OpenGate
from quartier.agents.network.letters import Letters
from quartier.agents.network.mqtt import Broker, MqttWire
from quartier.agents.network.office import Office
from quartier.errors import InputError, RunFailed
from quartier.problem import State
from quartier.scenario.communication import CommunicationSettings
from quartier.scenario.own_simulators import OwnSimulator

from .networks import broker, certificates, free_port, until

SECRET = "a secret of all"
GATE = OpenGate(0, 0, State({"battery": {"energy_kwh": 1.0}}, 0), tap_is_fixed=False, rng="")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    return certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def opened(settings: CommunicationSettings) -> Iterator[tuple[Office, str]]:
    port = open_port(settings, Path())
    office = Office(port, ["here"], {}, SECRET)
    try:
        office.give("here", GATE)
        yield office, port.address
    finally:
        office.close()
        port.close()


def calls(settings: CommunicationSettings, address: str, token: str = SECRET) -> Letters:
    return Letters(caller(address, settings.network, Path(), "here"), "here", {}, token, 3.0)


def settings(transport: str, **network) -> CommunicationSettings:
    return CommunicationSettings.model_validate({"transport": transport, "network": network})


def test_over_tcp_with_tls_only_whoever_has_certificate_and_token_is_heard(files):
    ours = settings("tcp", tls=files)
    with opened(ours) as (office, address):
        for stranger in (
            settings("tcp"),
            settings("tcp", tls={"ca": files["ca"]}),  # knows us, has no certificate of its own
            settings("tcp", tls={"cert": files["cert"], "key": files["key"]}),  # does not trust us
        ):
            with closing(calls(stranger, address)) as letters, pytest.raises(RunFailed):
                letters.receive()
        assert not office.dropped  # nobody came as far as to say anything
        with closing(calls(ours, address, "a guess")) as letters, pytest.raises(RunFailed):
            letters.receive()
        assert set(office.dropped) == {"unsigned"}
        assert office.lines["here"].calls == 0
        with closing(calls(ours, address)) as letters:
            assert letters.receive() == GATE
            letters.reply(Done((), (), 1.0))
            assert office.replies.get(timeout=10)[1].next_s == 1.0


def test_what_goes_over_tls_cannot_be_read(files):
    """A stranger that speaks no TLS gets an alert at most, not even the challenge."""
    with opened(settings("tcp", tls=files)) as (_, address):
        host, _, number = address.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(number)), timeout=20) as stranger:
            stranger.sendall(struct.pack(">I", 2) + b"{}")
            assert b"Challenge" not in stranger.recv(2**12)


@pytest.fixture(scope="module")
def guarded(files, tmp_path_factory):
    """A broker with TLS and a password."""
    folder = tmp_path_factory.mktemp("broker")
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    maker = shutil.which("mosquitto_passwd", path="/usr/bin:/usr/local/bin:/usr/sbin")
    assert maker, "the tests need Mosquitto: apt-get install mosquitto"
    subprocess.run([maker, "-b", str(passwords), "quartier", "word"], check=True)
    lines = [f"cafile {files['ca']}", f"certfile {files['cert']}", f"keyfile {files['key']}"]
    with broker(folder, *lines, f"password_file {passwords}", anonymous=False) as found:
        yield found


def test_over_a_broker_only_whoever_has_password_and_token_is_heard(guarded, files, monkeypatch):
    monkeypatch.setenv(PASSWORD, "word")
    ours = settings(
        "mqtt", address=guarded.address, user="quartier", tls={"ca": files["ca"]}, topic="ours"
    )
    with opened(ours) as (office, address):
        with closing(calls(ours, address)) as letters:
            assert letters.receive() == GATE
            letters.reply(Done((), (), 1.0))
            assert office.replies.get(timeout=10)[1].next_s == 1.0
        with closing(calls(ours, address, "a guess")) as letters, pytest.raises(RunFailed):
            letters.receive()
        assert set(office.dropped) == {"unsigned"}
        for other in ({"tls": {"ca": files["ca"]}}, {"user": "quartier"}):
            stranger = settings("mqtt", address=guarded.address, topic="ours", **other)
            with closing(calls(stranger, address)) as letters, pytest.raises(RunFailed):
                letters.receive()
        assert office.lines["here"].calls == 1


def test_rubbish_on_our_topics_ends_nothing(guarded, files, monkeypatch):
    monkeypatch.setenv(PASSWORD, "word")
    ours = settings(
        "mqtt", address=guarded.address, user="quartier", tls={"ca": files["ca"]}, topic="ours"
    )
    with opened(ours) as (office, address), closing(calls(ours, address)) as letters:
        assert letters.receive() == GATE
        topic = address.rpartition(f"{guarded.port}/")[2]
        stranger = paho.Client(CallbackAPIVersion.VERSION2)
        stranger.tls_set_context(ssl.create_default_context(cafile=files["ca"]))
        stranger.username_pw_set("quartier", "word")
        stranger.connect("127.0.0.1", guarded.port)
        stranger.loop_start()
        own = letters._wire._own
        for where, payload in (
            (f"{topic}/here/1/up", b"\x80\x04."),  # no knock before
            (f"{own}/up", b"\x80\x04."),  # in the name of another
            (f"{own}/down", b"\xff\xfe"),
            (f"{own}/gone", b""),
            (f"{topic}/here/2/up", b"x" * 2**20),
        ):
            stranger.publish(where, payload, 1).wait_for_publish(10)
        stranger.disconnect()
        stranger.loop_stop()
        letters.reply(Done((), (), 1.0))
        assert office.replies.get(timeout=20)[1].next_s == 1.0
        until(lambda: office.dropped == {"of nobody": 1, "unsigned": 1, "oversized": 1})


def test_calls_in_vain_leave_no_sockets_behind(monkeypatch):
    made, client = [], Broker.client

    def noted(self, **given):
        found = client(self, **given)
        made.append(weakref.ref(found))
        return found

    monkeypatch.setattr(Broker, "client", noted)
    gc.disable()
    try:
        with pytest.raises(ConnectionRefusedError):
            MqttWire(Broker("127.0.0.1", free_port(), "ours"), "here", 2**20)
        assert [ref() for ref in made] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("missing", ["ca", "cert"])
def test_files_that_are_not_there_are_named(missing, files):
    wrong = settings("tcp", tls={**files, missing: "nowhere.pem"})
    with pytest.raises(InputError, match=f"tls.{missing}: there is no file nowhere.pem"):
        open_port(wrong, Path())


def test_an_address_that_is_none_is_refused():
    for wrong in ("http://here", "tcp://127.0.0.1:65536"):
        with pytest.raises(InputError, match="is no address; write tcp://host:port"):
            caller(wrong, settings("tcp").network, Path(), "here")
    with pytest.raises(ValidationError, match="ports go up to 65535"):
        settings("tcp", address="127.0.0.1:65536")
    with pytest.raises(ValidationError, match="ports go up to 65535"):
        OwnSimulator(unit="a.b", model="M", connect="127.0.0.1:65536")
