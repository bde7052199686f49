"""The wrapper of HiGHS: quiet, and exact about stores that run one way at a time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from quartier.highs import Arrays, Highs

QUIET = """
import numpy as np
from scipy import sparse
from quartier.highs import Arrays, Highs
row = sparse.csr_array(np.ones((1, 1)))
one, none = np.ones(1), np.zeros(1)
print(Highs("x", Arrays(one, none, one, none > 0, row, one, one)).solve().status)
"""


def test_nothing_but_the_programs_own_words_is_printed():
    told = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert told.stdout == "optimal\n"
    assert told.stderr == ""


@pytest.mark.parametrize("price", [-0.1, -1.0])
def test_one_way_at_a_time(price):
    """Wasting pays: charge 2 and discharge 1 at once stores nothing; one way, only 1 fits."""
    body = sparse.csr_array(np.array([[0.5, -1.0]]))
    both = Highs(
        "store",
        Arrays(
            np.array([price, 0.0]),
            np.zeros(2),
            np.array([2.0, 1.0]),
            np.zeros(2, dtype=bool),
            body,
            np.array([-np.inf]),
            np.array([0.5]),
        ),
    )
    assert both.solve().objective == pytest.approx(2 * price)
    found = both.one_way(np.array([0]), np.array([1]))
    assert found.objective == pytest.approx(price)
    assert found.values == pytest.approx([1.0, 0.0])
    assert both.solve().objective == pytest.approx(2 * price)  # it is left as it was
