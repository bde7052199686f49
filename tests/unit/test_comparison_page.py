"""A page of several runs: what is refused, what runs are called, which figures are put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from quartier.cli import app
from quartier.errors import InputError
from quartier.figures.compared import changes, costs, grids, panels, points
from quartier.figures.grid import Grid
from quartier.report.anew import report_anew
from quartier.report.blocks import figures_of
from quartier.report.compared_runs import differing, of_comparison, of_folders
from quartier.report.comparison import comparison_page, write_comparison, write_side_by_side
from quartier.report.comparison_kpis import same_span, verdict
from quartier.report.thinning import MOST
from quartier.results import ComparedRun, Comparison, Result, RunWriter
from quartier.results.comparison import write_figures, write_manifest

START = pd.Timestamp("2016-07-25T00:00Z")
TIMES = pd.date_range(START, periods=4, freq="15min")
GRID = """{"_object": {
  "bus": {"_object": "{\\"columns\\":[\\"name\\",\\"geo\\",\\"min_vm_pu\\",\\"max_vm_pu\\"],
    \\"index\\":[0,1],\\"data\\":[[\\"a\\",null,0.9,1.1],[\\"b\\",null,0.9,1.1]]}"},
  "line": {"_object": "{\\"columns\\":[\\"name\\",\\"from_bus\\",\\"to_bus\\",
    \\"max_loading_percent\\"],\\"index\\":[0],\\"data\\":[[\\"ab\\",0,1,100.0]]}"},
  "trafo": {"_object": "{\\"columns\\":[\\"name\\",\\"hv_bus\\",\\"lv_bus\\",
    \\"max_loading_percent\\"],\\"index\\":[],\\"data\\":[]}"}}}""".replace("\n    ", "")
KPIS = {
    "overloads": 0.0,
    "voltage_violations": 0.0,
    "steps_not_converged": 0.0,
    "upper_cost": 60.0,
    "redispatch_cost": 0.0,
    "losses": 1.0,
    "co2_slack": 0.0,
    "co2_local": 10.0,
    "lower_cost": 5.0,
    "cost[nord]": 4.0,
}


@pytest.fixture
def run(tmp_path):
    """Return a function that writes a run folder of a few steps."""

    def make(name="a", *, coordination="cohda", seed=1, minutes=15, status="complete", **more):
        steps = more.pop("steps", 4)
        scenario = {
            "name": "x",
            "title": None,
            "neighbourhoods": {"nord": {"redispatch_price_eur_per_kwh": 0.2}},
            "horizon": {"step_minutes": minutes, "steps": steps},
            "redispatch": {
                "loading_tolerance_percent": 0.1,
                "loss_price_eur_per_kwh": 0.06,
                "price_eur_per_kwh": 0.1,
                "raise_price_eur_per_kwh": 0.3,
                "plant_prices": {},
            },
            "objectives": {"co2_eur_per_kg": 0.05},
            **more.pop("scenario", {}),
        }
        start = more.get("start", START)
        times = pd.date_range(start, periods=steps, freq="15min")
        manifest = {
            "scenario": scenario,
            "coordination": coordination,
            "seed": seed,
            "start": start,
            "end": times[-1] + pd.Timedelta(minutes=minutes),
            "overrides": [],
            "versions": {"quartier": "1"},
            "steps_expected": steps,
            **more,
        }
        folder = tmp_path / name
        writer = RunWriter(folder, manifest)
        power = np.arange(float(steps)) % 4 * (2 if coordination == "bilevel" else 1)
        unit = {"time": times, "neighbourhood": "nord", "unit": "nord.pv", "kind": "pv"}
        writer.add("units", {**unit, "p_kw": power, "available_kw": power + 1.0})
        point = {"time": times, "name": "nord", "kind": "neighbourhood", "bus": 1}
        writer.add("connection_points", {**point, "p_kw": power})
        loading = np.resize([50.0, 100.2, 80.0, 99.0], steps)
        loading[-2] += 30.0
        writer.add("lines", {"time": times, "index": 0, "name": "ab", "loading_percent": loading})
        for bus in (0, 1):
            writer.add("buses", {"time": times, "bus": bus, "vm_pu": 1.0 + 0.01 * bus})
        for _ in times:
            writer.tick()
        entries = {k: {"value": v, "unit": "1", "label": k} for k, v in KPIS.items()}
        writer.write_kpis(entries)
        writer.flush()
        if status != "running":
            writer.finish(status)
        (folder / "grid.json").write_text(GRID)
        return folder

    return make


