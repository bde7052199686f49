"""An agent raises, or is dead from the start, in whole runs: told, the others plan, caps are kept.

One that raises says so; one that is dead says nothing at all, so others wait for it in vain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quartier.agents.base import QuartierAgent
from quartier.agents.messages import Failed
from quartier.results import Result
from quartier.run import run

CASES = Path(__file__).parents[1] / "cases"
KW = 0.1
WHERE = [
    ("network", "cohda", "east.battery"),
    ("network", "mo-cohda", "east.battery"),
    ("network", "price-response", "east"),
    ("network", "auction", "east"),
    ("sharing", "cohda", "sunny.battery"),
    ("sharing", "price-response", "sunny"),
    ("sharing", "auction", "sunny"),
]


def spoil(monkeypatch: pytest.MonkeyPatch, fault: str, victim: str) -> list[str]:
    """Let an agent raise when it first says something, or never live; return what it did."""
    tell, begin, met = QuartierAgent.tell, QuartierAgent.__init__, list[str]()

    def born(self: QuartierAgent, name: str, *args: Any, **more: Any) -> None:
        begin(self, name, *args, **more)
        if name == victim and fault == "dead":
            met.append(name)
            self.failure = "it never lived"

    def told(self: QuartierAgent, receiver: str, content: Any) -> None:
        if self.title != victim or (fault == "raises" and isinstance(content, Failed)):
            tell(self, receiver, content)
        elif fault == "raises":
            met.append(self.title)
            raise ZeroDivisionError("this agent's model is broken")

    monkeypatch.setattr(QuartierAgent, "__init__", born)
    monkeypatch.setattr(QuartierAgent, "tell", told)
    return met


def limits_hold(result: Result) -> bool:
    """Whether caps are kept at all connection points, and lines bear what flows."""
    points = result.table("connection_points")
    above = (points["p_kw"] - points["p_set_max_kw"]).dropna()
    below = (points["p_set_min_kw"] - points["p_kw"]).dropna()
    lines = result.table("lines")["loading_percent"] if "lines" in result.tables else np.zeros(1)
    return bool((above <= KW).all() and (below <= KW).all() and (lines <= 100.1).all())


@pytest.mark.parametrize("fault", ["raises", "dead"])
@pytest.mark.parametrize(("case", "mechanism", "victim"), WHERE)
def test_it_is_told_and_the_others_finish(
    case: str, mechanism: str, victim: str, fault: str, tmp_path: Path, monkeypatch: Any
) -> None:
    met = spoil(monkeypatch, fault, victim)
    asked = {"baseline": mechanism, "record.messages": False}
    result = run(
        CASES / case, coordination=mechanism, overrides=asked, out=tmp_path / "run", report=False
    )
    assert met
    assert result.status == "degraded"
    assert victim in result.manifest["error"]
    if fault == "raises":
        assert "this agent's model is broken" in result.manifest["error"]
    units = result.table("units")
    assert np.isfinite(units["p_kw"]).all()
    assert limits_hold(result)
    others = units[units["unit"].isin(["west.battery", "town.home"])]  # of the other neighbourhood
    assert others["planned_kw"].notna().all()
