"""The same agents in one process and in three, over TCP and MQTT, whatever happens in between."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import quartier
from quartier import Result
from quartier.agents.base import QuartierAgent
from quartier.agents.network import hub, opening
from quartier.agents.strategies.congestion import CongestionPrices
from quartier.agents.unit import UnitAgent

from . import networks
from .networks import (
    CASE,
    after_some_works,
    agents,
    broker,
    same_after_replay,
    stop,
    team_of_run,
    until,
)

TCP, MQTT = "communication.transport=tcp", "communication.transport=mqtt"
SOME = 20
"""Works of a gate after which something happens: in the middle of its first negotiation."""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return quartier.run(CASE, out=tmp_path_factory.mktemp("runs") / "simulated")


@pytest.fixture(scope="module")
def home() -> dict[str, list[dict[str, QuartierAgent]]]:
    """Agents of every gate by transport and name, as they came home from their processes."""
    return {"tcp": [], "mqtt": []}


@pytest.fixture(scope="module")
def over(tmp_path_factory: pytest.TempPathFactory, home) -> Callable[[str], Result]:
    """Return a run over a transport, made once."""
    folder, done, perform = tmp_path_factory.mktemp("runs"), dict[str, Result](), hub.Hub.perform

    def run(transport: str) -> Result:
        def watched(self, problem, agents, medium):
            perform(self, problem, agents, medium)
            home[transport].append({agent.title: agent for agent in agents})

        if transport not in done:
            with broker(folder / "broker") as mosquitto, pytest.MonkeyPatch.context() as patch:
                patch.setattr(hub.Hub, "perform", watched)
                asked = networks.over(transport, mosquitto)
                done[transport] = quartier.run(CASE, overrides=asked, out=folder / transport)
        return done[transport]

    return run


def is_whole(result: Result) -> None:
    """Everybody agreed and did what was agreed, nobody is missing, and the caps hold."""
    assert result.status == "complete", result.manifest["error"]
    assert result.table("negotiations")["agreed"].all()
    points = result.table("connection_points")
    assert (points["p_kw"] <= points["p_set_max_kw"] + 1e-3).all()
    assert result.table("lines")["loading_percent"].max() <= 40.1


TABLES = ("units", "plans", "connection_points", "redispatch")


@pytest.mark.parametrize("transport", ["tcp", "mqtt"])
def test_three_processes_do_what_one_does(transport, simulated, over):
    result = over(transport)
    is_whole(result)
    assert result.manifest["network"]["dropped"] == {}
    assert result.manifest["network"]["calls"] == {"east": 1, "west": 1}
    one, other = (r.table("negotiations")["objective"].to_numpy() for r in (simulated, result))
    assert other == pytest.approx(one, rel=0.02)
    assert result.kpis["lower_cost"] == pytest.approx(simulated.kpis["lower_cost"], rel=0.02)


@pytest.mark.parametrize("transport", ["tcp", "mqtt"])
def test_a_recorded_run_played_again_in_one_process_is_the_same(transport, over, tmp_path):
    same_after_replay(over(transport), tmp_path / "again", TABLES)


def test_a_record_of_another_run_is_refused(over, tmp_path):
    asked = [f"communication.replay={over('tcp').dir}"]
    with pytest.raises(quartier.RunFailed, match="not of this scenario, seed and version"):
        quartier.run(CASE, seed=7, overrides=asked, out=tmp_path / "again")


@pytest.mark.parametrize("transport", ["tcp", "mqtt"])
def test_all_agents_of_a_run_commit_one_candidate(transport, over, home):
    """What comes home from the processes is what their speaker says that they do together."""
    over(transport)
    assert len(home[transport]) == 2  # gates
    for here in home[transport]:
        for name in ("east", "west"):
            outcome = here[name].outcomes[-1]
            members = [a for a in here.values() if isinstance(a, UnitAgent) and a.principal == name]
            assert {agent.history[-1][0] for agent in members} == {outcome.negotiation.round}
            total = sum(agent.history[-1][1].p_kw for agent in members)
            assert total == pytest.approx(outcome.p_kw + outcome.curtailed_kw, abs=1e-4)
            assert outcome.missing == ()


# -- what happens in between ----------------------------------------------------------------------
def test_a_process_that_dies_is_started_again_and_strangers_change_nothing(tmp_path, monkeypatch):
    """Strangers say pickles, long and unknown things in the middle of it all."""
    trace = tmp_path / "executed"
    pickled = b"cos\nsystem\n(S'touch " + str(trace).encode() + b"'\ntR."
    team, port = team_of_run(monkeypatch), []
    opened = opening.open_port

    def noted(*given):
        port.append(opened(*given))
        return port[-1]

    monkeypatch.setattr(opening, "open_port", noted)

    def mischief():
        team[0].processes["east"].kill()
        number = int(port[0].address.rpartition(":")[2])
        for payload in (pickled, b"{}", b'{"@": "os.system"}', b"\xff" * 100):
            say(number, struct.pack(">I", len(payload)) + payload)
        for payload in (struct.pack(">I", 2**31), b"GET / HTTP/1.1\r\n\r\n"):
            say(number, payload)

    done = after_some_works(monkeypatch, SOME, mischief)
    result = quartier.run(CASE, overrides=[TCP], out=tmp_path / "run")
    assert done
    is_whole(result)
    told = result.manifest["network"]
    assert told["restarts"] == 1 and told["calls"] == {"east": 2, "west": 1}
    assert told["dropped"].pop("repeated") >= SOME / 2  # said before, known by its number
    assert told["dropped"] == {"malformed": 4, "oversized": 2}
    assert not trace.exists()
    same_after_replay(result, tmp_path / "again", TABLES)


def test_a_broker_that_is_gone_for_a_while_and_a_process_that_dies(tmp_path, monkeypatch):
    """So are processes that are there before the run, one of which would do something else."""
    with broker(tmp_path / "broker") as mosquitto:
        topic = f"mqtt://{mosquitto.address}/quartier"
        processes = {name: agents(name, topic) for name in ("east", "west")}
        other = agents("east", topic, "horizon.steps=3", "objectives.peak_eur_per_kw=1")

        def mischief():
            mosquitto.kill()
            stop(processes["east"])

            def mend():
                time.sleep(5)
                mosquitto.start()
                processes["east"] = agents("east", topic)

            threading.Thread(target=mend).start()

        done = after_some_works(monkeypatch, SOME, mischief)
        asked = [MQTT, f"communication.network.address={mosquitto.address}"]
        asked.append("communication.network.start=false")
        try:
            result = quartier.run(CASE, overrides=asked, out=tmp_path / "run")
            assert [p.wait(30) for p in processes.values()] == [0, 0]
            said, _ = other.communicate(timeout=60)
        finally:
            stop(*processes.values(), other)
    assert done
    assert other.returncode == 2
    assert "not the same scenario.horizon, scenario.objectives" in said
    is_whole(result)
    assert min(result.manifest["network"]["calls"].values()) >= 2
    same_after_replay(result, tmp_path / "again", TABLES)


def say(port: int, payload: bytes) -> None:
    """Say something to the orchestrator, and listen until it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stranger:
        (length,) = struct.unpack(">I", stranger.recv(4))
        assert b"Challenge" in stranger.recv(length)
        stranger.sendall(payload)
        assert stranger.recv(1) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_processes_that_a_run_started_end_when_it_is_killed(tmp_path):
    asked = (sys.executable, "-m", "quartier", "run", str(CASE), "--set", TCP)
    folder = tmp_path / "run"
    run = subprocess.Popen([*asked, "--out", str(folder)], stdout=subprocess.DEVNULL)
    try:
        until(lambda: all((folder / f"agents-{name}.txt").exists() for name in ("east", "west")))
        until(lambda: len(children(run.pid)) == 2)
        started = children(run.pid)
    finally:
        stop(run)
        run.wait()
    until(lambda: not any(Path(f"/proc/{process}").exists() for process in started))