# -- what is refused ---------------------------------------------------------------------------
def test_all_reasons_against_a_comparison_are_in_one_list(run, tmp_path):
    good, killed, bare = run("good"), run("killed", status="running"), run("bare")
    (bare / "kpis.json").unlink()
    (tmp_path / "thesis").mkdir()
    together = tmp_path / "together"
    together.mkdir()
    write_figures(together, {})
    write_manifest(together, {}, status="complete", coordinations=[])
    folders = [good, good, killed, bare, tmp_path / "thesis", tmp_path / "nowhere", together]
    with pytest.raises(InputError) as caught:
        of_folders(folders)
    said = caught.value.problems
    assert len(said) == 6
    for part in (
        "good is named 2 times",
        "killed: the run is partial; only runs that came to their end",
        "bare: kpis.json is missing",
        "thesis is no run folder",
        "nowhere is not a folder",
        "together is a comparison: name it alone",
    ):
        assert sum(part in text for text in said) == 1, part


def test_steps_of_different_lengths_are_refused(run):
    with pytest.raises(InputError, match=r"different lengths .*15 min.*30 min"):
        of_folders([run("a"), run("b", minutes=30)])


def test_the_command_line_lists_them_and_ends_with_2(run):
    folders = [str(run("a", status="failed")), str(run("b", status="cancelled"))]
    answer = CliRunner().invoke(app, ["report", *folders])
    assert answer.exit_code == 2
    assert "2 problems" in answer.stderr
    assert "the run is failed" in answer.stderr
    assert "the run is cancelled" in answer.stderr


# -- names and differences -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("others", "names"),
    [
        ({"coordination": "bilevel"}, ["cohda", "bilevel"]),
        ({"seed": 2}, ["cohda, seed 1", "cohda, seed 2"]),
        ({"variant": "more"}, ["cohda, x", "cohda, more"]),
        ({}, ["cohda, a", "cohda, b"]),
    ],
)
def test_runs_are_called_by_what_tells_them_apart(run, others, names):
    assert list(of_folders([run("a"), run("b", **others)]).results) == names


def test_what_differs_is_said_key_by_key(run):
    other = run("b", seed=2, scenario={"gates": {"first": 4}}, versions={"quartier": "2"})
    found = differing({"a": Result.open(run("a")), "b": Result.open(other)})
    assert found == {
        "seed": {"a": "1", "b": "2"},
        "gates.first": {"a": "–", "b": "4"},
        "versions.quartier": {"a": "1", "b": "2"},
    }


def test_costs_are_only_counted_together_for_one_problem(run):
    apart = of_folders([run("a"), run("b", coordination="bilevel", seed=2)])
    assert not apart.one_problem
    assert "gap_to_bilevel" not in apart.kpis.index


def test_nothing_is_best_where_the_runs_span_different_times(run):
    month = START + pd.Timedelta(days=30)
    later = run("b", coordination="bilevel", start=month, scenario={"gates": {"first": 4}})
    compared = of_folders([run("a"), later])
    assert not same_span(compared)
    assert "least upper cost" not in verdict(compared)


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ((4905.1, 4905.2, 4905.3), "Their upper costs are equal, 4,905 EUR."),
        ((4905.3, 4905.2, 4999.0), "x and y have the least upper cost, an equal 4,905 EUR."),
        ((4905.3, 4800.0, 4999.0), "Of these, y has the least upper cost, 4,800 EUR."),
    ],
)
def test_upper_costs_shown_as_equal_are_called_equal(run, costs, told):
    compared = of_folders([run("a"), run("b", seed=2), run("c", seed=3)])
    kpis = pd.DataFrame(dict.fromkeys("xyz", compared.kpis.iloc[:, 0]))
    kpis.loc[["overloads", "voltage_violations", "steps_not_converged"]] = 0.0
    kpis.loc["upper_cost"] = costs
    kpis.attrs = compared.kpis.attrs
    results = dict(zip("xyz", compared.results.values(), strict=True))
    assert told in verdict(replace(compared, kpis=kpis, results=results))


