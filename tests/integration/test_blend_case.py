"""Blocks of a CHP, a blend of gas and hydrogen, and cold made of heat, as executed: by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import quartier

CASE = Path(__file__).parents[1] / "cases" / "blend"

FUEL = 10.0 + 1.0
"""kW: both blocks in full, 4 kW and 4 kW of heat; the boiler makes the other 0.5 kW of 4.5."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("blend")
    names = ("uncontrolled", "all-at-caps", "central", "bilevel")
    return {name: quartier.run(CASE, coordination=name, out=out / name) for name in names}


@pytest.mark.parametrize("name", ["uncontrolled", "all-at-caps"])
def test_a_tenth_of_the_energy_burnt_is_hydrogen(runs, name):
    run = runs[name]
    assert run.manifest["status"] == "complete" and not run.manifest["warnings"]
    nodes = run.table("nodes").groupby("node")[["bought_kw", "unserved_kw", "rejected_kw"]].mean()
    assert nodes["bought_kw"]["town.gas"] == pytest.approx(0.9 * FUEL)
    assert nodes["bought_kw"]["town.h2"] == pytest.approx(0.1 * FUEL)
    assert nodes[["unserved_kw", "rejected_kw"]].abs().max().max() == pytest.approx(0.0, abs=1e-9)
    units = run.table("units").groupby("unit", observed=True)[["p_kw", "heat_kw", "fuel_kw"]].mean()
    assert units.loc[["town.chp-1", "town.chp-2"], "p_kw"].tolist() == pytest.approx([2.0, 2.0])
    assert units.loc["town.chiller", "heat_kw"] == pytest.approx(-1.0)
    assert units["fuel_kw"].sum() == pytest.approx(0.9 * FUEL)
    profit = 2 * (0.15 * 4 + 0.04 * 0.9 * FUEL + 0.05 * 0.1 * FUEL)
    assert run.kpis["profit"] == pytest.approx(profit)
    assert run.kpis["co2_local"] == pytest.approx(2 * 0.2 * 0.9 * FUEL)


def test_what_is_planned_is_executed(runs):
    for name in ("all-at-caps", "central", "bilevel"):
        planned = runs[name].table("solves").set_index("problem")["objective"]
        assert runs[name].kpis["cost[town]"] == pytest.approx(planned["response town"], rel=1e-6)
        assert runs[name].kpis["profit"] == pytest.approx(planned["profit"], abs=1e-6)


def test_blocks_of_one_description_are_one_converter(runs):
    """Electricity: the CHP in full. Heat: the CHP in full, the boiler's 0.5 of 20 kW."""
    kpis = runs["all-at-caps"].kpis
    assert kpis["lruf[electricity]"] == pytest.approx(1.0)
    assert kpis["lruf[heat]"] == pytest.approx((1.0 + 0.5 / 20) / 2)
