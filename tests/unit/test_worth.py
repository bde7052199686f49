"""What a little more of something is worth: by hand, and by solving again with more of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartier.centralised.central import Operator
from quartier.centralised.individual import Process
from quartier.centralised.worth import _with, held, raised, worth_rows
from quartier.instance import build
from quartier.program import Highs
from quartier.scenario.load import load

CASE = Path(__file__).parents[1] / "cases" / "upper-cost" / "battery-at-noon"


def solved(*overrides: str) -> Operator:
    instance = build(load(CASE, overrides))
    process = Process(instance.problem(0, 0, instance.initial_state()))
    process.run()
    operator = Operator(process)
    operator.solve()
    return operator


def worth(operator: Operator) -> dict[tuple[str, str], float]:
    rows = worth_rows(operator.joint, operator.answer.values)
    return {(row["name"], row["parameter"]): row["worth_eur"] for row in rows}


def test_at_noon_by_hand():
    """400 kW fit, the battery takes 400, 100 are lost, for 0.10 of redispatch and 0.10 of L0.

    One kW more of the line brings a kWh sold at 0.08 in place of one that is lost; one kW more of
    the battery the same, later. Of its energy there is enough. One kW more of PV is lost, too.
    """
    found = worth(solved())
    line = next(value for (name, what), value in found.items() if what == "limit")
    assert line == pytest.approx(0.28, abs=1e-4)
    assert found["place.battery", "power_kw"] == pytest.approx(0.28, abs=1e-4)
    assert found["place.battery", "energy_kwh"] == pytest.approx(0.0, abs=1e-6)
    assert found["place.pv", "power_kw"] == pytest.approx(-0.20, abs=1e-4)


@pytest.mark.parametrize(
    ("overrides", "unit", "size"),
    [
        ((), "battery", "power_kw"),
        ((), "pv", "power_kw"),
        (("neighbourhoods.place.units.battery.energy_kwh=300",), "battery", "energy_kwh"),
        (
            ("neighbourhoods.place.units.battery.discharge_efficiency=0.9",),
            "battery",
            "power_kw",
        ),
    ],
)
def test_as_solved_again_with_more_and_less(overrides, unit, size):
    operator = solved(*overrides)
    told = worth(operator)[f"place.{unit}", size]
    values = operator.answer.values

    def cost(more: float) -> float:
        arrays = _with(
            operator.joint, 0, lambda u: raised(u, size, more) if u.name == f"place.{unit}" else u
        )
        assert arrays is not None
        return Highs("again", held(arrays, values)).needed().objective

    with_more, with_less, step = cost(2.0), cost(-2.0), 4.0
    assert told == pytest.approx((with_less - with_more) / step, abs=1e-6)
    assert told != 0.0


def test_a_limit_as_solved_again_with_another():
    """The whole of `central` again: 1 kVA is 0.1 % of the line."""
    told = next(v for (_, what), v in worth(solved()).items() if what == "limit")
    costs = [solved(f"grid.max_loading_percent={limit}").answer.objective for limit in (39.5, 40.5)]
    assert told == pytest.approx((costs[0] - costs[1]) / 10.0, rel=1e-3)


def test_only_where_it_is_asked_for():
    assert solved().plan().records["sensitivities"] == []
    assert solved("record.sensitivities=true").plan().records["sensitivities"]
