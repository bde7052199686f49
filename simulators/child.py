"""Simulators in processes of their own: their last words are heard, and they leave no orphans."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from mosaik.proxies import RemoteProxy
from mosaik.starters import Starter
from mosaik_api_v3.connection import Channel

from quartier.errors import RunFailed

WORDS = 20
"""Lines of standard error that are told."""
POLL_S = 0.02


class ChildProxy(RemoteProxy):
    """A simulator in a process group of its own."""

    def __init__(self, channel: Channel, remote: Any, child: Child) -> None:
        super().__init__(channel, remote)
        self._child = child

    def kill(self) -> None:
        """End the process and all that it started."""
        self._child.kill()

    def end(self, within_s: float) -> None:
        """Let the process end by itself within a time; then end it and all that it started."""
        self._child.end(within_s)

    def last_words(self) -> str:
        """What it last wrote to standard error."""
        return self._child.last_words()


class Child(Starter):
    """Starts a simulator as a process of its own.

    Parameters
    ----------
    command
        Program and arguments; ``%(python)s`` and ``%(addr)s`` stand for this Python and the
        address to connect to, as in mosaik's ``cmd``.
    start_s
        Longest wall time until it connects. One that dies before is not waited for.
    errors
        File for what it writes to standard error; None: one that is gone afterwards.
    """

    def __init__(
        self, command: Sequence[str], start_s: float = 60.0, errors: Path | None = None
    ) -> None:
        self.api_version = None
        self._command, self._start_s, self._file = command, start_s, errors
        self._errors: IO[bytes] | None = None
        self._said: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self, sim_id: str, mosaik_remote: Any, mosaik_config: Any) -> ChildProxy:
        """Start the process, and wait until it connects."""
        connected: asyncio.Future[Channel] = asyncio.Future()
        server = await asyncio.start_server(
            lambda r, w: connected.set_result(Channel(r, w, name=sim_id)), "127.0.0.1", 0
        )
        host, port = server.sockets[0].getsockname()[:2]
        words = {"python": sys.executable, "addr": f"{host}:{port}"}
        # It is read after the process has ended.
        self._errors = TemporaryFile() if self._file is None else self._file.open("w+b")  # noqa: SIM115
        try:
            self.process = subprocess.Popen(
                [part % words for part in self._command],
                stderr=self._errors,
                start_new_session=True,
            )
            await self._wait(sim_id, connected)
        except BaseException as error:
            self.kill()
            if isinstance(error, OSError):
                raise RunFailed(f"simulator {sim_id!r} cannot be started: {error}") from error
            raise
        finally:
            server.close()
        return ChildProxy(connected.result(), mosaik_remote, self)

    @classmethod
    def from_starter_config(cls, starter_config: Any) -> None:
        """There is none in words."""

    async def _wait(self, name: str, connected: asyncio.Future[Channel]) -> None:
        assert self.process is not None
        until = time.monotonic() + self._start_s
        while not connected.done():
            code = self.process.poll()
            if code is not None:
                raise RunFailed(
                    f"simulator {name!r} died at its start (exit code {code}){self.last_words()}"
                )
            if time.monotonic() > until:
                raise RunFailed(
                    f"simulator {name!r} did not connect within {self._start_s:g} s"
                    + self.last_words()
                )
            await asyncio.sleep(POLL_S)

    def end(self, within_s: float) -> None:
        """Let the process end by itself within a time; then end it and all that it started."""
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(within_s)
        self.kill()

    def kill(self) -> None:
        """End the process and all that it started."""
        if self.process is None:
            return
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        self._said = self._said or self._heard()
        if self._errors is not None:
            self._errors.close()

    def last_words(self) -> str:
        """What it last wrote to standard error."""
        lines = self._said or self._heard()
        return "; its last words:\n" + "\n".join(f"    {line}" for line in lines) if lines else ""

    def _heard(self) -> list[str]:
        if self._errors is None or self._errors.closed:
            return []
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").rstrip().splitlines()[-WORDS:]
