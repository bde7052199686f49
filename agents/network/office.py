"""The orchestrator's post office: sees to it that nothing is lost, and nothing done twice.

Works for an agents' process are numbered, as are its replies. Works of the gate are kept until it
is over. Whoever calls says what it has dealt with, and is sent the rest again: after a lost
connection what is missing, after a restart all of them, which bring its agents to where they were.
What it replies again is recognised by its number.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    Unsigned,
    Welcome,
    Work,
    nonce,
)
from quartier.agents.network.port import (
    MOST_UNKNOWN,
    Arrived,
    Called,
    Caller,
    Dropped,
    Event,
    Lost,
    Port,
    too_long,
)

logger = logging.getLogger(__name__)


@dataclass
class Line:
    """What is known of one neighbourhood's agents' process."""

    first: int = 1
    """Number of the gate's first work."""
    works: list[Work] = field(default_factory=list)
    """Works of the gate, numbered from ``first``."""
    replied: int = 0
    caller: Caller | None = None
    """Who called last; it may have been cut off since."""
    calls: int = 0
    is_there: bool = False
    absent_since: float = field(default_factory=time.monotonic)

    @property
    def last(self) -> int:
        """Number of the last work."""
        return self.first + len(self.works) - 1


@dataclass
class Visitor:
    """Somebody who called: the session it was given, and who it is once it has shown that."""

    session: str
    seal: Seal
    name: str | None = None


