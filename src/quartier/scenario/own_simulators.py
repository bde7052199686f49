"""Simulators of the user's own that act for units of the scenario, started or met over mosaik."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PositiveFloat, model_validator

from quartier.scenario.network import Address
from quartier.units.base import Frozen

WAYS = ("connect", "python", "cmd")
"""How a simulator is reached: as mosaik calls it."""


class OwnSimulator(Frozen):
    """A simulator of your own that acts for a unit: it is asked what the unit does in every step.

    It speaks mosaik's API, version 3, in any language. Say one of `connect`, `python` and `cmd`.
    """

    unit: Annotated[str, Field(pattern=r"^[^.]+\.[^.]+$")]
    """The unit that it acts for, `<neighbourhood>.<unit>`; planning still knows the unit as the
    scenario describes it."""
    connect: Address | None = None
    """Address `host:port` at which it waits. It is called once an execution; the baseline is one,
    too."""
    python: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = None
    """Its class, `module:Class`, in the working directory or installed."""
    cmd: Annotated[str, Field(min_length=1)] | None = None
    """Command that starts it; `%(addr)s` stands for where it shall connect to, `%(python)s` for
    this Python."""
    model: Annotated[str, Field(min_length=1)]
    """Model of it that is created once."""
    init: dict[str, Any] = Field(default_factory=dict)
    """What its `init` is given, e.g. `step_size: 900`: mosaik's time counts seconds here."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the model."""
    timeout_s: PositiveFloat = 60.0
    """Longest time in seconds that it may take to answer."""

    @model_validator(mode="after")
    def _one_way(self) -> OwnSimulator:
        named = [way for way in WAYS if getattr(self, way) is not None]
        if len(named) != 1:
            said = f"not {' and '.join(named)}" if named else "there is none"
            raise ValueError(f"say one of connect, python and cmd, {said}")
        return self

    @property
    def where(self) -> str:
        """How it is reached, for messages."""
        return next(f"{way}: {value}" for way in WAYS if (value := getattr(self, way)) is not None)
