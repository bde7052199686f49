"""Sharing over several gates: states carried on, certificates, windows that cannot be served."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import quartier
from quartier.centralised.programs import models_of
from quartier.centralised.sharing import BilevelSharing
from quartier.centralised.sharing.pool import Pool
from quartier.instance import build
from quartier.scenario.load import load

SHORT = Path(__file__).parents[1] / "cases" / "short-of-heat"
THREE_GATES = ["horizon.steps=72", "baseline=individual"]
MECHANISMS = ["individual", "central", "bilevel"]


# -- the certificate, gate by gate -----------------------------------------------------------------
@pytest.fixture(scope="module")
def rolled(tmp_path_factory):
    """Three days of the winter week under `bilevel`, and what was asked at each gate."""
    asked, plan = [], BilevelSharing.plan

    def noted(self, problem, state, rng):
        asked.append(problem)
        return plan(self, problem, state, rng)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BilevelSharing, "plan", noted)
        run = quartier.run(
            "aachen:winter",
            coordination="bilevel",
            overrides=THREE_GATES,
            out=tmp_path_factory.mktemp("rolled") / "run",
        )
    return run, asked


def test_states_are_carried_on_from_gate_to_gate(rolled):
    run, asked = rolled
    assert [problem.first for problem in asked] == [0, 24, 48]
    units = run.table("units").set_index(["time", "unit"])["energy_kwh"]
    for problem in asked[1:]:
        before = problem.horizon.start - problem.horizon.times.freq
        for one in problem.neighbourhoods:
            for unit in one.units:
                if "energy_kwh" in unit.state:
                    found = units.loc[(before, unit.name)]
                    assert unit.state["energy_kwh"] == pytest.approx(found, abs=1e-6)


def test_every_gate_is_certified(rolled):
    run, asked = rolled
    for gate, solves in run.table("solves").groupby("gate"):
        row = solves.set_index("problem")
        assert set(row["status"]) == {"optimal"}
        assert row["objective"]["leader"] == pytest.approx(0.0, abs=1e-6)
        answers = row[row.index.str.startswith("response ")]
        assert len(answers) == 3
        assert answers["follower_suboptimality"].max() <= 1e-8
        assert answers["objective"].sum() == pytest.approx(row["objective"]["bilevel"], rel=1e-9)
        for name in ("rural", "suburban", "urban"):
            alone = row["objective"][f"individual {name}"]
            assert row["objective"][f"response {name}"] <= alone + 1e-6 * abs(alone)
        problem = asked[gate]
        central = Pool(problem.coupling, models_of(problem)).solve().answer.objective
        assert row["objective"]["bilevel"] == pytest.approx(central, rel=1e-9)


# -- a window that cannot be served ----------------------------------------------------------------
@pytest.fixture(scope="module")
def short(tmp_path_factory):
    folder = shutil.copytree(SHORT, tmp_path_factory.mktemp("cases") / "short")
    return quartier.compare(folder, MECHANISMS, out=folder / "compared")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_heat_that_nobody_can_give_is_unserved_at_its_node_and_time(short, mechanism):
    run = short.result(mechanism)
    nodes = run.table("nodes")
    missing = nodes[nodes["unserved_kw"] > 1e-6]
    assert set(missing["node"]) == {"cold.heat"}
    assert [f"{time:%H:%M}" for time in missing["time"]] == ["10:00", "11:00"]
    assert missing["unserved_kw"].to_list() == pytest.approx([30.0, 30.0])
    assert run.kpis["heat_unserved"] == pytest.approx(60.0)
    (warning,) = (text for text in run.manifest["warnings"] if "not served" in text)
    for word in ("cold.heat", "60 kWh of heat", "2 steps", "2016-05-02 10:00 UTC", "30 kW"):
        assert word in warning
    assert warning in (run.dir / "log.txt").read_text()


def test_it_is_known_before_the_run():
    (note,) = build(load(SHORT)).notes
    assert note.where == "neighbourhoods.cold.heat"
    for word in ("in 2 of 24 steps", "2016-05-02 10:00 UTC", "30 kW are missing"):
        assert word in note.what