def children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(one) for one in found.split()]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")
def test_a_process_that_is_stopped_is_waited_for_as_long_as_a_plan_may_take(tmp_path, monkeypatch):
    """It keeps its connection, so nobody sees that it is gone; its deadline ends it, too."""
    team, began = team_of_run(monkeypatch), list[float]()

    def mischief():
        team[0].processes["east"].send_signal(signal.SIGSTOP)
        began.append(time.monotonic())

    done = after_some_works(monkeypatch, SOME, mischief)
    asked = [TCP, "deadlines.plan_s=30"]
    told = r"'cohda' failed at gate 0 .*not answer within 30 s \(deadlines.plan_s\)"
    with pytest.raises(quartier.RunFailed, match=told):
        quartier.run(CASE, overrides=asked, out=tmp_path / "run")
    assert done
    assert time.monotonic() - began[0] < 60.0
    assert Result.open(tmp_path / "run").status == "failed"
    assert all(process.poll() is not None for process in team[0].processes.values())


def test_a_run_says_whom_it_waited_for_in_vain(tmp_path):
    asked = [TCP, "communication.network.start=false", "communication.network.wait_s=1"]
    with pytest.raises(quartier.RunFailed, match="agents of east, west was there for 1 s"):
        quartier.run(CASE, overrides=asked, out=tmp_path / "run")


def test_mechanisms_without_agents_take_no_notice(tmp_path):
    result = quartier.run(CASE, coordination="central", overrides=[TCP], out=tmp_path / "run")
    assert result.status == "complete" and "network" not in result.manifest


ROOTED = "agents of 'price-response' live in one process only"


def test_a_comparison_lets_agents_move_too(over, tmp_path, monkeypatch):
    asked = ["uncontrolled", "cohda"]
    compared = quartier.compare(CASE, asked, overrides=[TCP], out=tmp_path / "compared")
    told = {name: run.manifest.get("network") for name, run in compared.results.items()}
    assert told["uncontrolled"] is None
    assert told["cohda"]["calls"] == over("tcp").manifest["network"]["calls"]
    monkeypatch.setattr(CongestionPrices, "networked", False)
    with pytest.raises(quartier.InputError, match=ROOTED):
        quartier.compare(CASE, ["price-response"], overrides=[TCP], out=tmp_path / "refused")


def test_mechanisms_whose_agents_cannot_move_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(CongestionPrices, "networked", False)
    with pytest.raises(quartier.InputError, match=ROOTED):
        quartier.run(CASE, coordination="price-response", overrides=[TCP], out=tmp_path / "run")
