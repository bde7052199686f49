"""The shipped scenario ``rural``: medium voltage with all its low-voltage grids.

Whole runs take a minute of a core and more: ``benchmarks/whole_run.py --scenario rural``.
"""

from __future__ import annotations

import pytest

from quartier.grid.power_flow import BatchPowerFlow
from quartier.instance import Instance, build
from quartier.quantities import Array
from quartier.scenario.load import load

NOON = 46
"""Step from 11:30 to 11:45, CET."""


@pytest.fixture(scope="module")
def rural() -> Instance:
    return build(load("rural"))


def test_everything_of_low_voltage_is_there_one_by_one(rural):
    network = rural.network
    assert (network.buses.size, network.lines.size) == (5479, 5391)
    assert network.transformers.size == 90 + 2
    assert len(rural.plants) == 12
    assert len(rural.buses) == 8
    drawn = (rural.background_p_mw < 0).any(axis=0).sum()
    assert drawn > 4000  # loads at buses of their own, not sums by transformer
    low = network.net.bus.vn_kv.loc[[*rural.buses.values()]]
    assert (low == 0.4).all()


def test_neighbourhoods_are_what_passes_limits_in_low_voltage(rural):
    """Without them, only the tap position lifts a bus or two of medium voltage above its band."""
    network, step = rural.network, slice(NOON, NOON + 1)
    p_mw, q_mvar = rural.background_p_mw[step].copy(), rural.background_q_mvar[step]
    low = network.net.bus["vn_kv"].to_numpy() < 1.0
    flow = BatchPowerFlow.of(network)

    def add(kw: Array, bus: int) -> None:
        p_mw[:, network.position(bus)] += kw[step] / 1000

    def passed() -> tuple[int, int]:
        state = flow.solve(p_mw, q_mvar, network.tap_pos)
        overloaded = (state.transformer_loading_percent > network.transformer_limit_percent).sum()
        overloaded += (state.line_loading_percent > network.line_limit_percent).sum()
        lifted = state.vm_pu > network.vm_max_pu
        assert lifted[:, ~low].sum() <= 4
        return int(overloaded), int(lifted[:, low].sum())

    for plant in rural.plants:
        add(plant.series["available_kw"], int(plant.bus))
    assert passed() == (0, 0)
    for unit in rural.units:
        if unit.kind == "pv":
            add(unit.series["available_kw"], rural.buses[str(unit.neighbourhood)])
    overloaded, lifted = passed()
    assert overloaded >= 2
    assert lifted >= 3


def test_a_distribution_transformer_can_be_regulated_instead(rural):
    assert rural.network.regulated.tolist() == [90, 91]
    network = build(load("rural:regulated")).network
    names = [network.transformer_name(k) for k in network.regulated]
    assert names == ["transformer 37 MV1.101-LV2.102-Trafo 1"]
