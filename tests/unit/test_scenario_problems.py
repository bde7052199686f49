"""Wrong scenarios, a folder each: every problem of a file in one list, with its path.

``tests/cases/bad-input/<name>/scenario.yaml`` and ``expected.txt``, a problem a line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from quartier.errors import InputError
from quartier.instance import build
from quartier.scenario.load import load

CASES = sorted((Path(__file__).parents[1] / "cases" / "bad-input").iterdir())


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        build(load(folder))
    assert str(folder / "scenario.yaml") in str(caught.value)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_every_problem_is_listed(folder):
    expected = (folder / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert problems_of(folder) == expected
