"""SimBench grids and profiles, read from the package once and cached (ODbL 1.0, see NOTICE.md).

Profiles are a year of 15-minute values. Their column ``time`` is local time with jumps at
daylight saving, so time is counted from the row number: row 0 is 2016-01-01 00:00 CET, and a
row is 15 minutes, all through the year.
"""

from __future__ import annotations

import difflib
import functools
import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from quartier import cache
from quartier.errors import InputError
from quartier.grid.tables import Net, Tables, parsed
from quartier.quantities import Array

PROFILE_START = pd.Timestamp("2016-01-01T00:00+01:00").tz_convert("UTC")
"""Start of row 0."""
PROFILE_STEP_H = 0.25
"""Length of a row in hours."""
PROFILE_ROWS = 366 * 96
"""Rows of the year 2016."""
NEWEST_SCENARIO = 2
"""SimBench's scenario of the far future; its profiles serve grids that are not SimBench's."""

_CODE = re.compile(r"1-[A-Za-z_]+-\w+-[\w.]*-([012])-(?:no_)?sw")


def scenario_of(code: str) -> int:
    """Return the scenario in a SimBench code: 0 today, 1 near future, 2 far future.

    Raises
    ------
    InputError
        If it is no SimBench code.
    """
    match = _CODE.fullmatch(code)
    if match is None:
        raise InputError([_unknown(code)])
    return int(match.group(1))


def network(code: str) -> Tables:
    """Return the tables of a SimBench grid as pandapower has them, without profiles.

    Raises
    ------
    InputError
        If there is no such grid.
    """
    scenario_of(code)

    def write(path: Path) -> None:
        from pandapower import to_json

        text = to_json(_read_network(code))
        path.write_bytes(pickle.dumps(Tables(parsed(text))))  # reading JSON takes half a second

    name = f"{cache.key('simbench', 'pandapower', 'pandas', 'numpy')}/{code}-tables.pickle"
    return with_taps(cache.cached(name, write, lambda path: pickle.loads(path.read_bytes())))


def with_taps(net: Tables) -> Tables:
    """Let the tap changers of a SimBench grid act.

    SimBench gives them steps and positions but no type, and pandapower 3 ignores the position of
    a tap changer whose type is not set.
    """
    stepped = net.trafo["tap_step_percent"].fillna(0.0) != 0
    net.trafo["tap_changer_type"] = pd.Series(None, net.trafo.index, dtype=object).mask(
        stepped, "Ratio"
    )
    return net


def profile_names(scenario: int) -> tuple[str, ...]:
    """Names of all profiles: ``PV3``, ``WP4``, ``pp_1``, ``H0-A_pload``, ``H0-A_qload``, ..."""
    return _profiles(scenario, ())[0]


def profiles(scenario: int, names: Sequence[str]) -> dict[str, Array]:
    """Read whole-year profiles, shares of the rated power, shape ``(35136,)`` each."""
    return _profiles(scenario, tuple(names))[1]


def _profiles(scenario: int, names: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Array]]:
    def read(path: Path) -> tuple[tuple[str, ...], dict[str, Array]]:
        table = pq.read_table(path, columns=list(names)) if names else None
        columns = {n: table[n].to_numpy().astype(float) for n in names} if table else {}
        return _names(path, path.stat().st_mtime_ns), columns

    name = f"{cache.key('simbench')}/series-{scenario}.parquet"
    return cache.cached(name, lambda path: _write_profiles(scenario, path), read)


@functools.lru_cache(maxsize=4)
def _names(path: Path, _changed_ns: int) -> tuple[str, ...]:
    return tuple(pq.read_schema(path).names)


def _write_profiles(scenario: int, path: Path) -> None:
    """Write profiles of loads, renewable generators and power plants.

    The storage profiles are left out: they are never negative, and with SimBench's negative
    ratings they would feed in energy from nothing.
    """
    import simbench
    from simbench.networks.extract_simbench_grids_from_csv import complete_data_path

    folder = complete_data_path(scenario)
    tables = [
        simbench.read_csv_data(folder, sep=";", tablename=name).drop(columns="time")
        for name in ("RESProfile", "LoadProfile", "PowerPlantProfile")
    ]
    table = pd.concat(tables, axis=1).astype(np.float64)
    if len(table) != PROFILE_ROWS:
        raise RuntimeError(f"SimBench profiles have {len(table)} rows, not {PROFILE_ROWS}")
    table.to_parquet(path, index=False, compression="zstd", row_group_size=PROFILE_ROWS)


def _read_network(code: str) -> Net:
    import simbench

    if code not in _codes():
        raise InputError([_unknown(code)])
    net = simbench.get_simbench_net(code)
    for extra in ("profiles", "loadcases"):
        net.pop(extra, None)
    return net


@functools.cache
def _codes() -> tuple[str, ...]:
    from simbench.networks.simbench_code import collect_all_simbench_codes

    return tuple(collect_all_simbench_codes())


def _unknown(code: str) -> str:
    near = difflib.get_close_matches(code, _codes(), n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{code!r} is no SimBench grid{hint}"
