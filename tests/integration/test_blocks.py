"""Steps are taken in blocks, and no figure depends on how a run is cut into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import quartier
from quartier.results import Result
from quartier.simulators import execution as worlds
from quartier.simulators.pace import Pace
from quartier.units import KINDS
from quartier.units.step import Fleet, signals_of
from tests.integration.test_resume import equal
from tests.unit import factories

CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.parametrize(
    ("scenario", "coordination", "overrides"),
    [
        ("aachen", "uncontrolled", ["horizon.steps=20"]),  # stores that lead, and are led
        (CASES / "short-of-heat", "uncontrolled", []),
        (CASES / "sharing", "individual", ["gates.every=2"]),
        (CASES / "zones", "auction", []),
    ],
    ids=["aachen", "short-of-heat", "sharing", "zones"],
)
def test_blocks_of_any_length_give_the_same_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario, coordination, overrides
) -> None:
    def run(name: str, pace: type[Pace]) -> Result:
        monkeypatch.setattr(worlds, "Pace", pace)
        asked = {"coordination": coordination, "overrides": overrides}
        return quartier.run(scenario, out=tmp_path / name, **asked)

    class Single(Pace):
        def begin(self, most: int) -> None:
            super().begin(1)

    class Whole(Pace):
        def begin(self, most: int) -> None:
            self._longest = most
            super().begin(most)

    equal(run("single", Single), run("whole", Whole))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_of_a_fleet_are_those_one_by_one(kind: str) -> None:
    """To the last bit, whatever the set points and what others do."""
    rng = np.random.default_rng(7)
    units = [factories.unit(kind), factories.unit(kind)]
    steps = units[0].horizon.steps
    at_once, one_by_one = (Fleet(kind, units) for _ in range(2))
    wanted = rng.uniform(-30.0, 30.0, (steps, 2))
    wanted[rng.uniform(size=wanted.shape) < 0.4] = np.nan
    names = signals_of(KINDS[kind])
    signals = {name: rng.uniform(0.0, 40.0, (steps, 2)) for name in names}
    half = steps // 2
    parts = [
        at_once.steps(first, wanted[rows], {n: v[rows] for n, v in signals.items()})
        for first, rows in ((0, slice(half)), (half, slice(half, None)))
    ]
    for t in range(steps):
        single = one_by_one.step(t, wanted[t], {n: v[t] for n, v in signals.items()})
        part, row = (parts[0], t) if t < half else (parts[1], t - half)
        for name in ("p_kw", "q_kvar", "heat_kw", "fuel_kw", "co2_kg", "cost_eur", "energy_kwh"):
            found = getattr(part, name)[row]
            np.testing.assert_array_equal(found, getattr(single, name), f"{name} at {t}")
    for name, values in one_by_one.state.items():
        np.testing.assert_array_equal(at_once.state[name], values)
