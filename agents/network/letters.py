"""An agents' process's side of the post: calls, says what it has dealt with, goes on from there."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from quartier.agents.network.codec import Malformed
from quartier.agents.network.frames import (
    DOWN,
    UP,
    Challenge,
    Done,
    Ended,
    Hello,
    OpenGate,
    Refused,
    Reply,
    Seal,
    Task,
    Welcome,
    Work,
    nonce,
)
from quartier.agents.network.port import HANDSHAKE_S, Gone, Wire, too_long
from quartier.errors import InputError, QuartierError, RunFailed

logger = logging.getLogger(__name__)

AGAIN_S = 0.3
"""Wall time in s between two calls."""


class Letters:
    """Receives works in order, each once, and replies to them; calls again when it is cut off.

    Parameters
    ----------
    call
        Makes a connection (OSError: there is nobody).
    wait_s
        Longest wall time in s without the orchestrator.
    most_bytes
        Longest frame that the orchestrator takes.
    """

    def __init__(
        self,
        call: Callable[[], Wire],
        neighbourhood: str,
        identity: Mapping[str, str],
        token: str,
        wait_s: float,
        most_bytes: int = 2**26,
    ) -> None:
        self._most_bytes = most_bytes
        self._call, self._neighbourhood, self._identity = call, neighbourhood, dict(identity)
        self._token, self._wait_s = token, wait_s
        self._wire: Wire | None = None
        self._session, self._seal = "", Seal("")
        self._run, self._handled = "", 0
        self._replies: dict[int, Done] = {}
        self.ended: QuartierError | None = None
        """Why nothing will be received any more."""

    def receive(self) -> Work | None:
        """Wait for the next work; None: the run is over.

        Raises
        ------
        InputError
            If the orchestrator refuses this process; it is not called again.
        RunFailed
            If it was not there for too long.
        """
        if self.ended is not None:
            raise self.ended
        try:
            return self._received()
        except QuartierError as error:
            self.ended = error
            self.close()
            raise

    def _received(self) -> Work | None:
        while True:
            wire = self._wire or self._connect()
            try:
                found = self._next(wire)
            except Gone:
                self.close()
                continue
            if isinstance(found, Task):
                return self._taken(found)
            if isinstance(found, Ended):
                self.close()
                return None

    def reply(self, done: Done) -> None:
        """Answer the work that was received last."""
        self._replies[self._handled] = done
        self._send_reply(self._handled)

    def _taken(self, task: Task) -> Work:
        if isinstance(task.work, OpenGate):
            self._replies.clear()
        self._handled = task.n
        return task.work

    def _next(self, wire: Wire) -> Task | Ended | None:
        """Return what comes next in order; None for what is not to be taken."""
        payload = wire.receive(None)
        try:
            frame = self._seal.read(payload, Task | Ended | Refused, DOWN)
        except Malformed as error:
            logger.warning("dropped what the orchestrator cannot have said: %s", error)
            return None
        if frame.session != self._session:
            return None
        if isinstance(frame, Refused):
            raise _refusal(frame)
        if isinstance(frame, Task):
            if frame.n <= self._handled:
                return None
            if frame.n > self._handled + 1 and not isinstance(frame.work, OpenGate):
                raise Gone  # something is missing: it is sent again
        assert isinstance(frame, Task | Ended)
        return frame

    def _send_reply(self, n: int) -> None:
        if self._wire is None:
            return  # it is sent when the orchestrator is there again
        payload = self._seal.write(Reply(self._session, n, self._replies[n]), UP)
        if len(payload) > self._most_bytes:
            self._replies[n] = Done((), (), math.inf, failure=too_long(len(payload)))
            payload = self._seal.write(Reply(self._session, n, self._replies[n]), UP)
        try:
            self._wire.send(payload)
        except Gone:
            self.close()

    # -- calling ----------------------------------------------------------------------------------
    def _connect(self) -> Wire:
        """Call until somebody answers.

        Raises
        ------
        InputError
            If the orchestrator refuses this process.
        RunFailed
            If nobody answers for too long.
        """
        began, why = time.monotonic(), "nobody was there"
        while time.monotonic() < began + self._wait_s:
            try:
                self._wire = self._call()
                self._introduce(self._wire)
            except (OSError, Malformed) as error:
                why = f"{type(error).__name__}: {error}"
                self.close()
            if self._wire is not None:
                return self._wire
            time.sleep(AGAIN_S)
        raise RunFailed(
            f"no orchestrator took the agents of {self._neighbourhood} in within"
            f" {self._wait_s:g} s ({why}); is 'quartier run' there, and are token and TLS the same?"
        )

    def _introduce(self, wire: Wire) -> None:
        challenge = Seal("").read(wire.receive(HANDSHAKE_S), Challenge, DOWN)
        own = nonce()
        self._session = challenge.session
        hello = Hello(
            self._session, own, self._neighbourhood, self._run, self._handled, self._identity
        )
        wire.send(Seal(self._token, self._session).write(hello, UP))
        self._seal = Seal(self._token, self._session, own)
        answer: Any = self._seal.read(wire.receive(HANDSHAKE_S), Welcome | Refused, DOWN)
        if answer.session != self._session:
            raise Malformed("it is of another session")
        if isinstance(answer, Refused):
            raise _refusal(answer)
        if answer.run != self._run:
            self._run, self._handled = answer.run, 0
            self._replies.clear()
        for n in sorted(self._replies):
            if n > answer.replied:
                self._send_reply(n)

    def close(self) -> None:
        """Hang up."""
        if self._wire is not None:
            wire, self._wire = self._wire, None
            wire.close()


def _refusal(frame: Refused) -> InputError:
    return InputError([f"the orchestrator refuses this process: {frame.why}"])
