"""Any cell of a grid's tables may be wrong: it is named, or the run goes on; never a traceback."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.errors import InputError
from quartier.grid.net_checks import BUSES, RULES, YES_OR_NO
from quartier.grid.network import Network
from quartier.grid.recycled import RecycledPowerFlow
from tests.unit.grid_cases import village

ODD = (np.nan, None, 0.0, -1.0, np.inf, 1e9, "x", "", "3", 55, True, [1])


@functools.cache
def grid() -> pp.pandapowerNet:
    """The village with an element of every kind that is read."""
    net = village()
    pp.create_gen(net, 2, p_mw=0.5, vm_pu=1.0)
    pp.create_storage(net, 3, p_mw=0.1, max_e_mwh=1.0)
    pp.create_shunt(net, 3, q_mvar=0.1)
    pp.create_bus(net, 20.0, name="beside", min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_switch(net, 3, 4, et="b")
    pp.create_switch(net, 2, 0, et="l")
    pp.create_impedance(net, 1, 4, rft_pu=0.1, xft_pu=0.5, sn_mva=10.0)
    return net


CELLS = sorted(
    {(kind, name) for kind, rules in RULES.items() for name in rules}
    | {(kind, name) for kind, names in {**BUSES}.items() for name in names}
    | {(kind, name) for kind, names in YES_OR_NO.items() for name in names}
    | {("switch", "et"), ("switch", "element"), ("trafo", "tap_side"), ("bus", "name")}
)


@settings(max_examples=60)
@given(cell=st.sampled_from(CELLS), odd=st.sampled_from(ODD), data=st.data())
def test_a_wrong_cell_is_named_or_does_no_harm(cell, odd, data):
    kind, name = cell
    net = copy.deepcopy(grid())
    table = net[kind]
    if name not in table:
        table[name] = np.nan
    row = data.draw(st.sampled_from(list(table.index)))
    table[name] = table[name].astype(object)
    table.at[row, name] = odd
    said = outcome(net)
    assert said == [] or any(kind in p or REFUSED in p for p in said), said


REFUSED = "pandapower cannot compute the grid"


def outcome(net: pp.pandapowerNet) -> list[str]:
    """What is wrong; nothing if the grid can be solved, or does not converge."""
    try:
        network = Network(net)
        zeros = np.zeros(len(network.buses))
        RecycledPowerFlow(network).step(zeros, zeros, network.tap_pos)
    except InputError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("missing", sorted(RULES))
def test_a_table_that_is_missing_is_named(missing):
    net = copy.deepcopy(grid())
    del net[missing]
    with pytest.raises(InputError, match=f"the table {missing} is missing"):
        Network(net)
