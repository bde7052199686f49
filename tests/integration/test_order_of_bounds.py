"""What must hold on any grid, with an exact forecast: the order of bounds, and P_set as a limit.

``bound <= central``, ``bound <= bilevel <= individual`` for what was executed, up to the AC
correction; no cap without a congestion; caps kept; the plan carried out (M4, M7). Each example is a
whole study, so the gate tries a few; ``QUARTIER_STUDIES=300`` tries as many as it says.
"""

from __future__ import annotations

import os

import pytest

from tests.integration.studies import faults, run_study, write_study

MECHANISMS = ("individual", "cohda", "central", "bilevel")
COUNT = int(os.environ.get("QUARTIER_STUDIES", "4"))
KEPT = (18, 73, 112)
"""Seeds of studies in which something of this did not hold before."""


@pytest.mark.parametrize("seed", sorted({*range(COUNT), *KEPT}))
def test_random_studies_keep_the_order(seed, tmp_path):
    runs = run_study(write_study(tmp_path / f"study-{seed}", seed), MECHANISMS)
    assert faults(runs) == []


@pytest.mark.parametrize("seed", range(COUNT))
def test_what_neighbourhoods_want_besides_keeps_the_order(seed, tmp_path):
    """Flexibility, imports, ends of stores, minimum factors, a margin: no two of them disagree."""
    folder = write_study(tmp_path / f"study-{seed}", seed, wants=True)
    assert faults(run_study(folder, MECHANISMS)) == []
