"""Brokers, processes and certificates for tests of what goes over a network."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

import quartier
from quartier import Result
from quartier.agents.network import hired, opening
from quartier.agents.network.frames import Advance, OpenGate, Work
from quartier.agents.network.office import Office

CASE = Path(__file__).parents[1] / "cases" / "network"

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """A broker on a free port of this machine, which can be killed and started again."""

    def __init__(self, folder: Path, *lines: str, anonymous: bool = True) -> None:
        assert MOSQUITTO, "the tests need Mosquitto: apt-get install mosquitto"
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._conf, self._log = folder / "mosquitto.conf", folder / "mosquitto.log"
        own = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(anonymous).lower()}"]
        own.append(f"user {getpass.getuser()}")  # started as root, it would be somebody else
        text = "\n".join([*own, "set_tcp_nodelay true", "persistence false", *lines, ""])
        self._conf.write_text(text)
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            asked = [MOSQUITTO, "-c", str(self._conf)]
            self.process = subprocess.Popen(asked, stdout=log, stderr=log)
        for _ in range(100):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.1)
        self.kill()
        raise AssertionError(self._log.read_text())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def broker(folder: Path, *lines: str, anonymous: bool = True) -> Iterator[Mosquitto]:
    found = Mosquitto(folder, *lines, anonymous=anonymous)
    try:
        yield found
    finally:
        found.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def agents(
    neighbourhood: str, address: str, *overrides: str, scenario: Path = CASE, **environ: str
) -> subprocess.Popen[str]:
    """`quartier agents` in a process of its own."""
    more = [part for text in overrides for part in ("--set", text)]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "quartier", "agents", str(scenario)),
            *("--neighbourhood", neighbourhood, "--connect", address, *more),
        ],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def certificates(folder: Path) -> dict[str, str]:
    """Files of an authority, and of a certificate for 127.0.0.1 that it signed."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*given: str) -> None:
        subprocess.run(["openssl", *given], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test")
    openssl("req", *new, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=127.0.0.1")
    (folder / "own.ext").write_text("subjectAltName=IP:127.0.0.1\n")
    signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "own.ext")
    openssl("x509", "-req", "-in", "own.csr", *signer, "-out", "own.pem")
    return {name: str(folder / f) for name, f in FILES.items()}


FILES = {"ca": "ca.pem", "cert": "own.pem", "key": "own.key"}


def stop(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.1)


# -- runs over a network --------------------------------------------------------------------------
def over(transport: str, mosquitto: Mosquitto) -> list[str]:
    """Overrides that let agents live in processes of their own."""
    asked = [f"communication.transport={transport}"]
    if transport == "mqtt":
        asked.append(f"communication.network.address={mosquitto.address}")
    return asked


def same(one: Result, other: Result, tables: Sequence[str]) -> None:
    """Two runs left the same in some tables, to 1e-9."""
    for table in tables:
        pd.testing.assert_frame_equal(one.table(table), other.table(table), rtol=1e-9, atol=1e-9)


def same_after_replay(result: Result, out: Path, tables: Sequence[str], *overrides: str) -> None:
    """Agents that hear the same in the same order in one process do the same."""
    manifest = result.manifest
    again = quartier.run(
        str(Path(manifest["source"])),
        coordination=manifest["coordination"],
        overrides=[*overrides, "record.messages=true", f"communication.replay={result.dir}"],
        out=out,
    )
    for table in (*tables, "messages"):
        pd.testing.assert_frame_equal(result.table(table), again.table(table))


def after_some_works(
    monkeypatch: pytest.MonkeyPatch,
    some: int,
    mischief: Callable[[], None],
    kind: type[Work] = Advance,
    gate: int = 0,
) -> list[bool]:
    """Do something once in the middle of a gate, when so many works of a kind were given in it."""
    give, count, done, now = Office.give, 0, list[bool](), -1

    def counted(self: Office, name: str, work: Work) -> None:
        nonlocal count, now
        now = work.gate if isinstance(work, OpenGate) else now
        count += isinstance(work, kind) and now == gate
        if count == some and not done:
            done.append(True)
            mischief()
        give(self, name, work)

    monkeypatch.setattr(Office, "give", counted)
    return done


def team_of_run(monkeypatch: pytest.MonkeyPatch) -> list[hired.Hired]:
    """Return where the processes will be found that a run starts."""
    team: list[hired.Hired] = []

    class Watched(hired.Hired):
        def __init__(self, *given):
            super().__init__(*given)
            team.append(self)

    monkeypatch.setattr(opening, "Hired", Watched)
    return team
