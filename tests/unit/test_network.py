"""What goes over a network: its form, who is let in, and that nothing is lost or done twice."""

from __future__ import annotations

import json
import pickle
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from types import FunctionType, SimpleNamespace
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartier.agents.auction_messages import BidCall
from quartier.agents.base import QuartierAgent
from quartier.agents.messages import (
    AskStart,
    Candidate,
    Gossip,
    Negotiation,
    OfferMade,
    Start,
    entry_of,
    snapshot,
)
from quartier.agents.network import tcp
from quartier.agents.network.codec import KINDS, Malformed, decode, dumps, encode, loads, plain
from quartier.agents.network.frames import (
    UP,
    Advance,
    CloseGate,
    Done,
    OpenGate,
    Reply,
    Seal,
    Task,
    Unsigned,
)
from quartier.agents.network.homes import rng_from, rng_state
from quartier.agents.network.host import Host
from quartier.agents.network.hub import Hub
from quartier.agents.network.letters import Letters
from quartier.agents.network.office import Office
from quartier.agents.network.port import Gone
from quartier.agents.network.tcp import TcpPort, TcpWire
from quartier.agents.price_messages import PriceCall
from quartier.agents.price_taker import TakerAgent
from quartier.coordination import COORDINATIONS
from quartier.errors import InputError, RunFailed
from quartier.optimisation import Solution
from quartier.problem import State
from quartier.units.schedule import Schedule

HERE = Negotiation("here", 0)
SAME = {"scenario": "a"}
GATE = OpenGate(0, 0, State({}, 0), tap_is_fixed=False, rng="")
NOTHING = Done((), (), 0.0)


# -- form -----------------------------------------------------------------------------------------
def gossip() -> Gossip:
    entries = (entry_of("here.a", 3, np.array([1.5, -np.pi]), np.array([0.0, 0.25]), 2.0),)
    counters = snapshot({"here.a": 3, "here.b": 0})
    return Gossip(HERE, entries, counters, Candidate(counters, 1 / 3, "here.a"))


def test_what_is_sent_arrives_to_the_last_bit_and_cannot_be_changed():
    said = gossip()
    heard = loads(dumps(said), object)
    assert heard.gamma.value == said.gamma.value
    assert dict(heard.omega) == dict(said.omega)
    assert (heard.entries[0].p_kw == said.entries[0].p_kw).all()
    assert not heard.entries[0].p_kw.flags.writeable


@pytest.mark.parametrize("values", [[np.inf, -np.inf, np.nan], [], [5e-324, 1.7e308]])
def test_any_float_is_sent(values):
    assert np.array_equal(
        decode(encode(np.array(values)), np.ndarray[Any, np.dtype[np.float64]]),
        np.array(values),
        equal_nan=True,
    )


def test_only_known_kinds_are_sent():
    with pytest.raises(TypeError, match="SimpleQueue cannot be sent"):
        dumps(queue.SimpleQueue())


def changed(**fields: Any) -> dict[str, Any]:
    return {**encode(gossip()), **fields}


WRONG = {
    "an unknown kind": {"@": "Popen", "args": ["touch", "x"]},
    "no kind": {"negotiation": None},
    "a kind that is no text": {"@": 7},
    "a field less": {"@": "AskStart"},
    "a field more": {**encode(AskStart(HERE)), "more": 1},
    "a text for a number": encode(HERE) | {"round": "0"},
    "a flag for a number": encode(HERE) | {"round": True},
    "another kind inside": changed(negotiation=encode(AskStart(HERE))),
    "entries that are none": changed(entries=[1]),
    "counters of nobody": changed(omega={"names": ["a"], "counters": encode(np.int32([1, 2]))}),
    "counters of one twice": changed(
        omega={"names": ["a"] * 2, "counters": encode(np.int32([1, 2]))}
    ),
    "an array of objects": changed(
        omega={"names": [], "counters": {"array": "|O", "shape": [0], "data": ""}}
    ),
    "an array too short": changed(
        omega={"names": [], "counters": {"array": "<i4", "shape": [9], "data": ""}}
    ),
    "an array of no base64": changed(
        omega={"names": [], "counters": {"array": "<i4", "shape": [0], "data": "?"}}
    ),
    "a shape below zero": changed(
        omega={"names": [], "counters": {"array": "<i4", "shape": [-1], "data": ""}}
    ),
    "a key that is a list": changed(omega={"map": [[[1], 1]]}),
    "a number beyond floats": encode(Candidate({}, 1.0, "a")) | {"value": 10**400},
}


