from __future__ import annotations

import copy

import numpy as np
import pandapower as pp
import pytest

from quartier.errors import InputError
from quartier.grid.network import Network, load_json
from tests.unit.grids import net, network


def test_injections_are_taken_out_and_the_original_stays():
    before = len(net().load)
    grid = network()
    assert len(grid.net.load) == len(grid.net.sgen) == len(grid.net.storage) == 0
    assert len(net().load) == before > 0


def test_arrays_are_in_the_order_of_the_tables():
    grid = network()
    assert grid.position(15) == list(net().bus.index).index(15)
    assert grid.lines.tolist() == net().line.index.tolist()
    assert grid.line_name(10) == "line 10 MV1.101 Line 11"
    assert grid.transformer_name(1) == "transformer 1 HV1-MV1.101-Trafo2"


def test_limits_are_each_elements_own():
    grid = network()
    assert np.unique(grid.vm_max_pu).tolist() == [1.055, 1.1]
    assert grid.line_mva[10] == pytest.approx(np.sqrt(3) * 20 * net().line.max_i_ka[10])
    assert grid.transformer_mva.tolist() == [25.0, 25.0]


def test_limits_can_be_set_for_all_or_for_single_elements():
    assert (Network(net(), 0, max_loading_percent=50.0).line_limit_percent == 50).all()
    grid = Network(
        net(), 0, max_loading_percent={"MV1.101 Line 11": 50.0, 3: 70.0, "HV1-MV1.101-Trafo1": 60.0}
    )
    assert grid.line_limit_percent[[10, 3, 4]].tolist() == [50.0, 70.0, 100.0]
    assert grid.transformer_limit_percent.tolist() == [60.0, 100.0]
    # The network's file says the limits that hold.
    assert grid.net.line.max_loading_percent[10] == 50.0
    assert grid.net.trafo.max_loading_percent[0] == 60.0


def test_missing_limits_are_100_percent_and_the_usual_band():
    bare = pp.networks.create_kerber_landnetz_freileitung_1()
    bare.line = bare.line.drop(columns="max_loading_percent", errors="ignore")
    bare.bus = bare.bus.drop(columns=["min_vm_pu", "max_vm_pu"], errors="ignore")
    grid = Network(bare)
    assert (grid.line_limit_percent == 100).all()
    assert (grid.vm_min_pu == 0.9).all()
    assert (grid.net.bus["max_vm_pu"] == 1.1).all()


def test_taps_of_simbench_act():
    grid = network()
    assert (grid.net.trafo.tap_changer_type == "Ratio").all()
    assert (grid.tap_min, grid.tap_max, grid.regulated.tolist()) == (-9, 9, [0, 1])
    moved = grid.with_tap(3)
    pp.runpp(grid.net), pp.runpp(moved)
    assert moved.res_bus.vm_pu[15] < grid.net.res_bus.vm_pu[15] - 0.03


def test_only_the_substation_takes_the_tap_position():
    own = copy.deepcopy(net())
    pp.create_bus(own, 0.4, index=500)
    pp.create_transformer(own, 15, 500, "0.4 MVA 20/0.4 kV")
    grid = Network(own, 4)
    assert grid.net.trafo.tap_pos.tolist() == [4.0, 4.0, 0.0]


def test_a_network_without_tap_changer_has_position_0_only():
    bare = pp.networks.create_cigre_network_mv()
    bare.trafo["tap_step_percent"] = 0.0
    grid = Network(bare)
    assert (grid.tap_min, grid.tap_pos, grid.tap_max) == (0, 0, 0)
    with pytest.raises(InputError, match="no transformer with a tap changer"):
        Network(bare, 1)


def test_lines_go_out_and_come_in_with_their_switches():
    grid = network(lines_out=(0,), lines_in=(93,))
    assert not grid.net.line.in_service[0]
    switches = grid.net.switch[(grid.net.switch.et == "l") & (grid.net.switch.element == 93)]
    assert len(switches) > 0
    assert switches.closed.all()
    assert grid.unsupplied_buses() == frozenset()
    assert 15 in network(lines_out=(0,)).unsupplied_buses()


def test_all_problems_are_listed_at_once():
    with pytest.raises(InputError) as caught:
        Network(
            net(),
            30,
            lines_out=[0, "MV1.101 loop_lin"],
            lines_in=[0],
            max_loading_percent={"nowhere": 1.0},
        )
    problems = caught.value.problems
    assert len(problems) == 4
    assert any("did you mean 'MV1.101 loop_line" in p for p in problems)
    assert any("lines_out and in lines_in" in p for p in problems)
    assert any("tap position 30 is outside -9 .. 9" in p for p in problems)


def test_what_is_not_simulated_is_refused():
    with pytest.raises(InputError, match="trafo3w in the grid: not supported"):
        Network(pp.networks.example_multivoltage())
    fed = copy.deepcopy(net())
    fed.load["const_z_p_percent"] = 10.0
    fed.ext_grid["in_service"] = False
    with pytest.raises(InputError) as caught:
        Network(fed)
    assert len(caught.value.problems) == 2


def test_an_unknown_bus_is_an_error_that_says_which_there_are():
    with pytest.raises(InputError, match=r"bus 999 is not in the grid; its buses are 0 \.\. 98"):
        network().position(999)


def test_json_is_read_and_faults_are_named(tmp_path):
    path = tmp_path / "grid.json"
    pp.to_json(net(), str(path))
    assert len(load_json(path).load) == len(net().load)
    with pytest.raises(InputError, match="no grid file"):
        load_json(tmp_path / "none.json")
    path.write_text("{}")
    with pytest.raises(InputError, match=r"grid\.json"):
        load_json(path)