def test_a_list_that_differs_is_named_without_its_values(run, tmp_path):
    prices = {"prices": {"buy_eur_per_kwh": [0.3] * 50}}
    path = write_side_by_side([run("a"), run("b", scenario=prices, seed=2)], tmp_path / "p.html")
    said = path.read_text().split("differ in more than the coordination: ")[1].split(". Figures")[0]
    assert "prices.buy_eur_per_kwh" in said
    assert "seed (1, 2)" in said
    assert "[0.3" not in said


def test_only_names_that_occur_twice_are_told_apart(run):
    folders = [run("a"), run("b", coordination="bilevel"), run("c", seed=2)]
    assert list(of_folders(folders).results) == ["cohda, seed 1", "bilevel", "cohda, seed 2"]


# -- where the page is written ---------------------------------------------------------------------
def test_page_of_several_runs_lies_beside_the_first_and_overwrites_nothing(run, tmp_path):
    folders = [run("a"), run("b", coordination="bilevel", seed=2)]
    first, _ = report_anew(folders)
    second, _ = report_anew(folders)
    assert first.parent == second.parent == tmp_path
    assert first != second
    assert first.name.startswith("side-by-side-")
    assert "cohda" in first.read_text(encoding="utf-8")


@pytest.mark.parametrize(("out", "file"), [("page.html", "page.html"), ("new", "new/report.html")])
def test_another_place_can_be_named(run, tmp_path, out, file):
    folders = [run("a"), run("b", coordination="bilevel", seed=2)]
    path, _ = report_anew(folders, tmp_path / out)
    assert path == tmp_path / file
    assert path.exists()


def test_a_place_that_cannot_be_made_is_said(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="name another with --out"):
        report_anew([run("a")], tmp_path / "file" / "below")


# -- long runs -----------------------------------------------------------------------------------
def test_long_runs_show_the_same_steps_and_all_extremes_and_say_so(run):
    folders = [run("a", steps=4000), run("b", coordination="bilevel", seed=2, steps=4000)]
    page = comparison_page(of_folders(folders))
    assert any("figures over time show" in text for text in page.warnings)
    figures = {f.name: f.figure for section in page.sections for f in figures_of(section.blocks)}
    heat = figures["congestion"].data[0]
    assert MOST / 2 < len(heat.x) < 4000 / 2
    assert np.isfinite(heat.z).all()
    assert np.nanmax(heat.z, axis=1) == pytest.approx([110.0, 110.0])
    assert page.model["difference"]["thinned"]
    lost = next(t for t in figures["curtailment"].data if t.name == "sum")
    assert list(lost.x) == pytest.approx([1.0, 1.0]), "sums count all steps"


# -- warnings ------------------------------------------------------------------------------------
def test_warnings_of_runs_and_failed_runs_are_said(run, tmp_path):
    ended = run("cohda", warnings=["3 steps had no plan"])
    (ended / "log.txt").write_text(
        "2026-01-01 00:00:00,000 WARNING quartier.run: 3 steps had no plan\n"
    )
    runs = {
        "cohda": ComparedRun(ended, "complete"),
        "central": ComparedRun(tmp_path / "central", "failed", "no solution"),
    }
    folder = tmp_path / "together"
    folder.mkdir()
    entries = {k: {"value": v, "unit": "1", "label": k} for k, v in KPIS.items()}
    write_figures(folder, {"cohda": entries, "central": {}})
    write_manifest(folder, runs, status="failed", coordinations=list(runs), seed=1)
    html = write_comparison(Comparison.open(folder)).read_text(encoding="utf-8")
    warned = html[html.index('class="warnings"') : html.index("</header>")]
    assert warned.count("3 steps had no plan") == 1
    assert "central has no figures: it failed: no solution" in warned
    assert "badge-failed" in html


def test_a_comparison_in_which_nothing_ended_has_a_page(tmp_path):
    write_figures(tmp_path, {"cohda": {}})
    runs = {"cohda": ComparedRun(tmp_path / "cohda", "failed", "no grid")}
    write_manifest(tmp_path, runs, status="failed", coordinations=["cohda"])
    found = Comparison.open(tmp_path)
    assert of_comparison(found).results == {}
    assert "no grid" in write_comparison(found).read_text(encoding="utf-8")
    with pytest.raises(InputError, match="nothing to draw"):
        _ = found.plot


# -- figures -------------------------------------------------------------------------------------
def test_parts_of_the_upper_cost_add_up():
    kpis = pd.DataFrame({"a": {"redispatch_cost": 30.0, "losses": 2.0, "co2_slack": 100.0}})
    prices = {"a": {"loss_eur_per_kwh": 0.06, "import_co2_eur_per_kg": 0.05}}
    parts = costs.upper_parts(kpis, prices)
    assert parts.loc["a"].tolist() == pytest.approx([30.0, 120.0, 5.0])


