"""The mosaik world of a run: order of its steps, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quartier.agents.strategies.uncontrolled import Uncontrolled
from quartier.coordination import Plan, UnitPlan
from quartier.errors import RunFailed
from quartier.instance import Instance, build
from quartier.progress import SilentProgress
from quartier.results import RunWriter
from quartier.scenario.load import load
from quartier.simulators.execution import Execution
from quartier.simulators.world import opened, run_world

CASES = Path(__file__).parents[1] / "cases" / "execution-graph"


@pytest.fixture(scope="module")
def two_steps() -> Instance:
    return build(load("fliegerhorst", ["horizon.steps=2"]), seed=1)


def execution(instance: Instance, folder: Path, coordination=None) -> Execution:
    return Execution(
        instance=instance,
        coordination=coordination or Uncontrolled(),
        name="uncontrolled",
        rng=np.random.default_rng(1),
        writer=RunWriter(folder, {"steps_expected": instance.horizon.steps}),
        progress=SilentProgress(),
    )


def test_steps_follow_each_other_as_recorded(two_steps, tmp_path):
    plan = execution(two_steps, tmp_path / "run")
    with opened(plan, debug=True) as world:
        run_world(world, plan)
        edges = world.execution_graph.edges
        step = plan.step_s
        text = sorted(
            f"{source}@{before.time // step} {target}@{after.time // step}"
            for (source, before), (target, after) in edges
        )
    expected = (CASES / "two-steps.txt").read_text(encoding="utf-8")
    assert "\n".join(text) + "\n" == expected
    assert plan.journal.steps == 2


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (lambda unit: 1 / 0, r"ZeroDivisionError: .* \(test_world.py, line \d+\)$"),
        (lambda unit: None, r"plan\(\) returned NoneType instead of a Plan"),
        (
            lambda unit: Plan(units={unit: UnitPlan(np.zeros(3), np.zeros(3))}),
            r"command_kw of .* has the shape \(3,\), not \(2,\)",
        ),
    ],
)
def test_a_wrong_plan_is_refused_with_words(two_steps, tmp_path, plan, message):
    class Wrong:
        def plan(self, problem, state, rng):
            return plan(problem.neighbourhoods[0].units[0].name)

    wrong = execution(two_steps, tmp_path / "run", Wrong())
    with pytest.raises(RunFailed, match=message), opened(wrong) as world:
        run_world(world, wrong)


def test_a_failing_coordination_leaves_no_task_behind(two_steps, tmp_path):
    class Failing:
        def plan(self, problem, state, rng):
            raise ZeroDivisionError("one over nothing")

    plan = execution(two_steps, tmp_path / "run", Failing())
    with (
        pytest.raises(Exception, match=r"'uncontrolled' failed at gate 0 \(step 0.*one over"),
        opened(plan) as world,
    ):
        run_world(world, plan)
    assert world.loop.is_closed()
