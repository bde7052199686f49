"""What several unit tests start from."""

from __future__ import annotations

import pytest

from quartier.kpi import RunData
from tests.unit.kpi_runs import Tables, run_of


@pytest.fixture
def data(tmp_path):
    """Make the data of a run from its tables, and from those of its baseline."""

    def make(tables: Tables, baseline: Tables | None = None, **manifest) -> RunData:
        earlier = None if baseline is None else run_of(tmp_path / "baseline", baseline)
        return RunData(run_of(tmp_path / "run", tables, **manifest), earlier)

    return make
