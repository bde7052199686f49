"""What all agents share: names as addresses, typed messages, and failure that is never silent."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeVar

from mango import Agent, on_message

from quartier.agents.agenda import Agenda
from quartier.agents.messages import Failed

logger = logging.getLogger(__name__)

A = TypeVar("A", bound="QuartierAgent")
M = TypeVar("M")
Handler = Callable[[A, M, str], None]


def hears(message: type[M]) -> Callable[[Handler[A, M]], Callable[[A, M, dict[str, Any]], None]]:
    """Mark a method ``(self, message, sender)`` as the one that hears a type of message.

    mango stops serving an agent whose handler raises, while senders go on believing that it
    listens. Here an exception is caught, told to the principal, and kept in
    :attr:`QuartierAgent.failure`.
    """

    def mark(handler: Handler[A, M]) -> Callable[[A, M, dict[str, Any]], None]:
        @functools.wraps(handler)
        def contained(self: A, content: M, meta: dict[str, Any]) -> None:
            if self.failure is not None:
                self.repeat(meta["sender_id"])
                return
            try:
                handler(self, content, meta["sender_id"])
            except Exception as error:
                self.fail(error)

        marked: Callable[[A, M, dict[str, Any]], None] = on_message(message)(contained)
        return marked

    return mark


class QuartierAgent(Agent):  # type: ignore[misc]  # mango is untyped
    """A mango agent that is known by its name.

    Parameters
    ----------
    name
        Its name, which is also its mango agent id.
    principal
        Name of the agent that is told when this one fails.
    """

    LEAVES: ClassVar[dict[str, Any]] = {"failure": str | None}
    """Attributes that a plan is made of at the end of a gate, with their types: what is told of it
    where it lived in another process."""

    def __init__(self, name: str, principal: str | None = None) -> None:
        super().__init__()
        self.title = name
        self.principal = principal
        self.failure: str | None = None
        self.agenda = Agenda()
        """What it says and what it will do, carried out by the world it lives in."""

    @property
    def now_s(self) -> float:
        """Simulated time in seconds."""
        return float(self.context.current_timestamp)

    def tell(self, receiver: str, content: Any) -> None:
        """Send a message to an agent by its name."""
        self.agenda.send(self.title, receiver, content)

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        """Do something after a simulated time, contained like a message."""
        self.agenda.enter(self.now_s + delay_s, partial(self._contained, work))

    def _contained(self, work: Callable[[], None]) -> None:
        if self.failure is None:
            try:
                work()
            except Exception as error:
                self.fail(error)

    def fail(self, error: Exception) -> None:
        """Stop taking part, and say so."""
        logger.error("agent %s failed", self.title, exc_info=error)
        self.failure = f"{type(error).__name__}: {error}"
        if self.principal is not None:
            self.repeat(self.principal)

    def repeat(self, sender: str) -> None:
        """Say again that this agent failed, to a principal that goes on asking."""
        if sender == self.principal and self.failure is not None:
            self.tell(sender, Failed(self.title, self.failure))
