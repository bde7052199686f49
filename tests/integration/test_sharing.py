"""Sharing on a copper plate: two neighbourhoods whose money can be counted in the head (M8).

Sun: 100, 0, 40 kWh; load: 40, 60, 40 kWh; bought at 0.3, sold at 0.1 EUR/kWh.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import quartier
from quartier.coordination import mechanisms
from quartier.errors import InputError
from quartier.kpi import RunData
from quartier.kpi.settlement import balances, payments

CASE = Path(__file__).parents[1] / "cases" / "sharing"
OF_A_GRID = {"buses", "lines", "transformers", "steps", "redispatch"}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return shutil.copytree(CASE, tmp_path_factory.mktemp("cases") / "sharing")


@pytest.fixture(scope="module")
def compared(case):
    """All that there is for sharing: nothing is named."""
    return quartier.compare(case, out=case / "compared")


@pytest.fixture
def run_of(compared):
    return compared.result


def money(run) -> dict[str, float]:
    return {
        name[6:-1]: pytest.approx(value)
        for name, value in run.kpis.items()
        if name.startswith("money[") and abs(value) > 1e-9
    }


def test_without_names_the_mechanisms_of_the_problem_are_compared(compared):
    assert (
        compared.coordinations
        == mechanisms("sharing")
        == (
            "uncontrolled",
            "cohda",
            "individual",
            "central",
            "bilevel",
            "price-response",
            "auction",
        )
    )
    assert compared.status == "complete"


def test_each_for_itself_pays_and_gets_the_tariffs(run_of):
    """The battery has nothing to gain; 140 kWh each way."""
    run = run_of("individual")
    assert money(run) == {"outer grid>sunny": 14.0, "town>outer grid": 42.0}
    assert run.kpis["system_cost"] == pytest.approx(28.0)
    assert run.kpis["pool_cost"] == pytest.approx(-6.0 + 18.0)
    assert run.kpis["shared_energy"] == pytest.approx(80.0)
    assert run.table("shares")["price_eur_per_kwh"].isna().all()


def test_one_operator_moves_the_sun_to_the_load(run_of):
    """The battery keeps 60 kWh for an hour, at 0.01 EUR/kWh of wear: all that is paid outside.

    The source's rule asks 0.2 EUR/kWh for energy from inside, the mean of 0.1 and 0.3.
    """
    run = run_of("central")
    assert money(run) == {"town>sharing pool": 28.0, "sharing pool>sunny": 28.0}
    assert run.kpis["system_cost"] == pytest.approx(60 * 0.01)
    assert run.kpis["cost[sunny]"] == pytest.approx(60 * 0.01 - 28.0)
    assert run.kpis["shared_energy"] == pytest.approx(140.0)
    shares = run.table("shares")
    got = shares.pivot_table("shared_kw", "time", "neighbourhood")
    assert got["town"].tolist() == pytest.approx([40.0, 60.0, 40.0])
    assert got["sunny"].tolist() == pytest.approx([-40.0, -60.0, -40.0])
    assert shares["price_eur_per_kwh"].tolist() == pytest.approx([0.2] * 6)
    assert shares["cost_eur"].tolist() == pytest.approx([-8.0, 8.0, -12.0, 12.0, -8.0, 8.0])


def test_agents_of_all_neighbourhoods_agree_on_what_one_operator_would_do(run_of):
    run = run_of("cohda")
    assert run.kpis["system_cost"] == pytest.approx(0.6)
    assert money(run) == money(run_of("central"))
    assert set(run.table("negotiations")["neighbourhood"]) == {"sharing pool"}


def test_at_the_leaders_price_everybody_would_do_its_part_alone(run_of):
    """Least saving as large as can be: 14 EUR less 0.3 for the wear of half the way each.

    Energy is worth 0.01 EUR/kWh more after the battery than before, so the price rises by that:
    from 0.1 + x to 0.11 + x. Each saves 27.4 / 2 = 13.7 EUR.
    """
    run = run_of("bilevel")
    assert run.kpis["system_cost"] == pytest.approx(0.6)
    assert run.kpis["cost[sunny]"] == pytest.approx(-14.0 - 13.7)
    assert run.kpis["cost[town]"] == pytest.approx(42.0 - 13.7)
    assert run.kpis["worse_off"] == pytest.approx(-13.7)
    assert run.kpis["follower_suboptimality"] <= 1e-8
    assert abs(run.kpis["leader_cost"]) <= 1e-6
    price = run.table("prices").pivot_table("price_eur_per_kwh", "time", "neighbourhood")["town"]
    assert price.iloc[1] - price.iloc[0] == pytest.approx(0.01)


@pytest.mark.parametrize(("price", "of_town"), [("lowest", 14.6), ("highest", 41.6)])
def test_the_price_can_suit_those_who_draw_or_those_who_give(case, tmp_path, price, of_town):
    """Lowest: 0.1, and 0.11 where the battery helps; highest: 0.3, and 0.29 before it helps."""
    asked = {"problem": {"kind": "sharing", "price": price}}
    run = quartier.run(case, coordination="bilevel", overrides=asked, out=tmp_path / "run")
    assert run.kpis["cost[town]"] == pytest.approx(of_town)
    assert run.kpis["system_cost"] == pytest.approx(0.6)


def test_a_leader_that_counts_what_all_pay_is_solved_by_optimality_conditions(case, tmp_path):
    asked = {"problem": {"kind": "sharing", "leader": "all"}}
    run = quartier.run(case, coordination="bilevel", overrides=asked, out=tmp_path / "run")
    solves = run.table("solves").set_index("problem")
    assert solves.loc["bilevel", "objective"] == pytest.approx(0.6, abs=1e-6)
    assert run.kpis["follower_suboptimality"] <= 1e-6
    assert run.kpis["worse_off"] <= 1e-6


def test_fees_inside_are_paid_to_the_outer_grid(case, tmp_path):
    """0.12 EUR/kWh of fees, half of them on energy from inside: sharing saves 0.14 EUR/kWh."""
    fees = {"kind": "sharing", "grid_fee_eur_per_kwh": 0.12, "inside_fee_share": 0.5}
    for name in ("central", "bilevel"):
        run = quartier.run(
            case, coordination=name, overrides={"problem": fees}, out=tmp_path / name
        )
        paid = money(run)
        assert run.kpis["system_cost"] == pytest.approx(0.6 + 140 * 0.06)
        assert paid["sharing pool>outer grid"] == 140 * 0.06
        assert run.kpis["leader_cost"] == pytest.approx(0.0, abs=1e-9)


def test_every_euro_is_received_by_somebody(run_of, compared):
    for name in compared.coordinations:
        run = run_of(name)
        assert sum(balances(payments(RunData(run))).values()) == pytest.approx(0.0, abs=1e-9)


def test_an_export_price_above_the_import_price_gives_way_and_is_said(case, tmp_path):
    signals = {"signals": {"export_eur_per_kwh": 0.4, "import_eur_per_kwh": 0.3}}
    run = quartier.run(case, coordination="bilevel", overrides=signals, out=tmp_path / "run")
    (note,) = (n for n in run.manifest["notes"] if n["where"] == "signals.export_eur_per_kwh")
    assert "above the import price in 3 of 3 steps" in note["what"]
    assert run.kpis["cost[town]"] == pytest.approx(140 * 0.3)


def test_a_copper_plate_has_no_tables_figures_or_file_of_a_grid(run_of):
    for name in ("uncontrolled", "individual", "central"):
        run = run_of(name)
        assert not OF_A_GRID & set(run.tables)
        assert not (run.dir / "grid.json").exists()
        assert not {"overloads", "losses", "upper_cost", "redispatch_cost"} & set(run.kpis.index)
        assert set(run.table("connection_points")["bus"]) == {0}
        html = (run.dir / "report.html").read_text()
        assert 'id="grid"' not in html and 'id="ev"' not in html
        assert "cannot be shown" not in html
        assert "No step was executed" not in html


def test_pages_of_several_runs_do_without_a_grid(case, compared, tmp_path):
    from quartier.report.anew import report_anew

    html = (compared.dir / "report.html").read_text()
    assert "cannot be shown" not in html and "limits" not in html.split("<script")[0]
    folders = [compared.result(name).dir for name in ("individual", "central")]
    page, _ = report_anew(folders, tmp_path / "page.html")
    assert 'id="grid"' not in page.read_text()


def test_finished_runs_without_a_grid_are_reused(case, compared):
    again = quartier.compare(case, ["central"], out=case / "again")
    assert not again.runs["central"].reused  # it lies in another folder
    twice = quartier.compare(case, ["central"], out=case / "again")
    assert twice.runs["central"].reused


@pytest.mark.parametrize(
    ("overrides", "coordination", "why"),
    [
        ({"problem": "redispatch"}, None, r"grid: is none, but the problem 'redispatch' needs one"),
        ({}, "mo-cohda", r"'mo-cohda' does not answer the problem 'sharing', only redispatch;"),
        ({"grid": "nnoe"}, None, r"grid: should be 'none' \(got 'nnoe'\)"),
        ({"grid": {"simbench": "1-MV-rural--2-sw"}}, None, r"neighbourhoods.town.bus: is missing"),
    ],
)
def test_what_does_not_fit_together_is_refused(case, tmp_path, overrides, coordination, why):
    with pytest.raises(InputError, match=why):
        quartier.run(case, coordination=coordination, overrides=overrides, out=tmp_path / "run")


def test_a_grids_operator_caps_what_the_pool_planned(tmp_path):
    """An hour at noon as shipped: certified before, three lines overloaded, none after."""
    run = quartier.run(
        "aachen:on-grid",
        coordination="bilevel",
        overrides=[
            "horizon.start=2016-07-25T12:00+01:00",
            "horizon.steps=4",
            "gates.horizon_steps=4",
            "baseline=bilevel",
        ],
        out=tmp_path / "run",
    )
    assert run.status == "complete"
    assert run.kpis["follower_suboptimality"] <= 1e-8
    assert run.kpis["worse_off"] <= 1e-6
    signals = run.table("signals")
    offered = signals[signals["name"] == "overloads_offered"]["value"]
    assert offered.to_list() == [3.0] * 4
    assert run.kpis["overloads"] == 0 and run.kpis["redispatch_energy"] > 0
    assert {"shares", "redispatch", "prices"} <= set(run.tables)
    assert sum(balances(payments(RunData(run))).values()) == pytest.approx(0.0, abs=1e-6)


def test_a_plan_that_no_price_makes_optimal_is_not_called_so(case, tmp_path):
    """Energy is worth less than nothing: a battery would waste it, if it could go both ways."""
    run = quartier.run(
        case,
        coordination="bilevel",
        overrides=[
            "signals.export_eur_per_kwh=-0.2",
            "signals.import_eur_per_kwh=-0.1",
            "objectives.curtailment_eur_per_kwh=0.3",
            "neighbourhoods.sunny.units.battery.charge_efficiency=0.9",
            "neighbourhoods.sunny.units.battery.wear_eur_per_kwh=0",
        ],
        out=tmp_path / "run",
    )
    solves = run.table("solves").set_index("problem")
    assert solves.loc["bilevel", "status"] == "feasible"
    assert run.kpis["follower_suboptimality"] > 1e-3
    assert run.kpis["worse_off"] <= 1e-6


@pytest.mark.parametrize(
    ("coordination", "overrides", "why"),
    [
        ("cohda", {"problem.redispatch": True}, r"problem.redispatch: needs a grid"),
        ("cohda", {"neighbourhoods.town.p_min_kw": -50}, r"town.p_min_kw: concerns single"),
        ("cohda", {"objectives.peak_eur_per_kw": 1}, r"peak_eur_per_kw: concerns single"),
        ("bilevel", {"problem.price": "fair"}, r"problem.*price.*'max-min'"),
        ("central", {"problem.allocation": "nash"}, r"problem.*allocation.*'retrospective'"),
    ],
)
def test_what_a_mechanism_cannot_know_is_refused(case, tmp_path, coordination, overrides, why):
    pairs = [f"{key}={value}" for key, value in overrides.items()]
    with pytest.raises(InputError, match=why):
        quartier.run(case, coordination=coordination, overrides=pairs, out=tmp_path / "run")


def test_central_keeps_limits_of_single_connection_points(case, tmp_path):
    """Not 60 but 50 kW of the battery reach the town in the second hour."""
    run = quartier.run(
        case,
        coordination="central",
        overrides=["neighbourhoods.sunny.p_max_kw=50"],
        out=tmp_path / "run",
    )
    points = run.table("connection_points")
    assert points[points["name"] == "sunny"]["p_kw"].max() <= 50 + 1e-6
