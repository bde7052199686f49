"""More agents by splitting those that there are, totals kept (M9; seed 003)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from quartier.errors import InputError
from quartier.instance import build
from quartier.scenario.growth import grown, scaled
from quartier.scenario.load import load

CASE = Path(__file__).parents[1] / "cases" / "market"


def loaded(agents, *more):
    return load("germany", [f"problem.agents={agents}", *more])


@pytest.fixture(scope="module")
def sixty():
    return loaded(60).scenario


def test_the_seed_of_a_run_decides_who_is_split():
    asked = ["problem.agents=32"]
    two = load("germany", asked, 2).scenario
    assert two == load("germany", [*asked, "seed=2"]).scenario
    assert two.problem.suppliers != load("germany", asked).scenario.problem.suppliers


def test_the_shipped_case_has_sixteen_suppliers_and_fourteen_prosumers():
    scenario = load("germany").scenario
    assert (len(scenario.problem.suppliers), len(scenario.neighbourhoods)) == (16, 14)


@pytest.mark.parametrize(
    ("agents", "suppliers"), [(30, 16), (31, 17), (40, 22), (60, 34), (90, 52)]
)
def test_of_ten_more_six_are_suppliers(agents, suppliers):
    scenario = loaded(agents).scenario
    assert len(scenario.problem.suppliers) == suppliers
    assert len(scenario.neighbourhoods) == agents - suppliers


def test_totals_stay():
    whole, parts = (
        instance.problem(0, 0, instance.initial_state())
        for instance in (build(load("germany")), build(loaded(60)))
    )
    one, other = whole.coupling.supply, parts.coupling.supply
    for price in np.unique(one.price_eur_per_kwh):
        kw = [
            np.where(s.price_eur_per_kwh == price, s.most_kw, 0).sum(axis=0) for s in (one, other)
        ]
        np.testing.assert_allclose(*kw, rtol=1e-12)
    for name in (
        "energy_kwh",
        "power_kw",
        "heat_max_kw",
        "hydrogen_max_kw",
        "p_max_kw",
        "band_kwh",
    ):
        totals = [
            sum(getattr(u.parameters, name, 0.0) for n in p.neighbourhoods for u in n.units)
            for p in (whole, parts)
        ]
        assert totals[0] == pytest.approx(totals[1], rel=1e-12)


def test_prices_and_efficiencies_are_no_sizes():
    whole = load("germany").scenario.neighbourhoods["chemicals"]
    half = scaled(whole, 0.5)
    assert half.nodes["hydrogen"].demand == 0.5 * whole.nodes["hydrogen"].demand
    assert half.nodes["hydrogen"].buy == whole.nodes["hydrogen"].buy
    assert half.units["electrolyser"].power_kw == 0.5 * whole.units["electrolyser"].power_kw
    assert half.units["electrolyser"].efficiency == whole.units["electrolyser"].efficiency
    district = load("germany").scenario.neighbourhoods["district-west"]
    assert scaled(district, 0.5).units["chp"].fuel_eur_per_kwh == 0.0269


def test_a_grown_scenario_grows_no_further_and_the_same_seed_grows_the_same(sixty):
    assert grown(sixty) == sixty == loaded(60).scenario
    assert loaded(60, "seed=2").scenario.neighbourhoods != sixty.neighbourhoods


def test_what_cannot_be_split_is_said_all_at_once():
    with pytest.raises(InputError, match=r"town.units.home: a measured series cannot be split"):
        load(CASE, ["problem.agents=6"])
    cars = {"neighbourhoods.store.units.cars": {"kind": "ev_station", "power_kw": 11}}
    with pytest.raises(InputError, match="2 problems") as refused:
        load(CASE, {"problem.agents": 6, **cars})
    assert "store.units.cars: charging stations cannot be split" in str(refused.value)


def test_parts_take_names_that_are_free(tmp_path):
    """Beside `store` there is a `store-1` already: nobody takes its place."""
    case = shutil.copytree(CASE, tmp_path / "market")
    data = yaml.safe_load((case / "scenario.yaml").read_text())
    batteries = data["neighbourhoods"]["store"]
    data["neighbourhoods"] = {"store": batteries, "store-1": batteries}
    (case / "scenario.yaml").write_text(yaml.safe_dump(data))
    whole = load(case).scenario.neighbourhoods
    for agents in range(6, 16):
        parts = load(case, [f"problem.agents={agents}"]).scenario.neighbourhoods
        kwh = [
            sum(u.energy_kwh for n in t.values() for u in n.units.values()) for t in (whole, parts)
        ]
        assert kwh[1] == pytest.approx(kwh[0])
