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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