def test_parts_of_the_lower_cost_add_up():
    rows = {"cost[nord]": -9.0, "cost[sued]": 1.0, "co2_local": 40.0, "lower_cost": -3.0}
    parts = costs.lower_parts(pd.DataFrame({"a": rows}), {"a": 0.05})
    assert parts.loc["a"].tolist() == pytest.approx([-8.0, 2.0, 3.0])


def test_curtailment_is_counted_by_kind():
    units = pd.DataFrame(
        {
            "kind": ["pv", "pv", "wind", "battery"],
            "available_kw": [10.0, 10.0, 1000.0, np.nan],
            "p_kw": [4.0, 11.0, 500.0, 7.0],
        }
    )
    energy = costs.curtailment({"a": units, "b": units.assign(p_kw=1000.0)}, dt_h=0.25)
    assert energy.loc["a"].to_dict() == {"pv": 0.0015, "wind": 0.125}
    assert energy.loc["b"].tolist() == [0.0, 0.0]


def test_overloads_count_beyond_the_own_limit_and_the_tolerance():
    buses = pd.DataFrame({"name": ["a", "b"], "x": 0.0, "y": 0.0, "vm_min_pu": 0.9, "vm_max_pu": 1})
    lines = pd.DataFrame(
        {"name": ["p", "q"], "from_bus": 0, "to_bus": 1, "limit_percent": [100.0, 50.0]}
    )
    rows = pd.DataFrame(
        {
            "time": TIMES[:2].repeat(2),
            "index": [0, 1, 0, 1],
            "loading_percent": [100.05, 49.0, 90.0, 60.0],
        }
    )
    found = grids.worst(Grid(buses, lines, lines.iloc[:0]), rows, rows.iloc[:0], 0.1)
    assert found["overloads"].tolist() == [0, 1]
    assert found["highest_percent"].tolist() == pytest.approx([100.05, 120.0])
    assert found["element"].tolist() == ["line 0 p", "line 1 q"]


def test_difference_leaves_out_steps_of_one_and_units_without_change():
    first = pd.DataFrame({"pv": [1.0, 1.0], "load": -2.0, changes.POINT: [-1.0, -1.0]}, TIMES[:2])
    second = pd.DataFrame(
        {"pv": [1.5, 3.0], "load": -2.0, "chp": 4.0, changes.POINT: [3.5, 5.0]}, TIMES[1:3]
    )
    kinds = {"pv": "pv", "load": "household", "chp": "chp"}
    figure = changes.difference(first, second, ("A", "B"), "nord", kinds)
    drawn = {t.name: t for t in figure.data}
    assert set(drawn) == {"PV", "CHP", changes.POINT}
    assert list(drawn["PV"].y) == [0.5]
    assert list(drawn["CHP"].y) == [4.0]
    assert list(drawn[changes.POINT].y) == [4.5]
    assert drawn["PV"].x == ("2016-07-25T00:15:00",)


def test_time_in_which_no_run_has_a_step_is_left_out():
    later = TIMES + pd.Timedelta(days=90)
    (span,) = panels.breaks([TIMES, later])
    step = pd.Timedelta(minutes=15)
    assert span == (TIMES[-1] + 2 * step, later[0] - step)
    assert panels.breaks([TIMES, TIMES + pd.Timedelta(hours=3)]) == []
    assert panels.breaks([]) == []


def test_runs_have_panels_on_shared_axes():
    rows = pd.DataFrame({"time": TIMES, "name": "nord", "p_kw": 1.0}).assign(
        offer_kw=2.0, flex_up_kw=0.0, flex_down_kw=0.0, p_set_min_kw=np.nan, p_set_max_kw=1.5
    )
    made = points.points({"cohda": rows, "bilevel": rows.assign(p_kw=0.5)}, "nord")
    names = [trace.name for trace in made.data]
    assert "P_set at most: cohda" in names
    assert {trace.yaxis for trace in made.data} == {"y", "y2"}
    assert made.layout.yaxis.matches == "y2"
    assert made.layout.xaxis.matches == "x2"
    result = next(t for t in made.data if t.name == "result at the connection point: bilevel")
    assert list(result.y) == [0.5] * 4
