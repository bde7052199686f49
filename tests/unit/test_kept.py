"""What pandapower makes of a network, kept between runs: found again only for the same one."""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
from scipy import sparse

from quartier.grid import kept
from quartier.grid.admittance import Admittances
from quartier.grid.network import Network
from quartier.grid.recycled import grid_json
from tests.unit.grids import net

SPOILT = {
    "a number": ("line", "length_km", lambda table: table["length_km"] * (1 + 1e-15)),
    "a truth value": ("line", "in_service", lambda table: ~table["in_service"]),
    "a name": ("bus", "name", lambda table: table["name"] + "!"),
    "another type": ("trafo", "parallel", lambda table: table["parallel"].astype("float64")),
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("QUARTIER_CACHE_DIR", str(tmp_path))


def assert_same(one: object, other: object) -> None:
    """To the bit."""
    assert type(one) is type(other)
    if is_dataclass(one):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif sparse.issparse(one):
        for name in ("data", "indices", "indptr"):
            assert_same(getattr(one, name), getattr(other, name))
    else:
        np.testing.assert_array_equal(one, other, strict=True)


def test_parts_are_those_that_pandapower_makes(monkeypatch):
    made = [Network(net(), 0, (0,), (93,)) for _ in range(2)]
    first = [Admittances(made[0]).at(tap_pos) for tap_pos in (0, 3)]
    texts, apart = grid_json(made[0]), made[0].unsupplied_buses()
    monkeypatch.setattr("quartier.grid.admittance.run", None)  # pandapower is not asked again
    monkeypatch.setattr("quartier.grid.recycled.injection_net", None)
    monkeypatch.setattr("quartier.grid.network._unsupplied", None)
    for one, tap_pos in zip(first, (0, 3), strict=True):
        assert_same(Admittances(made[1]).at(tap_pos), one)
    assert grid_json(made[1]) == texts
    assert made[1].unsupplied_buses() == apart


@pytest.mark.parametrize("what", SPOILT)
def test_a_network_that_differs_has_parts_of_its_own(what):
    kind, column, change = SPOILT[what]
    other = copy.deepcopy(net())
    other[kind][column] = change(other[kind])
    assert kept.digest_of(other) not in {kept.digest_of(net()), None}


def test_the_same_network_read_again_is_the_same():
    assert kept.digest_of(copy.deepcopy(net())) == kept.digest_of(net())


def test_a_network_with_objects_in_it_keeps_nothing(tmp_path):
    other = pp.create_empty_network()
    other["controller"] = pd.DataFrame({"object": [object()]})
    assert kept.digest_of(other) is None
    assert [kept.kept(None, "part", lambda k=k: k) for k in (1, 2)] == [1, 2]
    assert not [*tmp_path.iterdir()]


def test_the_oldest_parts_are_deleted_when_there_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 2_500)
    for name in ("first", "second", "third"):
        assert kept.kept(name, "part", lambda: bytes(1_000)) == bytes(1_000)
    assert {path.name for path in tmp_path.rglob("*.pickle")} == {
        "second-part.pickle",
        "third-part.pickle",
    }