@pytest.mark.parametrize("data", WRONG.values(), ids=list(WRONG))
def test_what_is_not_as_it_must_be_is_refused(data):
    with pytest.raises(Malformed):
        decode(data, object)


@pytest.mark.parametrize("text", [b"", b"\xff", b"{", b"[" * 10**5, b'{"@":"Start"}', b"NaN"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(Malformed):
        loads(text, Start)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_else_is_refused_too(data):
    with pytest.raises(Malformed):
        decode(data, Task)


class Planted:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a pickle from the wire was read",)


def test_pickles_are_refused_unread():
    with pytest.raises(Malformed):
        loads(pickle.dumps(Planted()), object)


def test_what_somebody_else_signed_is_refused():
    frame = Reply("s", 1, NOTHING)
    signed = Seal("secret", "1").write(frame, UP)
    assert Seal("secret", "1").read(signed, Reply, UP).n == 1
    for other in (Seal("guess", "1"), Seal("secret", "2")):
        with pytest.raises(Unsigned):
            other.read(signed, Reply, UP)
    with pytest.raises(Unsigned):
        Seal("secret", "1").read(signed, Reply, "down")


def everybody(kind: type[QuartierAgent] = QuartierAgent) -> Iterator[type[QuartierAgent]]:
    """All classes of agents that mechanisms make."""
    for path in (path for ways in COORDINATIONS.values() for path in ways.values()):
        import_module(path.partition(":")[0])
    for found in kind.__subclasses__():
        yield from (found, *everybody(found))


def heard_by(kind: type[QuartierAgent]) -> Iterator[type]:
    """Types of the messages that agents of a class hear."""
    for handler in vars(kind).values():
        if isinstance(handler, FunctionType) and hasattr(handler, "__wrapped__"):
            message, *_ = get_type_hints(handler.__wrapped__).values()
            yield message


def test_all_that_agents_hear_can_be_sent():
    heard = {message for kind in everybody() for message in heard_by(kind)}
    assert {Start, PriceCall, BidCall, OfferMade} <= heard
    every = {one for message in heard for one in (message, *message.__subclasses__())}
    assert every <= set(KINDS.values())


def test_schedules_come_home_to_the_last_bit():
    nothing = np.array([0.1, np.nan])
    by_unit, own = {"here.pv": nothing}, {"here.pv": {"p_kw": nothing}}
    schedule = Schedule(
        *(nothing, nothing, 1 / 3, 0.0, 0.0, own, by_unit, {}, by_unit), *[nothing] * 3
    )
    left = Solution({"here": schedule}, {}, nothing, 1.0, 1.0, -np.inf, 0.0, "optimal", 0, 0.0)
    hint = TakerAgent.LEAVES["planned"]
    home = decode(json.loads(dumps(left)), hint)
    assert home.schedules["here"].cost_eur == 1 / 3 and home.bound_eur == -np.inf
    told = home.schedules["here"].controls["here.pv"]["p_kw"]
    assert np.array_equal(told, nothing, equal_nan=True)
    assert decode(encode(None), hint) is None


def test_what_a_mechanism_remembers_is_told_as_it_is():
    memory = {
        "known": {"3": np.array([0.5]), "4": [1, None, "a", {"b": True}]},
        "flags": np.ones(2, bool),
    }
    heard = plain(json.loads(dumps(memory)))
    assert heard.keys() == memory.keys() and heard["flags"].dtype == bool
    assert heard["known"]["3"].tolist() == [0.5]
    assert heard["known"]["4"] == memory["known"]["4"]
    for wrong in ({"array": "<f8"}, {"array": "|O", "shape": [0], "data": ""}, {"a": 1}):
        with pytest.raises(Malformed):
            plain([wrong])


def test_random_numbers_go_on_elsewhere_as_here():
    rng = np.random.default_rng([1, 2])
    rng.spawn(3)
    rng.random(5)
    other = rng_from(rng_state(rng))
    assert (other.random(4) == rng.random(4)).all()
    assert (other.spawn(2)[1].random(4) == rng.spawn(2)[1].random(4)).all()


# -- who is let in, and what becomes of works ------------------------------------------------------
class Post:
    """A post office that listens, and who calls it."""

    def __init__(self, token: str = "", most_bytes: int = 2**20) -> None:
        self.port = TcpPort("127.0.0.1", 0, most_bytes)
        self.number = int(self.port.address.rpartition(":")[2])
        self.callers: list[Letters] = []
        self.office = Office(self.port, ["here", "there"], SAME, token)

    def letters(
        self, token: str = "", identity: dict[str, str] = SAME, wait_s: float = 5
    ) -> Letters:
        self.callers.append(Letters(self.wire, "here", identity, token, wait_s))
        return self.callers[-1]

    def wire(self) -> TcpWire:
        return TcpWire("127.0.0.1", self.number, 2**20)

    def reply(self) -> float:
        """Time of the next reply, which tells them apart."""
        return self.office.replies.get(timeout=10)[1].next_s

    def close(self) -> None:
        for letters in self.callers:
            letters.close()
        self.office.close()
        self.port.close()


@pytest.fixture
def post():
    with closing(Post()) as found:
        yield found


def test_works_are_done_in_order_whoever_comes_first(post):
    letters = post.letters()
    for work in (GATE, Advance(1.0), CloseGate()):
        post.office.give("here", work)
    for k, work in enumerate((GATE, Advance(1.0), CloseGate())):
        assert letters.receive() == work
        letters.reply(Done((), (), float(k)))
        assert post.reply() == k
    assert not post.office.dropped


def test_what_was_under_way_when_the_line_broke_is_sent_again(post):
    letters = post.letters()
    post.office.give("here", GATE)
    assert letters.receive() == GATE
    letters._wire.close()  # the reply finds no line
    letters.reply(Done((), (), 7.0))
    post.office.give("here", Advance(1.0))
    assert letters.receive() == Advance(1.0)
    assert post.reply() == 7.0
    letters.reply(Done((), (), 8.0))
    assert post.reply() == 8.0
    assert post.office.lines["here"].calls == 2


def test_a_process_that_starts_anew_does_the_gate_again_and_is_heard_once(post):
    first = post.letters()
    post.office.give("here", GATE)
    post.office.give("here", Advance(1.0))
    for _ in range(2):
        first.receive()
        first.reply(NOTHING)
        post.reply()
    second = post.letters()
    assert second.receive() == GATE
    post.office.give("here", Advance(2.0))
    second.reply(NOTHING)
    assert second.receive() == Advance(1.0)
    second.reply(NOTHING)
    assert second.receive() == Advance(2.0)
    second.reply(Done((), (), 9.0))
    assert post.reply() == 9.0
    assert post.office.dropped == {"repeated": 2}
    with pytest.raises(InputError, match="another process took its place"):
        first.receive()


def test_the_works_of_earlier_gates_are_not_done_again(post):
    letters = post.letters()
    for _ in range(2):
        post.office.give("here", GATE)
        letters.receive()
        letters.reply(NOTHING)
        post.reply()
    other = post.letters()
    post.office.give("here", CloseGate())
    assert other.receive() == GATE
    other.reply(NOTHING)
    assert other.receive() == CloseGate()


def test_an_end_is_an_end(post):
    letters, found = post.letters(), []
    thread = threading.Thread(target=lambda: found.append(letters.receive()))
    thread.start()
    until(lambda: post.office.lines["here"].calls == 1)
    post.office.close()
    thread.join(10)
    assert found == [None]


def test_whoever_runs_something_else_is_refused_by_name(post):
    other = post.letters(identity={"scenario": "b", "seed": "1"})
    with pytest.raises(InputError, match="not the same scenario, seed"):
        other.receive()
    assert post.office.dropped == {"refused": 1}


def test_whoever_does_not_know_the_token_gets_nothing():
    with closing(Post("secret")) as post:
        post.office.give("here", GATE)
        for token in ("", "guess"):
            with pytest.raises(RunFailed, match="are token and TLS the same"):
                post.letters(token, wait_s=1).receive()
        assert set(post.office.dropped) == {"unsigned"}
        assert post.letters("secret").receive() == GATE


def test_an_orchestrator_that_does_not_know_the_token_is_not_listened_to(post):
    with pytest.raises(RunFailed, match="are token and TLS the same"):
        post.letters("secret", wait_s=1).receive()


def say(post: Post, payload: bytes) -> None:
    """Say something as a stranger, and listen until the office hangs up."""
    with socket.create_connection(("127.0.0.1", post.number), timeout=20) as stranger:
        (length,) = struct.unpack(">I", stranger.recv(4))
        assert b"Challenge" in stranger.recv(length)
        stranger.sendall(payload)
        assert stranger.recv(1) == b""


def framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def test_strangers_are_counted_and_nobody_minds(post):
    letters = post.letters()
    post.office.give("here", GATE)
    assert letters.receive() == GATE
    for payload in (pickle.dumps(Planted()), b"{}", b'{"@": "Popen"}', b"\xff" * 99):
        say(post, framed(payload))
    for payload in (struct.pack(">I", 2**31), framed(b" " * 2**17), b"GET / HTTP/1.1\r\n\r\n"):
        say(post, payload[: 2**12])
    letters.reply(NOTHING)
    assert post.reply() == 0.0
    until(lambda: post.office.dropped == {"malformed": 4, "oversized": 3})


@pytest.mark.parametrize("payload", [pickle.dumps(Planted()), b"{}", dumps(HERE)])
def test_what_one_of_ours_says_wrongly_is_dropped_and_the_rest_taken(payload, post):
    letters = post.letters()
    post.office.give("here", GATE)
    assert letters.receive() == GATE
    letters._wire.send(payload)
    letters.reply(NOTHING)
    assert post.reply() == 0.0
    assert post.office.dropped == {"malformed": 1}


def test_a_frame_of_ours_that_is_too_long_costs_its_connection_only():
    with closing(Post(most_bytes=2**17)) as post:
        letters = post.letters()
        post.office.give("here", GATE)
        assert letters.receive() == GATE
        letters._wire.send(b" " * 2**18)
        with pytest.raises(Gone):
            letters._wire.receive(10)
        letters.reply(NOTHING)
        post.office.give("here", CloseGate())
        assert letters.receive() == CloseGate()
        assert post.office.dropped == {"oversized": 1}


def test_what_is_longer_than_the_other_side_takes_ends_the_run_with_a_reason():
    with closing(Post(most_bytes=2**12)) as post:
        letters = Letters(post.wire, "here", SAME, "", 5, 2**12)
        post.callers.append(letters)
        post.office.give("here", GATE)
        assert letters.receive() == GATE
        letters.reply(Done((), (), 0.0, left="x" * 2**13))
        assert "is too long; raise" in str(post.office.replies.get(timeout=10)[1].failure)
        post.office.give("here", replace(GATE, rng="x" * 2**13))
        with pytest.raises(RunFailed, match=r"here should be told: .* is too long; raise"):
            Hub(post.office, 60.0).receive()


def until(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


def test_absence_is_noticed(post):
    assert post.office.absent(60.0) == []
    until(lambda: post.office.absent(0.1) == ["here", "there"])


def test_whoever_has_shown_who_it_is_may_be_silent_and_nobody_else(monkeypatch):
    monkeypatch.setattr(tcp, "HANDSHAKE_S", 2.0)
    with closing(Post()) as post:
        letters = post.letters()
        post.office.give("here", GATE)
        assert letters.receive() == GATE
        with socket.create_connection(("127.0.0.1", post.number), timeout=20) as stranger:
            (length,) = struct.unpack(">I", stranger.recv(4))
            stranger.recv(length)
            assert stranger.recv(1) == b""
        time.sleep(2.5)  # it thinks about what to reply
        assert post.office.absent(0.0) == ["there"]
        letters.reply(NOTHING)
        assert post.reply() == 0.0
        assert post.office.lines["here"].calls == 1


def test_both_sides_of_a_connection_find_out_that_the_other_machine_is_gone(post):
    post.office.give("here", GATE)
    letters = post.letters()
    letters.receive()
    (writer,) = post.port._writers.values()
    for side in (letters._wire._socket, writer.get_extra_info("socket")):
        assert side.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert side.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60


def test_a_process_whose_place_another_took_ends_in_the_middle_of_a_gate(post):
    @dataclass(frozen=True)
    class Asked:
        neighbourhoods: tuple[()] = ()
        stage: object = None

    gate = replace(GATE, rng=rng_state(np.random.default_rng(1)))
    instance = SimpleNamespace(initial_state=lambda: gate.state, problem=lambda *_, **__: Asked())
    play = SimpleNamespace(plan=lambda problem, *_: problem.stage.perform(problem, [], None))
    first, ended = post.letters(), []

    def serve():
        try:
            Host(first, instance, play, "here").run()
        except InputError as error:
            ended.append(str(error))

    post.office.give("here", gate)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    post.reply()
    assert post.letters().receive() == gate
    thread.join(10)
    assert "another process took its place" in ended[0]
    with pytest.raises(InputError, match="another process took its place"):
        first.receive()
    assert post.office.lines["here"].calls == 2
    assert post.office.replies.empty()
