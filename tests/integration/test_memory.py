"""A long run holds one gate at a time, so that its memory is flat."""

import gc
from collections import Counter

import quartier
from quartier.optimisation.assembly import Assembly
from quartier.problem import Problem
from quartier.simulators.planner import Planner
from quartier.units.base import UnitData
from tests.integration.test_resume import study


def test_nothing_of_a_gate_is_kept_until_the_one_after_the_next(tmp_path, monkeypatch):
    plan, alive = Planner._plan, []

    def counted(self, inputs):
        plan(self, inputs)
        if self._execution.name == "individual":
            gc.collect()
            found = Counter(type(one) for one in gc.get_objects())
            alive.append(tuple(found[kind] for kind in (Problem, Assembly, UnitData)))

    monkeypatch.setattr(Planner, "_plan", counted)
    steps = ["horizon.steps=12", "gates.every=2", "gates.horizon_steps=4"]
    case = study(tmp_path / "case")
    quartier.run(case, coordination="individual", overrides=steps, out=tmp_path / "run")
    assert len(alive) == 6
    assert len(set(alive[1:-1])) == 1
