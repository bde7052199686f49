"""Studies: which runs they ask for, and what is made of them over the seeds."""

from __future__ import annotations

import re
import shlex
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quartier.errors import InputError
from quartier.figures import studies
from quartier.sweep.cells import cells, varied
from quartier.sweep.cluster import check_workers
from quartier.sweep.single import beside
from quartier.sweep.study import sweep
from quartier.sweep.tables import over_seeds

MARKET = "tests/cases/market"


def test_values_are_read_as_yaml():
    assert varied(["a.b=0,0.1", "c=[1, 2],{x: 1}", "d=on", "a.b=0.1,2"]) == {
        "a.b": [0, 0.1, 2],
        "c": [[1, 2], {"x": 1}],
        "d": [True],
    }


def test_days_are_texts_that_files_can_hold():
    found = varied(["horizon.start=2016-05-02,2016-05-03T10:00"])
    assert found == {"horizon.start": ["2016-05-02", "2016-05-03T10:00"]}


@pytest.mark.parametrize("key", ["seed", "coordination", "baseline"])
def test_what_has_a_way_of_its_own_is_no_key_to_vary(key):
    with pytest.raises(InputError, match=f"{key}: is no key to vary"):
        cells(MARKET, {key: [1, 2]}, None, [1])


@pytest.mark.parametrize("text", ["a", "=1", "a=", "a=[1"])
def test_what_is_no_value_is_refused(text):
    with pytest.raises(InputError, match="write PATH=VALUE"):
        varied(["good=1", text])


def test_every_value_is_run_under_every_mechanism_with_every_seed():
    found = cells(MARKET, {"market.tolerance": [1e-4, 1e-5]}, "central,uncontrolled", [1, 2])
    told = [(cell.values["market.tolerance"], cell.coordination, cell.seed) for cell in found]
    assert sorted(told) == sorted(
        (value, name, seed)
        for value in (1e-4, 1e-5)
        for name in ("central", "uncontrolled")
        for seed in (1, 2)
    )
    assert len({cell.name for cell in found}) == 8
    for cell in found:
        if cell.coordination == "central":
            assert cell.baseline is not None and cell.baseline.seed == cell.seed
            assert found.index(cell.baseline) < found.index(cell)
        else:
            assert cell.baseline is None


def test_a_baseline_that_nobody_asked_for_is_run_all_the_same():
    found = cells(MARKET, {}, ["central"], [1])
    assert [(cell.coordination, cell.asked) for cell in found] == [
        ("uncontrolled", False),
        ("central", True),
    ]


def test_one_list_of_all_that_is_wrong():
    with pytest.raises(InputError) as caught:
        cells(MARKET, {"market.tolerance": [1e-4, -1.0, "x"]}, None, [1])
    assert [text.partition(":")[0] for text in caught.value.problems] == [
        "market.tolerance=-1.0",
        "market.tolerance=x",
    ]
    with pytest.raises(InputError, match="nobody"):
        cells(MARKET, {}, ["nobody"], [1])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"market.tolerance": 1e-4}, "market.tolerance: 0.0001 is no list of values"),
        ({"market.tolerance": "1,2"}, "market.tolerance: '1,2' is no list of values"),
        ({"market.tolerance": []}, "market.tolerance: there is no value"),
        ({"market.tolerence": [1, 2]}, "market.tolerence"),
    ],
)
def test_odd_values_are_told(values, told):
    with pytest.raises(InputError, match=told):
        cells(MARKET, values, ["central"], [1])


@pytest.mark.parametrize("seeds", [0, [], [-1], ["a"], [1.5], [True]])
def test_odd_seeds_are_told(seeds, tmp_path):
    with pytest.raises(InputError, match="seeds: "):
        sweep(MARKET, {}, ["central"], seeds=seeds, out=tmp_path / "s")


def test_the_seed_decides_who_is_split():
    found = cells("germany", {"problem.agents": [32]}, ["uncontrolled"], [1, 2])
    assert len({cell.digest for cell in found}) == 2


def documented() -> list[list[str]]:
    """The studies of the how-to page that take too long for a test, as words."""
    text = Path("docs/howto/sweep.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    return [shlex.split(block.replace("\\\n", " ")) for block in blocks]


@pytest.mark.parametrize("words", documented(), ids=lambda words: words[4].partition("=")[0])
def test_documented_studies_ask_for_runs_that_are_there(words):
    asked = dict(zip(words[3::2], words[4::2], strict=True))
    values = [v for option, v in zip(words[3::2], words[4::2], strict=True) if option == "--set"]
    assert words[:2] == ["quartier", "sweep"] and set(asked) <= OPTIONS
    seeds = range(1, int(asked.get("--seeds", 1)) + 1)
    found = cells(words[2], varied(values), asked.get("--coordination"), list(seeds))
    several = [len(seeds), *map(len, varied(values).values())]
    if "--coordination" in asked:
        several.append(len(asked["--coordination"].split(",")))
        assert sum(cell.asked for cell in found) == prod(several)


OPTIONS = {"--set", "--coordination", "--seeds", "--scheduler", "--out"}


class Workers:
    """Stands for a cluster whose workers say what they are."""

    def __init__(self, *told):
        self.told = {f"tcp://w{k}": one for k, one in enumerate(told)}

    def wait_for_workers(self, count, timeout):
        if not self.told:
            raise TimeoutError

    def run(self, function, path, on_error):
        assert (on_error, Path(path).exists()) == ("return", True)
        return {
            worker: function(path) | told if isinstance(told, dict) else told
            for worker, told in self.told.items()
        }


def test_workers_share_the_folder_and_the_version(tmp_path):
    check_workers(Workers({}, {}), "tcp://head", tmp_path)
    odd = Workers({}, {"sees": False}, {"quartier": "9.9"}, ModuleNotFoundError("no quartier"))
    with pytest.raises(InputError) as caught:
        check_workers(odd, "tcp://head", tmp_path)
    told = caught.value.problems
    assert len(told) == 3
    assert f"w1 does not see {tmp_path}" in told[0]
    assert "w2 has quartier 9.9, not" in told[1]
    assert "w3 cannot import Quartier" in told[2]
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="has no workers"):
        check_workers(Workers(), "tcp://head", tmp_path)


