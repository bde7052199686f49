"""The linear network's optimum against a local optimum of the AC equations themselves (M7)."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from copy import copy
from dataclasses import replace
from pathlib import Path

import pandapower as pp
import pytest

from quartier.errors import InputError
from quartier.instance import build
from quartier.scenario.load import load
from tests.integration.studies import run_study
from tests.unit.grid_cases import village

pytest.importorskip("casadi", reason="the extra `ac` brings Ipopt")
ac_optimum = pytest.importorskip("quartier.centralised.ac_optimum")

CODE = Path(__file__).parents[2] / "benchmarks" / "ac_optimum.py"
CASES = Path(__file__).parents[1] / "cases" / "upper-cost"
CLOSE = 1e-5
"""Relative distance of costs that linearising explains (4e-6 seen)."""


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("ac_optimum", CODE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def case(benchmark):
    """The first six hours of the default variant, in most of which line 10 binds."""
    return benchmark.Case("fliegerhorst", ["horizon.steps=24"])


@pytest.fixture(scope="module")
def optimum(case):
    return case.ac()


def test_ac_optimum_is_one_of_pandapowers_power_flow(optimum):
    assert optimum.status == "local optimum"
    assert optimum.cost_eur == pytest.approx(optimum.ac_cost_eur, rel=1e-7)
    assert optimum.loading_percent == pytest.approx(0.0, abs=1e-4)  # a limit binds
    assert optimum.voltage_pu <= 1e-7


def test_linear_optimum_costs_what_the_ac_optimum_costs(case, optimum):
    linear = case.linear()
    assert linear.cost_eur == pytest.approx(optimum.cost_eur, rel=CLOSE)
    assert linear.ac_cost_eur == pytest.approx(optimum.cost_eur, rel=CLOSE)
    assert linear.loading_percent <= 1e-3
    assert linear.voltage_pu <= 1e-6


@pytest.mark.parametrize("part", ["sensitivities", "losses"])
def test_a_wrong_linear_network_would_be_noticed(benchmark, case, optimum, part):
    linear = case.linear(benchmark.WRONG[part])
    assert linear.ac_cost_eur > (1 + 2 * CLOSE) * optimum.cost_eur


def test_power_factors_let_plants_support_voltages(case, optimum):
    """Reactive power is one choice more: what it costs cannot rise, and the limits hold."""
    settings = case.problem.grid.settings.model_copy(update={"min_cos_phi": 0.95})
    coupling = replace(case.problem.coupling, grid=replace(case.problem.grid, settings=settings))
    process = copy(case.process)
    process.problem = replace(case.problem, coupling=coupling)
    found = ac_optimum.ac_optimum(process, case.members, case.tap_pos)
    assert found.status == "local optimum"
    assert found.cost_eur == pytest.approx(found.ac_cost_eur, rel=1e-6)
    assert found.cost_eur < optimum.cost_eur * (1 - 1e-3)
    assert found.loading_percent <= 1e-3
    assert found.voltage_pu <= 1e-6


def test_runs_check_the_linear_optimum_where_asked(tmp_path):
    """900 kW at noon, 400 kW fit, the battery takes 400: 10 EUR, in AC as well."""
    shutil.copytree(CASES, tmp_path / "cases")
    asked = ("redispatch.cross_check=true",)
    runs = run_study(tmp_path / "cases" / "battery-at-noon", ("central", "bilevel"), asked)
    for run in runs.values():
        row = run.table("solves").set_index("problem").loc["bound, AC"]
        assert row["status"] == "local optimum"
        assert row["objective"] == pytest.approx(10.0, abs=0.01)
        assert abs(row["gap"]) < 1e-3
        assert row["loading_over_percent"] == pytest.approx(0.0, abs=1e-3)
        assert row["voltage_over_pu"] < 0


def ac_row(run):
    return run.table("solves").set_index("problem").loc["bound, AC"]


def test_what_the_owner_would_curtail_anyway_is_no_redispatch(tmp_path):
    """Feeding in costs 0.20 EUR/kWh: p_off curtails by itself, and nobody is paid for that."""
    shutil.copytree(CASES, tmp_path / "cases")
    prices = ("signals.export_eur_per_kwh=-0.2", "signals.import_eur_per_kwh=0.1")
    asked = ("redispatch.cross_check=true", *prices)
    (run,) = run_study(tmp_path / "cases" / "battery-at-noon", ["central"], asked).values()
    row = ac_row(run)
    assert row["status"] == "local optimum"
    assert row["objective"] == pytest.approx(0.0, abs=0.01)
    assert row["gap"] == 0.0


@pytest.fixture
def overload(tmp_path):
    """A farm at the end of a line of which half may be used."""
    folder, net = tmp_path / "overload", village()
    shutil.copytree(CASES.parent / "overload", folder)
    net.line.loc[0, "max_loading_percent"] = 50.0
    pp.to_json(net, str(folder / "grid.json"))
    return folder


def test_both_operators_count_the_same_and_keep_the_same_limits(overload):
    """With a margin, a price on the CO2 of imports (U2), and load that a battery serves instead."""
    battery = "neighbourhoods.farm.units.battery"
    asked = (
        "redispatch.cross_check=true",
        "redispatch.margin=0.1",
        "redispatch.import_co2_eur_per_kg=0.5",
        f"{battery}.power_kw=5000",
        f"{battery}.energy_kwh=20000",
    )
    (run,) = run_study(overload, ["central"], asked).values()
    row = ac_row(run)
    assert row["status"] == "local optimum"
    assert row["objective"] > 1.0
    assert abs(row["gap"]) < 1e-4


def test_a_step_without_a_power_flow_ends_no_cross_check(overload):
    column = "neighbourhoods.farm.units.home.profile.column=absurd"
    asked = ("redispatch.cross_check=true", column)
    (run,) = run_study(overload, ["central"], asked).values()
    assert run.manifest["status"] == "degraded"
    row = ac_row(run)
    assert row["status"].endswith("no power flow")
    assert row[["objective", "gap"]].isna().all()


def test_without_its_extra_the_cross_check_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("quartier.scenario.checks.find_spec", lambda name: None)
    shutil.copytree(CASES, tmp_path / "cases")
    asked = ["redispatch.cross_check=true"]
    with pytest.raises(InputError, match=r"redispatch.cross_check: needs Ipopt.*quartier\[ac\]"):
        build(load(tmp_path / "cases" / "battery-at-noon", asked))
