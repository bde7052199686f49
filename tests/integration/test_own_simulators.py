"""Simulators of the user's own: over TCP, as a class, as a command; and how they fail."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

import quartier
from quartier.errors import InputError, RunFailed
from quartier.scenario.load import load

HERE = Path(__file__).parent
CASE = HERE.parent / "cases" / "market"
SCRIPT = HERE / "own_battery.py"


@pytest.fixture
def case(tmp_path):
    """Return a function that writes the case with simulators, and returns its folder."""

    def written(**simulators):
        folder = tmp_path / "market"
        folder.mkdir()
        (folder / "s.csv").write_text((CASE / "s.csv").read_text())
        data = yaml.safe_load((CASE / "scenario.yaml").read_text())
        data["horizon"]["start"] = str(data["horizon"]["start"])
        described = {
            "unit": "store.battery",
            "model": "Battery",
            "init": {"step_size": 3600},
            "params": {"energy_kwh": 0.0},
        }
        data["simulators"] = {name: described | own for name, own in simulators.items()}
        (folder / "scenario.yaml").write_text(yaml.safe_dump(data))
        return folder

    return written


@contextmanager
def served(fault=""):
    """A simulator in a process of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), f"127.0.0.1:{port}", *([fault] if fault else [])],
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _listens(port):
            assert process.poll() is None
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and " 0A " in line for line in table)


def check(result):
    """It charges 20 kW for an hour, and gives 90 % of 90 % of that back."""
    units = result.table("units").query("unit == 'store.battery'")
    assert units["planned_kw"].tolist() == pytest.approx([-20.0, 20.0], abs=1e-6)
    assert units["p_kw"].tolist() == pytest.approx([-20.0, 16.2], abs=1e-6)
    assert units["energy_kwh"].tolist() == pytest.approx([18.0, 0.0], abs=1e-6)


def test_a_simulator_over_tcp_acts_for_a_unit(case, tmp_path):
    with served() as address:
        result = quartier.run(
            case(mine={"connect": address}), coordination="central", out=tmp_path / "run"
        )
    assert result.status == "complete"
    check(result)


@pytest.mark.parametrize("way", ["python", "cmd"])
def test_so_does_a_class_or_a_command(case, tmp_path, monkeypatch, way):
    monkeypatch.chdir(HERE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    own = {
        "python": {"python": "own_battery:OwnBattery"},
        "cmd": {"cmd": f"%(python)s {SCRIPT} --client %(addr)s"},
    }[way]
    result = quartier.run(case(mine=own), coordination="central", out=tmp_path / "run")
    check(result)


def test_nobody_at_the_address_is_named_at_once(case, tmp_path):
    folder = case(mine={"connect": "127.0.0.1:9"})
    quartier.run(CASE, coordination="central", out=tmp_path / "warm")
    began = time.monotonic()
    with pytest.raises(RunFailed, match=r"'mine' \(connect: 127.0.0.1:9\).*nobody answers"):
        quartier.run(folder, coordination="uncontrolled", out=tmp_path / "run")
    assert time.monotonic() - began < 30, "on a busy machine; it waits for two seconds at most"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("version", r"speaks version 2\.4 of mosaik's API, not 3"),
        (
            "dies",
            r"acts for store.battery, failed in step\(\) of battery at step 1 .*: its process",
        ),
        ("raises", r"failed in step\(\) of battery at step 1 \(.*ZeroDivisionError: a mistake"),
        ("hangs", r"failed in step\(\) of .*it did not answer within 1 s \(timeout_s\)"),
        (
            "text",
            r"store\.battery\.measured_kw from own-mine\.battery is 'much' \(str\), not .* @ ",
        ),
        ("mute", r"gives no p_kw, but set_point_kw, energy_kwh"),
    ],
)
def test_what_goes_wrong_is_named(case, tmp_path, fault, told):
    limit = {"timeout_s": 1.0} if fault == "hangs" else {}
    with served(fault) as address, pytest.raises(RunFailed, match=told):
        quartier.run(
            case(mine={"connect": address} | limit),
            coordination="uncontrolled",
            out=tmp_path / "run",
        )
    assert quartier.Result.open(tmp_path / "run").status == "failed"


def test_a_command_that_dies_at_its_start_is_not_waited_for(case, tmp_path):
    """What it wrote to standard error is told, and kept."""
    folder = case(mine={"cmd": """%(python)s -c "raise SystemExit('no licence')" %(addr)s"""})
    began = time.monotonic()
    with pytest.raises(RunFailed, match=r"'mine' .*died at its start .*\n *no licence"):
        quartier.run(folder, coordination="uncontrolled", out=tmp_path / "run")
    assert time.monotonic() - began < 30.0  # of 60 s that it may take
    assert (tmp_path / "run" / "simulator-mine.txt").read_text() == "no licence\n"


def test_a_class_that_hangs_is_ended_at_its_deadline(case, tmp_path, monkeypatch):
    (tmp_path / "own_that_hangs.py").write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from own_battery import OwnBattery\n"
        "class Hangs(OwnBattery):\n"
        "    def __init__(self): super().__init__('hangs')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folder = case(mine={"python": "own_that_hangs:Hangs", "timeout_s": 1.0})
    began = time.monotonic()
    told = (
        r"'mine' .* failed in step\(\) of battery at step 1 .*not answer within 1 s \(timeout_s\)"
    )
    with pytest.raises(RunFailed, match=told):
        quartier.run(folder, coordination="uncontrolled", out=tmp_path / "run")
    assert time.monotonic() - began < 30.0  # of a minute that it sleeps


def test_wrong_settings_are_listed_together(case):
    folder = case(
        none={},
        both={"connect": "a:1", "cmd": "x"},
        nowhere={"connect": "here"},
    )
    with pytest.raises(InputError) as caught:
        load(folder)
    text = "\n".join(caught.value.problems)
    assert "simulators.none: say one of connect, python and cmd, there is none" in text
    assert "simulators.both: say one of connect, python and cmd, not connect and cmd" in text
    assert "simulators.nowhere.connect" in text


def test_a_simulator_acts_for_a_unit_that_is_there(case):
    from quartier.instance import build

    folder = case(one={"cmd": "x"}, two={"cmd": "x"}, three={"cmd": "x", "unit": "store.batery"})
    with pytest.raises(InputError) as caught:
        build(load(folder))
    text = "\n".join(caught.value.problems)
    assert "simulators.two.unit: store.battery is acted for by one already" in text
    assert "there is no unit 'store.batery'; did you mean store.battery?" in text