class Office:
    """Sends works, collects replies; in a thread of its own.

    Parameters
    ----------
    names
        Neighbourhoods whose agents live elsewhere.
    identity
        What the figures follow from; a process that differs in it is refused.
    token
        Secret that is asked of everybody; empty: none is.
    """

    def __init__(
        self, port: Port, names: Iterable[str], identity: Mapping[str, str], token: str
    ) -> None:
        self.run = nonce()
        self.replies: queue.Queue[tuple[str, Done]] = queue.Queue()
        self.dropped: Counter[str] = Counter()
        """What was received and not taken, by reason."""
        self.lines = {name: Line() for name in names}
        self.trouble: str | None = None
        """Why the run cannot go on, whoever is there."""
        self._port, self._identity, self._token = port, dict(identity), token
        self._visitors: dict[Caller, Visitor] = {}
        self._lock = threading.Lock()
        self._is_open = True
        self._thread = threading.Thread(target=self._serve, name="post office", daemon=True)
        self._thread.start()

    # -- what the orchestrator does -----------------------------------------------------------
    def give(self, name: str, work: Work) -> None:
        """Give an agents' process work; the reply comes in time, whatever happens."""
        with self._lock:
            line = self.lines[name]
            if isinstance(work, OpenGate):
                line.first, line.works = line.last + 1, []
            line.works.append(work)
            self._send_task(line, line.last)

    def absent(self, seconds: float) -> list[str]:
        """Return whose process has not been there for longer than that."""
        now = time.monotonic()
        with self._lock:
            return [
                name
                for name, line in self.lines.items()
                if not line.is_there and now - line.absent_since > seconds
            ]

    def close(self) -> None:
        """Tell everybody that the run is over."""
        with self._lock:
            self._is_open = False
            for caller, visitor in self._visitors.items():
                if visitor.name is not None:
                    self._send(caller, Ended(visitor.session))
        self._thread.join()

    # -- events -----------------------------------------------------------------------------------
    def _serve(self) -> None:
        while self._is_open:
            try:
                event = self._port.events.get(timeout=0.1)
            except queue.Empty:
                continue
            with self._lock:
                try:
                    self._take(event)
                except Unsigned as error:
                    self._drop("unsigned", event, error)
                except Malformed as error:
                    self._drop("malformed", event, error)
                except Exception as error:  # our own mistake: others are served all the same
                    logger.exception("the post office cannot deal with something")
                    self._drop("not understood", event, error)

    def _take(self, event: Event) -> None:
        if isinstance(event, Dropped):
            self._drop(event.why, event)
        elif isinstance(event, Called):
            self._greet(event.caller)
        elif isinstance(event, Lost):
            self._lose(event.caller)
        else:
            self._arrived(event)

    def _drop(self, why: str, event: Event, error: Exception | None = None) -> None:
        """Count something that is not taken; whoever is unknown is let go."""
        self.dropped[why] += 1
        logger.warning("dropped what is %s%s", why, f": {error}" if error else "")
        if isinstance(event, Arrived):
            visitor = self._visitors.get(event.caller)
            if visitor is not None and visitor.name is None:
                self._port.hang_up(event.caller)
                del self._visitors[event.caller]

    def _greet(self, caller: Caller) -> None:
        session = nonce()
        strangers = [c for c, visitor in self._visitors.items() if visitor.name is None]
        for one in strangers[: max(len(strangers) - MOST_UNKNOWN + 1, 0)]:
            self._port.hang_up(one)
            del self._visitors[one]
        self._visitors[caller] = Visitor(session, Seal(self._token, session))
        self._port.send(caller, Seal("").write(Challenge(session), DOWN))

    def _lose(self, caller: Caller) -> None:
        """Note that somebody is gone, as far as the network knows.

        A broker may be made to say so of anybody, so it is heard again if it speaks.
        """
        visitor = self._visitors.get(caller)
        if visitor is None or visitor.name is None:
            self._visitors.pop(caller, None)
            return
        line = self.lines[visitor.name]
        line.is_there, line.absent_since = False, time.monotonic()
        logger.warning("the agents of %s are not there; waiting for them", visitor.name)

    def _arrived(self, event: Arrived) -> None:
        visitor = self._visitors.get(event.caller)
        if visitor is None:
            self.dropped["of nobody"] += 1
        elif visitor.name is None:
            self._admit(event.caller, visitor, visitor.seal.read(event.payload, Hello, UP))
        else:
            reply = visitor.seal.read(event.payload, Reply, UP)
            self.lines[visitor.name].is_there = True
            self._note(visitor, reply)

    # -- who calls ------------------------------------------------------------------------------
    def _admit(self, caller: Caller, visitor: Visitor, hello: Hello) -> None:
        if hello.session != visitor.session:
            raise Malformed("it is of another session")
        visitor.seal = Seal(self._token, hello.session, hello.nonce)
        why = self._objection(hello)
        if why:
            self.dropped["refused"] += 1
            logger.warning("refused agents of %r: %s", hello.neighbourhood, why)
            self._send(caller, Refused(visitor.session, why))
            self._port.hang_up(caller)
            del self._visitors[caller]
            return
        line = self.lines[hello.neighbourhood]
        if line.caller is not None:
            self._replace(line.caller)
        visitor.name, line.caller = hello.neighbourhood, caller
        line.calls += 1
        line.is_there = True
        self._port.trust(caller)
        self._send(caller, Welcome(visitor.session, self.run, line.replied))
        handled = hello.handled if hello.run == self.run else 0
        for n in range(max(handled + 1, line.first), line.last + 1):
            self._send_task(line, n)

    def _objection(self, hello: Hello) -> str:
        if hello.neighbourhood not in self.lines:
            known = ", ".join(self.lines)
            return f"there is no neighbourhood {hello.neighbourhood!r}; there are: {known}"
        names = {**self._identity, **hello.identity}
        differ = [n for n in names if self._identity.get(n) != hello.identity.get(n)]
        return f"not the same {', '.join(differ)}" if differ else ""

    def _replace(self, caller: Caller) -> None:
        """Let go of a connection in whose place there is a newer one."""
        visitor = self._visitors.pop(caller)
        self._send_to(caller, visitor, Refused(visitor.session, "another process took its place"))
        self._port.hang_up(caller)

    # -- works and replies ----------------------------------------------------------------------
    def _note(self, visitor: Visitor, reply: Reply) -> None:
        assert visitor.name is not None
        line = self.lines[visitor.name]
        if reply.session != visitor.session or reply.n > line.last:
            raise Malformed("it is of another session")
        if reply.n != line.replied + 1:
            self.dropped["repeated"] += reply.n <= line.replied
            return
        line.replied = reply.n
        self.replies.put((visitor.name, reply.done))

    def _send_task(self, line: Line, n: int) -> None:
        if line.caller is not None:
            visitor = self._visitors[line.caller]
            task = Task(visitor.session, n, line.works[n - line.first])
            payload = visitor.seal.write(task, DOWN)
            if len(payload) > self._port.most_bytes:
                told = too_long(len(payload))
                self.trouble = f"what the agents of {visitor.name} should be told: {told}"
                return
            self._port.send(line.caller, payload)

    def _send(self, caller: Caller, frame: Any) -> None:
        self._send_to(caller, self._visitors[caller], frame)

    def _send_to(self, caller: Caller, visitor: Visitor, frame: Any) -> None:
        self._port.send(caller, visitor.seal.write(frame, DOWN))
