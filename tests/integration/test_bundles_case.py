"""One group and two typical days: all of it by hand; the shipped scenario as executed."""

from __future__ import annotations

from pathlib import Path

import pytest

import quartier
from quartier.report.compared_runs import of_folders
from quartier.report.priced_runs import is_priced

CASE = Path(__file__).parents[1] / "cases" / "bundles"

POWER, HEAT = 2 * 8760, 4 * 8760
"""Needs in kWh a year."""
COST = 2 * 24 * (100 * 0.1 + 265 * 0.2) + 2 * 10 + HEAT * 0.04 / 0.8 + 4 * 5
"""Power of the grid and its connection, gas and boiler, in EUR a year."""
OUTSIDE = 0.3 * POWER + 0.1 * HEAT
"""All from the competitor."""
MOST = 0.25 * POWER + 0.1 * HEAT
"""Power at its highest price; heat, alone or in a bundle, at the competitor's."""


@pytest.mark.parametrize(
    ("name", "method", "paid", "cost"),
    [
        ("uncontrolled", "direct", OUTSIDE, OUTSIDE),
        ("central", "direct", COST, COST),
        ("bilevel", "direct", MOST, COST),
        ("bilevel", "cuts", MOST, COST),
    ],
)
def test_profit_and_bills_by_hand(tmp_path, name, method, paid, cost):
    found = quartier.run(
        CASE, coordination=name, overrides={"problem.method": method}, out=tmp_path / "run"
    )
    kpis = found.kpis
    assert found.manifest["status"] == "complete"
    assert kpis["bill[town]"] == pytest.approx(paid, rel=1e-6)
    assert kpis["system_cost"] == pytest.approx(cost, rel=1e-6)
    assert kpis["profit"] == pytest.approx(paid - cost, abs=1e-3)
    assert kpis["saving[town]"] == pytest.approx(OUTSIDE - paid, abs=1e-3)
    assert kpis["worse_off"] <= 1e-3
    built = 0.0 if name == "uncontrolled" else 4.0
    assert kpis["size[boiler]"] == pytest.approx(built)
    assert (found.dir / "report.html").exists()
    if method == "cuts":
        rounds = found.table("rounds")
        assert rounds["bound"].iloc[-1] == pytest.approx(MOST - COST, rel=1e-6)
        assert rounds["objective"].iloc[-1] == pytest.approx(MOST - COST, rel=1e-6)
        assert len(found.plot.bounds().data) == 2
    if name != "uncontrolled":
        heat = {trace.name: trace.y for trace in found.plot.balance("heat").data}
        assert heat["boiler"] == pytest.approx([4.0] * 48)
        assert heat["demand"] == pytest.approx([-4.0] * 48)


def test_executed_is_planned_and_money_is_conserved(tmp_path):
    """Four typical days, each with a gate, in the mosaik world: profit and bills of the plan."""
    found = quartier.run("bundles", overrides={"baseline": "bilevel"}, out=tmp_path / "run")
    kpis, solves = found.kpis, found.table("solves").set_index("problem")
    assert kpis["profit"] == pytest.approx(solves.loc["bilevel", "objective"], rel=1e-6)
    for group in ("couples", "small-families", "large-families"):
        planned = solves.loc[f"response {group}", "objective"]
        assert kpis[f"bill[{group}]"] == pytest.approx(planned, rel=1e-6)
        assert kpis[f"saving[{group}]"] >= -1e-6
    paid = kpis[[name for name in kpis.index if str(name).startswith("bill[")]].sum()
    assert kpis["profit"] + kpis["system_cost"] == pytest.approx(paid, rel=1e-9)
    unserved = kpis[[name for name in kpis.index if str(name).startswith("unserved[")]]
    assert unserved.max() <= 1e-6
    assert kpis["size[fuel-cell]"] == 0.0
    units = found.table("units")
    assert "system.fuel-cell" not in set(units["unit"]), "one of which there is none is left out"
    tank = units[units["unit"] == "system.tank"]["energy_kwh"].to_numpy()
    assert tank[23::24] == pytest.approx(found.manifest["start_energy_kwh"]["system.tank"])


def test_a_comparison_shows_all_three(tmp_path):
    names = ["uncontrolled", "central", "bilevel"]
    compared = quartier.compare(CASE, names, out=tmp_path / "compared")
    kpis = compared.kpis
    page = (tmp_path / "compared" / "report.html").read_text(encoding="utf-8")
    assert "Who gains" in page and "cannot be shown" not in page
    both = of_folders([tmp_path / "compared" / name for name in ("bilevel", "uncontrolled")])
    assert not is_priced(both), "their gains are shown once"
    assert len(both.results) == 2, "one in which nothing is built is a run, too"
    assert kpis.loc["profit"].tolist() == pytest.approx([0.0, 0.0, MOST - COST], abs=1e-3)
    assert kpis.loc["system_cost"].tolist() == pytest.approx([OUTSIDE, COST, COST])


def test_units_of_one_description_are_used_and_shown(tmp_path):
    """Two boilers of 2 kW run all the time; a store with nothing to pay for stands still."""
    boilers = {"kind": "boiler", "heat_max_kw": 2, "efficiency": 0.8, "hydrogen_share": 0.1}
    tanks = {"kind": "hydrogen_tank", "energy_kwh": 1, "power_kw": 1, "start_soc": 0.5}
    changes = {
        "neighbourhoods.system.nodes.hydrogen": {
            "carrier": "hydrogen",
            "buy": {"price_eur_per_kwh": 0.04},
        },
        "neighbourhoods.system.units": {
            "boiler": boilers | {"count": 2},
            "tank": tanks | {"count": 2},
        },
        "problem.sizes": {},
    }
    found = quartier.run(CASE, overrides=changes, out=tmp_path / "run")
    assert found.kpis["lruf[heat]"] == pytest.approx(1.0)
    shown = {trace.name: trace.y for trace in found.plot.balance("hydrogen").data}
    assert shown["boiler-1"] == pytest.approx([-0.25] * 48)
    assert shown["bought"] + shown["tank-1 and tank-2"] == pytest.approx([0.5] * 48)
    baseline = quartier.Result.open(found.dir / "baseline")
    assert baseline.manifest["start_energy_kwh"]["system.tank-1"] == 0.5, "as it is described"