def test_files_beside_a_run_keep_its_whole_name():
    """A mechanism of one's own may have a dot in its name."""
    assert beside(Path("runs/my.own-Class-seed1"), ".txt") == Path("runs/my.own-Class-seed1.txt")


def test_means_have_intervals_over_seeds():
    """1 and 3: mean 2, deviation √2, t(1 degree of freedom) = 12.706 · √2 / √2."""
    runs = pd.DataFrame(
        {
            "key": [1, 1, 2],
            "coordination": ["a", "a", "a"],
            "seed": [1, 2, 1],
            "cost": [1.0, 3.0, 5.0],
            "never": [np.nan] * 3,
        }
    )
    table = over_seeds(runs, ["key", "coordination"], ["cost", "never"])
    assert table["kpi"].tolist() == ["cost", "cost"]
    first, second = table.to_dict("records")
    assert (first["n"], first["mean"]) == (2, 2.0)
    assert first["high"] - first["mean"] == pytest.approx(12.706, abs=1e-3)
    assert [first[name] for name in ("least", "p5", "median", "p95", "greatest")] == pytest.approx(
        [1.0, 1.1, 2.0, 2.9, 3.0]
    )
    assert (second["n"], second["mean"]) == (1, 5.0)
    assert np.isnan(second["low"])


def test_draws_spread_in_boxes():
    runs = pd.DataFrame(
        {"x": [1, 1, 2], "coordination": ["a", "b", "a"], "seed": [1, 1, 2], "value": [1.0, 2, 3]}
    )
    a, b = studies.spread(runs, "x", "Cost", "EUR").data
    assert (a.name, list(a.x), list(a.y), b.name) == ("a", ["1", "2"], [1.0, 3.0], "b")
    alone = studies.spread(runs, None, "Cost", "EUR").data
    assert [list(box.x) for box in alone] == [["a", "a"], ["b"]]


@pytest.fixture
def table():
    rows = [
        {"x": x, "y": y, "coordination": name, "mean": mean, "low": mean - 1, "high": mean + 1}
        for (x, y, name), mean in {
            (1, 1, "a"): 1.0,
            (1, 2, "a"): 4.0,
            (2, 1, "a"): 5.0,
            (1, 1, "b"): 2.0,
            (1, 2, "b"): 3.0,
            (2, 1, "b"): 6.0,
        }.items()
    ]
    return pd.DataFrame(rows).assign(n=3)


def test_lines_have_bands(table):
    drawn = studies.over(table[table["y"] == 1], "x", "Cost", "EUR").data
    assert [(trace.name, trace.legendgroup) for trace in drawn] == [
        ("a", "a"),
        ("a, interval", "a"),
        ("b", "b"),
        ("b, interval", "b"),
    ]
    assert drawn[0].y.tolist() == [1.0, 5.0]
    assert list(drawn[1].y) == [2.0, 6.0, 4.0, 0.0]


def test_the_best_of_every_region_is_named(table):
    made = studies.best(table, ("x", "y"), "Best", "EUR", low=True)
    assert [[cell.split("<br>")[0] for cell in row] for row in made.data[0].text] == [
        ["a", "a"],
        ["b", ""],
    ]
    high = studies.best(table, ("x", "y"), "Best", "EUR", low=False)
    assert high.data[0].text[0][0] == "b<br>2"


def test_heat_maps_show_one_mechanism(table):
    drawn = studies.heat(table[table["coordination"] == "a"], ("x", "y"), "Cost", "EUR").data[0]
    assert drawn.z[0].tolist() == [1.0, 5.0]
    assert drawn.text[1] == ["4", ""]


def test_a_run_with_code_of_ones_own_is_another_one_when_that_is_edited(tmp_path, monkeypatch):
    """A rerun must not take figures of the code as it was before."""
    case = Path("tests/cases/zones").resolve()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    found, acts = [], list[str]()
    for text in ("", "# better", "# best"):
        code = f"class Plan:\n    def plan(self, problem, state, rng): ...\n{text}"
        (tmp_path / "mine" / "plan.py").write_text(code)
        (tmp_path / "model.py").write_text(text)
        every = cells(str(case), {}, ["mine.plan:Plan", "central"], [1])
        own = {"unit": "store.battery", "model": "M", "cmd": "python model.py %(addr)s"}
        acted = cells(str(case), {"simulators": [{"battery": own}]}, ["central"], [1])
        assert acted[-1].digest not in acts
        acts.append(acted[-1].digest)
        found.append({cell.coordination: cell.digest for cell in every})
    assert found[0]["mine.plan:Plan"] != found[1]["mine.plan:Plan"]
    assert found[0]["central"] == found[1]["central"]
