"""The matrix of mechanisms and problems: what it names is there, and what it lacks is refused."""

from __future__ import annotations

import pytest

from quartier import catalogue
from quartier.coordination import COORDINATIONS, mechanisms, problems, resolve
from quartier.errors import InputError

CELLS = [(name, kind) for name, answered in COORDINATIONS.items() for kind in answered]


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_every_cell_is_a_class_that_plans(name, kind):
    assert callable(resolve(name, kind).plan)


def test_the_matrix_is_what_is_listed():
    assert catalogue.headings("coordinations") == problems()
    for name, *cells, summary in catalogue.coordinations():
        assert [cell == "yes" for cell in cells] == [k in COORDINATIONS[name] for k in problems()]
        assert summary


def test_a_combination_that_does_not_exist_is_refused_with_those_that_do(monkeypatch):
    monkeypatch.setitem(COORDINATIONS, "alone", {"swimming": "nobody.needs.it:Alone"})
    assert mechanisms("swimming") == ("alone",)
    with pytest.raises(
        InputError,
        match=r"'cohda' does not answer the problem 'swimming', only redispatch, sharing, market;"
        r" those that do: alone; or module:Class of your own",
    ):
        resolve("cohda", "swimming")
    with pytest.raises(InputError, match=r"'alone' does not answer the problem 'redispatch'"):
        resolve("alone", "redispatch")
