"""SimBench data from the package, through the cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quartier.errors import InputError
from quartier.grid import simbench

CODE = "1-MV-rural--2-sw"


@pytest.fixture(scope="module")
def written() -> pd.DataFrame:
    """SimBench's own file of renewable profiles, with its column of local times."""
    from simbench.networks.extract_simbench_grids_from_csv import complete_data_path

    path = Path(complete_data_path(2)) / "RESProfile.csv"
    return pd.read_csv(path, sep=";", usecols=["time", "PV3", "WP4"])


def test_rows_count_time_through_both_changes_of_daylight_saving(written):
    """Rows 8264 and 29096 are where the written local time jumps; UTC goes on regularly."""
    times = pd.date_range(
        simbench.PROFILE_START, periods=simbench.PROFILE_ROWS, freq="15min"
    ).tz_convert("Europe/Berlin")
    assert written["time"][8263:8265].tolist() == ["27.03.2016 01:45", "27.03.2016 03:00"]
    assert written["time"][29095:29097].tolist() == ["30.10.2016 02:45", "30.10.2016 02:00"]
    assert (written["time"] == times.strftime("%d.%m.%Y %H:%M")).all()


def test_profiles_are_those_of_the_package(written):
    read = simbench.profiles(2, ["PV3", "WP4"])
    for name in ("PV3", "WP4"):
        assert np.array_equal(read[name], written[name])


def test_profiles_of_loads_carry_active_and_reactive_power():
    names = simbench.profile_names(2)
    assert {"H0-A_pload", "H0-A_qload", "PV3", "WP4", "lv_rural1"} <= set(names)


def test_network_has_the_grid_without_profiles():
    net = simbench.network(CODE)
    assert (len(net.bus), len(net.trafo)) == (99, 2)
    assert "profiles" not in net


@pytest.mark.parametrize(
    ("code", "hint"),
    [("1-MV-rurall--2-sw", "1-MV-rural--2-sw"), ("MV-rural", "no SimBench grid")],
)
def test_unknown_grid_is_named_with_what_is_near(code, hint):
    with pytest.raises(InputError, match=hint):
        simbench.network(code)


def test_warm_cache_needs_no_simbench():
    simbench.network(CODE)
    simbench.profiles(2, ["PV3"])
    code = (
        "import sys; from quartier.grid import simbench; "
        f"simbench.network({CODE!r}); simbench.profiles(2, ['PV3']); "
        "sys.exit('simbench' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
