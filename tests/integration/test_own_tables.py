"""A strategy of the user's own that sets prices, and has a table and a KPI of its own."""

from __future__ import annotations

import json

import pytest

import quartier
from quartier.errors import InputError
from quartier.mechanism import mechanism
from quartier.results import Result

STRATEGY = '''
import numpy as np
from quartier.coordination import Plan
from quartier.kpi import Kpi


def mean_quote(run):
    """Mean price quoted in EUR/kWh."""
    return run.table("quotes")["quote"].mean()


def by_place(run):
    return dict.fromkeys(run.neighbourhoods, 1)


def broken(run):
    return 1 / 0


class Quotes:
    """Prices the only neighbourhood at 0.2 EUR/kWh, one cent more from gate to gate."""

    tables = {"quotes": {"gate": "count", "time": "time", "place": "text", "quote": "EUR/kWh"}}
    kpis = (
        Kpi("mean_quote", "Mean quote", "EUR/kWh", mean_quote),
        Kpi("ones", "One", "1", by_place),
    )

    def plan(self, problem, state, rng):
        name, price = problem.neighbourhoods[0].name, 0.2 + 0.01 * problem.gate
        quotes = {"time": problem.horizon.times, "place": name, "quote": price}
        prices = {("electricity", name): np.full(problem.horizon.steps, price)}
        return Plan(prices=prices, records={"quotes": quotes})


class Breaks(Quotes):
    kpis = (Kpi("broken", "Broken", "1", broken),)


class Prices:
    key, price, records = ("electricity", "fliegerhorst"), 0.2, {}

    def plan(self, problem, state, rng):
        return Plan(prices={self.key: self.price}, records=self.records)


class Nowhere(Prices):
    key = ("electricity", "fligerhorst")


class Heat(Prices):
    key = ("heat", "fliegerhorst")


class Long(Prices):
    price = np.zeros(3)


class Infinite(Prices):
    price = np.inf


class Undeclared(Prices):
    records = {"qoutes": [{"quote": 1.0}]}


class Wrong:
    tables = {"units": {"a": "kW"}, "2": {"a": "kW"}, "a": {}, "b": {"x": None, "y y": "kW"}}
    kpis = (Kpi("losses", "Losses", "kWh", mean_quote), "mean", Kpi("a b", "A", "1", mean_quote))

    def plan(self, problem, state, rng):
        return Plan()


class Untold(Wrong):
    tables, kpis = "quotes", None
'''

GATES = ("horizon.steps=4", "gates.every=2")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "priced.py").write_text(STRATEGY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(scope="module")
def quoted(workplace):
    name = "priced:Quotes"
    return quartier.run("fliegerhorst", coordination=name, overrides=GATES, out=workplace / "run")


def test_prices_are_those_of_the_latest_plan(quoted):
    table = quoted.table("prices")
    assert list(table["price_eur_per_kwh"]) == pytest.approx([0.2, 0.2, 0.21, 0.21])
    assert set(table["neighbourhood"]) == {"fliegerhorst"} and set(table["carrier"]) == {
        "electricity"
    }


def test_the_neighbourhood_settles_with_the_coordinator(quoted):
    points = quoted.table("connection_points")
    p_kw = points.loc[points["name"] == "fliegerhorst", "p_kw"].to_numpy()
    price, dt_h = quoted.table("prices")["price_eur_per_kwh"].to_numpy(), 0.25
    kpis = quoted.kpis
    paid = kpis.get("money[fliegerhorst>grid operator]", 0.0)
    got = kpis.get("money[grid operator>fliegerhorst]", 0.0)
    assert got - paid == pytest.approx((p_kw * price).sum() * dt_h)
    assert kpis["money[fliegerhorst>outer grid]"] == 0.0


def test_own_table_and_kpis_reach_folder_exports_and_report(quoted, tmp_path):
    assert quoted.status == "complete"
    table = quoted.table("quotes")
    assert list(table["gate"]) == [0, 0, 0, 0, 1, 1]
    assert str(table["time"].dtype) == "datetime64[ns, UTC]"
    entry = json.loads((quoted.dir / "kpis.json").read_text())["mean_quote"]
    assert entry == {
        "value": pytest.approx(0.2 * 4 / 6 + 0.21 * 2 / 6),
        "unit": "EUR/kWh",
        "label": "Mean quote",
    }
    assert quoted.kpis["ones[fliegerhorst]"] == 1.0
    data = quoted.to_xarray()
    assert data["quotes_quote"].attrs == {"units": "EUR/kWh"}
    assert data["quotes_place"].attrs == {}
    assert (quoted.to_csv(tmp_path) / "quotes.csv").exists()
    html = (quoted.dir / "report.html").read_text()
    assert "Tables of the mechanism" in html and "quote, EUR/kWh" in html


def test_a_kpi_that_fails_degrades_the_run_and_names_the_line(workplace, tmp_path):
    result = quartier.run(
        "fliegerhorst", coordination="priced:Breaks", overrides=GATES, out=tmp_path / "run"
    )
    assert result.status == "degraded"
    assert "KPI 'broken' failed: ZeroDivisionError: division by zero" in result.manifest["error"]
    assert "priced.py" in result.manifest["error"]
    assert "losses" in result.kpis


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Nowhere", r"prices \('electricity', 'fligerhorst'\), of which no energy can be settled"),
        ("Heat", r"there are: \('electricity', 'fliegerhorst'\)"),
        ("Long", r"the price of .* has the shape \(3,\), not \(2,\)"),
        ("Infinite", "is infinite"),
        ("Undeclared", "unknown tables: qoutes"),
    ],
)
def test_what_cannot_be_settled_or_recorded_is_refused(workplace, tmp_path, name, why):
    with pytest.raises(quartier.RunFailed, match=why):
        quartier.run(
            "fliegerhorst",
            coordination=f"priced:{name}",
            overrides=("horizon.steps=2", f"baseline=priced:{name}"),
            out=tmp_path / "run",
        )
    assert Result.open(tmp_path / "run").status == "failed"


def test_all_that_is_wrong_in_a_declaration_is_told_before_anything_runs(workplace):
    with pytest.raises(InputError) as error:
        mechanism("priced:Wrong", "redispatch")
    told = error.value.problems
    assert len(told) == 8 and all(text.startswith("coordination 'priced:Wrong': ") for text in told)
    for text in (
        "table 'units' is one of Quartier's",
        "table '2' is no name",
        "table 'a' needs a mapping of columns",
        "column 'x': None says nothing of it; write time, text, count, flag, or the unit",
        "column 'y y'",
        "KPI 'losses' is there already",
        "KPI 'mean' is none; write Kpi(name, label, unit, function)",
        "KPI 'a b' is no name",
    ):
        assert any(text in line for line in told), text
    with pytest.raises(InputError, match=r"tables is 'quotes'.*\n.*kpis is None"):
        mechanism("priced:Untold", "redispatch")
