"""Whole runs of a few steps: what the run folder holds, and how a run ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import quartier
from quartier.baseline import earlier_baseline
from quartier.instance import build
from quartier.results import Result
from quartier.scenario.load import load

SHORT = ("horizon.steps=8",)
"""Two hours are enough for all that does not depend on the day."""

STRATEGIES = '''
import numpy as np
from quartier.coordination import Cap, Plan, UnitPlan
from quartier.problem import Offer


class Curtail:
    """Holds every plant at half of what it has, and charges the battery with 10 kW."""

    seen = []

    def plan(self, problem, state, rng):
        Curtail.seen.append((problem.gate, problem.first, problem.horizon.steps, state))
        steps = problem.horizon.steps
        ones = np.ones(steps)
        units, offers, caps = {}, {}, {}
        for plant in problem.plants:
            half = plant.series["available_kw"] / 2
            units[plant.name] = UnitPlan(half, half)
            caps[plant.name] = Cap(half, -np.inf * ones)
            offers[plant.name] = Offer(
                plant.name, "der", plant.bus, 2 * half, 2 * half, 0 * ones, 0 * ones, 0.1, 0.3
            )
        battery = "fliegerhorst.battery"
        units[battery] = UnitPlan(-10 * ones, -10 * ones)
        rows = [
            {"time": t, "name": "overloads_offered", "value": 1.0, "unit": "1"}
            for t in problem.horizon.times
        ]
        plans = {"round": 0, "time": problem.horizon.times, "unit": battery, "p_kw": -10 * ones}
        return Plan(units, offers, caps, tap_pos=2, records={"signals": rows, "plans": plans})


class Complains:
    def plan(self, problem, state, rng):
        return Plan(degraded=("agent x died",))


class Fails:
    def plan(self, problem, state, rng):
        if problem.gate == 1:
            raise ZeroDivisionError("one over nothing")
        return Plan()


class Leaves:
    def plan(self, problem, state, rng):
        raise SystemExit("enough")


class LeavesAtOnce(Leaves):
    def __init__(self):
        raise SystemExit("no licence")


class Mistaken:
    def plan(self, problem, state, rng):
        return Plan({"fliegerhorst.batery": UnitPlan(np.zeros(8), np.zeros(8))})


class Interrupted:
    def plan(self, problem, state, rng):
        if problem.gate == 1:
            raise KeyboardInterrupt
        return Plan()
'''


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A working directory with a user's own strategies in it."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "own_strategies.py").write_text(STRATEGIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(scope="module")
def uncontrolled(workplace) -> Result:
    return quartier.run("fliegerhorst", coordination="uncontrolled", overrides=SHORT)


@pytest.fixture(scope="module")
def curtailed(workplace) -> Result:
    """Planned at steps 0 and 4, two steps ahead each time."""
    return quartier.run(
        "fliegerhorst",
        coordination="own_strategies:Curtail",
        overrides=(*SHORT, "gates.every=4", "gates.horizon_steps=3"),
    )


@pytest.fixture(scope="module")
def there(uncontrolled) -> tuple[str, ...]:
    """Overrides of a run that takes the uncontrolled one for its baseline."""
    return (*SHORT, f"baseline={uncontrolled.dir.resolve()}")


# -- the run folder -------------------------------------------------------------------------
def test_run_folder_is_named_after_scenario_and_coordination(uncontrolled, workplace):
    relative = uncontrolled.dir.resolve().relative_to(workplace / "runs")
    assert relative.parts[0] == "fliegerhorst"
    assert relative.parts[1].startswith("uncontrolled-")


def test_variant_and_own_class_make_names_of_folders(curtailed, workplace):
    assert curtailed.dir.name.startswith("own_strategies-Curtail-")
    result = quartier.run(
        "fliegerhorst:max-load", coordination="uncontrolled", overrides=("horizon.steps=1",)
    )
    assert result.dir.parent.name == "fliegerhorst-max-load"


def test_manifest_tells_how_the_run_was_asked_for_and_ended(uncontrolled):
    manifest = uncontrolled.manifest
    assert manifest["status"] == "complete"
    assert manifest["error"] is None
    assert manifest["coordination"] == manifest["scenario"]["coordination"] == "uncontrolled"
    assert manifest["seed"] == 1
    assert manifest["overrides"] == list(SHORT)
    assert manifest["steps_expected"] == manifest["steps_written"] == 8
    assert manifest["versions"]["mosaik"].startswith("3.6")
    assert {"setup", "planning", "execution", "kpis"} <= manifest["wall_times_s"].keys()
    assert manifest["baseline"] is None


def test_tables_have_a_row_for_every_step_and_element(uncontrolled):
    sizes = {"steps": 1, "buses": 99, "connection_points": 13, "nodes": 1}
    for name, size in sizes.items():
        table = uncontrolled.table(name)
        assert len(table) == 8 * size, name
        assert table["time"].nunique() == 8
    units = uncontrolled.table("units")
    assert (units.groupby("time")["unit"].nunique() == units["unit"].nunique()).all()


def test_times_are_those_of_the_horizon(uncontrolled):
    times = uncontrolled.table("steps")["time"]
    assert times.iloc[0] == pd.Timestamp("2016-07-25T00:00+01:00")
    assert (times.diff().dropna() == pd.Timedelta(minutes=15)).all()


def test_power_at_connection_points_is_that_of_their_units(uncontrolled):
    units, points = uncontrolled.table("units"), uncontrolled.table("connection_points")
    place = units["neighbourhood"].fillna(units["unit"])
    total = units.groupby(["time", place])[["p_kw", "q_kvar"]].sum().sort_index()
    there = points.set_index(["time", "name"])[["p_kw", "q_kvar"]].sort_index()
    np.testing.assert_allclose(total.to_numpy(), there.to_numpy(), atol=1e-9)


def test_nothing_planned_means_nothing_offered_or_capped(uncontrolled):
    points = uncontrolled.table("connection_points")
    assert points[["offer_kw", "p_set_min_kw", "p_set_max_kw"]].isna().all(axis=None)
    assert uncontrolled.table("units")["planned_kw"].isna().all()
    assert uncontrolled.kpis["redispatch_calls"] == 0


def test_log_names_who_planned(uncontrolled):
    assert "uncontrolled plans at gate 0" in (uncontrolled.dir / "log.txt").read_text()


# -- plans and gates --------------------------------------------------------------------------
def test_plans_are_executed_for_their_window_and_then_units_follow_their_rules(curtailed):
    battery = curtailed.table("units").query("unit == 'fliegerhorst.battery'")
    planned = [True, True, True, False] * 2
    assert battery["planned_kw"].notna().tolist() == planned
    np.testing.assert_allclose(battery["p_kw"][battery["planned_kw"].notna()], -10.0)
    assert (battery["p_kw"].to_numpy()[[3, 7]] != -10.0).all()


def test_caps_and_offers_are_recorded_and_kept(curtailed):
    points = curtailed.table("connection_points").query("kind == 'der'")
    inside = points[points["offer_kw"].notna()]
    np.testing.assert_allclose(inside["p_kw"], inside["offer_kw"] / 2)
    np.testing.assert_allclose(inside["p_kw"], inside["p_set_max_kw"])
    assert inside["p_set_min_kw"].isna().all()
    assert len(inside) == len(points) * 3 / 4
    assert curtailed.kpis["cap_violations"] == 0
    assert curtailed.kpis["redispatch_energy"] > 0


def test_state_at_a_gate_is_that_at_the_end_of_the_step_before(curtailed):
    import own_strategies

    gates = {
        gate: (first, steps, state) for gate, first, steps, state in own_strategies.Curtail.seen
    }
    assert [gates[0][:2], gates[1][:2]] == [(0, 3), (4, 3)]
    units = curtailed.table("units")
    before = units[units["time"] == units["time"].unique()[3]].set_index("unit")["energy_kwh"]
    for name in ("fliegerhorst.battery", "fliegerhorst.storage", "fliegerhorst.ev11-1"):
        assert gates[1][2].units[name]["energy_kwh"] == before[name]
    assert gates[0][2].units["fliegerhorst.battery"]["energy_kwh"] == 500.0
    assert (gates[0][2].tap_pos, gates[1][2].tap_pos) == (0, 2)


def test_tap_position_of_the_plan_holds(curtailed):
    assert (curtailed.table("transformers")["tap_pos"] == 2).all()


def test_records_are_written_with_their_gate(curtailed):
    assert curtailed.table("plans")["gate"].tolist() == [0] * 3 + [1] * 3
    signals = curtailed.table("signals")
    assert (signals["name"] == "overloads_offered").sum() == 6


# -- baseline -----------------------------------------------------------------------------------
def test_baseline_is_run_inside_the_run_folder(curtailed):
    assert curtailed.manifest["baseline"] == "baseline"
    baseline = Result.open(curtailed.dir / "baseline")
    assert baseline.manifest["coordination"] == "uncontrolled"
    assert baseline.status == "complete"
    assert curtailed.kpis.notna()["export_avoidance[fliegerhorst]"]


def test_baseline_can_be_an_earlier_run(uncontrolled):
    result = quartier.run(
        "fliegerhorst",
        coordination="own_strategies:Curtail",
        overrides=(*SHORT, f"baseline={uncontrolled.dir.resolve()}"),
    )
    assert result.manifest["baseline"] == str(uncontrolled.dir.resolve())
    assert not (result.dir / "baseline").exists()
    assert result.kpis.notna()["export_avoidance[fliegerhorst]"]


def test_a_folder_called_like_a_mechanism_is_no_baseline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = ("horizon.steps=1",)
    quartier.run("fliegerhorst", coordination="uncontrolled", overrides=quick, out="uncontrolled")
    loaded = load("fliegerhorst")  # its baseline is uncontrolled, over another horizon
    assert earlier_baseline(loaded) is None


def test_a_baseline_of_another_horizon_is_refused(uncontrolled):
    overrides = ("horizon.steps=4", f"baseline={uncontrolled.dir.resolve()}")
    with pytest.raises(quartier.InputError, match="differs in horizon"):
        quartier.run("fliegerhorst", coordination="own_strategies:Curtail", overrides=overrides)


# -- what ends a run otherwise ------------------------------------------------------------------
def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(quartier.InputError, match="is not empty"):
        quartier.run("fliegerhorst", coordination="uncontrolled", overrides=SHORT, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_unknown_coordination_lists_the_known_ones(workplace, tmp_path):
    with pytest.raises(quartier.InputError, match="uncontrolled, cohda"):
        quartier.run("fliegerhorst", coordination="kohda", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_a_plan_complains_about_makes_the_run_degraded(there, tmp_path):
    result = quartier.run(
        "fliegerhorst",
        coordination="own_strategies:Complains",
        overrides=there,
        out=tmp_path / "run",
    )
    assert result.status == "degraded"
    assert result.manifest["error"] == "gate 0: agent x died"


def test_a_failing_strategy_fails_the_run_and_is_named(there, tmp_path):
    with pytest.raises(quartier.RunFailed, match=r"own_strategies:Fails.*gate 1 \(step 4") as error:
        quartier.run(
            "fliegerhorst",
            coordination="own_strategies:Fails",
            overrides=(*there, "gates.every=4"),
            out=tmp_path / "run",
        )
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    result = Result.open(tmp_path / "run")
    assert result.status == "failed"
    assert result.manifest["error"] == str(error.value)
    assert result.manifest["steps_written"] == len(result.table("steps")) == 4
    assert "ZeroDivisionError" in (result.dir / "log.txt").read_text()


@pytest.mark.parametrize(
    ("name", "why"), [("Leaves", "SystemExit: enough"), ("LeavesAtOnce", "SystemExit: no licence")]
)
def test_a_strategy_that_leaves_the_program_fails_the_run(there, tmp_path, name, why):
    with pytest.raises(quartier.RunFailed, match=why):
        quartier.run(
            "fliegerhorst",
            coordination=f"own_strategies:{name}",
            overrides=there,
            out=tmp_path / "run",
        )
    assert Result.open(tmp_path / "run").status == "failed"


def test_steps_between_two_plans_are_named(curtailed, uncontrolled):
    (note,) = (n for n in curtailed.manifest["notes"] if n["where"] == "gates.horizon_steps")
    assert note["what"].startswith("is 3: 2 of 8 steps have no plan, the first is step 3")
    assert uncontrolled.manifest["warnings"] == []


def test_steps_that_no_gate_reaches_are_told_before_a_run():
    gates = ("gates.every=6", "gates.horizon_steps=5", *SHORT)
    (note,) = (n for n in build(load("fliegerhorst", gates), 1).notes if "gates" in n.where)
    assert "1 of 8 steps have no plan, the first is step 5" in note.what
    idle = load("fliegerhorst", [*gates, "coordination=uncontrolled"])
    assert not [n for n in build(idle, 1).notes if "gates" in n.where]


def test_a_plan_for_an_unknown_unit_is_an_error(there, tmp_path):
    with pytest.raises(quartier.RunFailed, match=r"unknown units: fliegerhorst\.batery"):
        quartier.run(
            "fliegerhorst",
            coordination="own_strategies:Mistaken",
            overrides=there,
            out=tmp_path / "run",
        )


def test_an_interrupted_run_is_cancelled_and_keeps_its_tables(there, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        quartier.run(
            "fliegerhorst",
            coordination="own_strategies:Interrupted",
            overrides=(*there, "gates.every=4"),
            out=tmp_path / "run",
        )
    result = Result.open(tmp_path / "run")
    assert result.status == "cancelled"
    assert len(result.table("steps")) == 4


# -- the same and not the same --------------------------------------------------------------------
def test_same_seed_gives_identical_tables_and_kpis(uncontrolled, tmp_path):
    again = quartier.run(
        "fliegerhorst", coordination="uncontrolled", overrides=SHORT, out=tmp_path / "again"
    )
    assert again.tables == uncontrolled.tables
    for name in again.tables:
        pd.testing.assert_frame_equal(again.table(name), uncontrolled.table(name))
    kpis, before = (json.loads((r.dir / "kpis.json").read_text()) for r in (again, uncontrolled))
    for name, entry in kpis.items():
        assert name.startswith("wall_time") or entry == before[name]


def test_another_seed_gives_other_stays(tmp_path):
    stays = []
    for seed in (1, 2):
        result = quartier.run(
            "fliegerhorst",
            coordination="uncontrolled",
            seed=seed,
            overrides=("horizon.start=2016-07-25T18:00+01:00", "horizon.steps=4"),
            out=tmp_path / str(seed),
        )
        stays.append(result.table("ev_sessions"))
        assert len(stays[-1])
    assert not stays[0].equals(stays[1])


def test_progress_is_told_phases_and_steps(tmp_path):
    told: list[tuple[str, int | None]] = []
    advanced = []

    class Listener:
        def phase(self, name, total=None):
            told.append((name, total))

        def advance(self, n=1):
            advanced.append(n)

        def note(self, text):
            pass

        def done(self):
            told.append(("done", None))

    quartier.run(
        "fliegerhorst",
        coordination="uncontrolled",
        overrides=SHORT,
        out=tmp_path / "run",
        progress=Listener(),
    )
    assert ("Run: uncontrolled", 8) in told
    assert told[-1] == ("done", None)
    assert sum(advanced) == 8


def test_paths_in_the_manifest_do_not_leave_the_folder(curtailed):
    assert not Path(curtailed.manifest["baseline"]).is_absolute()
