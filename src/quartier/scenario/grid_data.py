"""The grid of a scenario with all that is injected into it outside the neighbourhoods.

SimBench scales ratings by profiles: ``P = p_mw · profile`` (loads: ``_pload`` and ``_qload``).
Storages are left out: their profiles and static powers in SimBench are unusable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quartier.errors import InputError
from quartier.grid import simbench
from quartier.grid.network import Network, load_json
from quartier.quantities import KW_PER_MW, Array, Horizon
from quartier.scenario.findings import Findings
from quartier.scenario.models import GridSettings, RedispatchSettings, Scenario
from quartier.scenario.series import SeriesReader
from quartier.units import KINDS
from quartier.units.base import SeriesRequest, UnitData, UnitParameters

AGGREGATE = "lv_RES"
"""Type of SimBench's generators that stand for all small plants of a low-voltage grid."""

_FOSSIL = ("gas", "diesel", "coal", "oil", "fossil", "chp")
_KEYS = ("lines_out", "lines_in", "max_loading_percent")


@dataclass(frozen=True)
class GridData:
    """The grid, its redispatchable plants, and all other injections.

    Parameters
    ----------
    plants
        Plants that take part in redispatch, with their bus and available power.
    plant_q_kvar
        Reactive power of every plant by name, shape ``(T,)``.
    background_p_mw, background_q_mvar
        All other injections, shape ``(T, n_bus)``, columns in the order of ``network.buses``.
    """

    network: Network
    plants: tuple[UnitData, ...]
    plant_q_kvar: Mapping[str, Array]
    background_p_mw: Array
    background_q_mvar: Array


def simbench_scenario(grid: GridSettings) -> int:
    """Return the SimBench scenario whose profiles a grid uses.

    Raises
    ------
    InputError
        If the grid's code is no SimBench code.
    """
    return (
        simbench.NEWEST_SCENARIO if grid.simbench is None else simbench.scenario_of(grid.simbench)
    )


def read_grid(
    scenario: Scenario, folder: Path, horizon: Horizon, reader: SeriesReader, findings: Findings
) -> GridData | None:
    """Read the grid and note what is wrong with it; None if it cannot be read at all."""
    grid = scenario.grid
    net = network = None
    try:
        net = simbench.network(grid.simbench) if grid.simbench else _own_net(grid, folder)
        network = Network(
            net, grid.tap_pos, grid.lines_out, grid.lines_in, grid.max_loading_percent
        )
    except InputError as error:
        for problem in error.problems:
            findings.add(*_placed(problem, grid))
        network = _without_options(net)
    if network is None:
        return None
    return _Injections(scenario, net, network, horizon, reader, findings).data()


def _without_options(net: Any) -> Network | None:
    """Return the grid as its data have it, so that the rest of a wrong scenario can be checked."""
    try:
        return None if net is None else Network(net)
    except InputError:
        return None


def _own_net(grid: GridSettings, folder: Path) -> Any:
    return load_json(folder / str(grid.json_file))


def _placed(problem: str, grid: GridSettings) -> tuple[str, str]:
    key, colon, rest = problem.partition(": ")
    if colon and key in _KEYS:
        return f"grid.{key}", rest
    if problem.startswith("tap position"):
        return "grid.tap_pos", problem
    if "SimBench" in problem:
        return "grid.simbench", problem
    return "grid.json" if grid.json_file else "grid", problem


class _Injections:
    """Reads the profiles of loads and generators and sorts them into plants and background."""

    def __init__(
        self,
        scenario: Scenario,
        net: Any,
        network: Network,
        horizon: Horizon,
        reader: SeriesReader,
        findings: Findings,
    ) -> None:
        self._settings = scenario.redispatch
        self._own_profiles = scenario.grid.profiles
        self._net, self._network = net, network
        self._horizon, self._reader, self._findings = horizon, reader, findings
        self._ones = np.ones(horizon.steps)
        self._read: dict[str, Array] = {}

    def data(self) -> GridData:
        """Return everything; a profile that cannot be had is noted."""
        loads, sgens = _in_service(self._net.load), _in_service(self._net.sgen)
        self._preload(loads, sgens)
        shape = (self._horizon.steps, len(self._network.buses))
        p_mw, q_mvar = np.zeros(shape), np.zeros(shape)
        for bus, p, q in self._loads(loads):
            p_mw[:, bus] -= p
            q_mvar[:, bus] -= q
        taking_part = _takes_part(sgens, self._settings)
        for row in _rows(sgens[~taking_part]):
            bus = self._network.position(int(row.bus))
            p_mw[:, bus] += float(row.p_mw * row.scaling) * self._share(row, "")
            q_mvar[:, bus] += float(row.q_mvar * row.scaling)
        plants = [self._plant(row) for row in _rows(sgens[taking_part])]
        reactive = {
            plant.name: self._ones * float(row.q_mvar * row.scaling * KW_PER_MW)
            for plant, row in zip(plants, _rows(sgens[taking_part]), strict=True)
        }
        self._check_prices(plants)
        return GridData(self._network, tuple(plants), reactive, p_mw, q_mvar)

    def _preload(self, loads: pd.DataFrame, sgens: pd.DataFrame) -> None:
        names = [f"{n}{end}" for n in _profiles(loads) for end in ("_pload", "_qload")]
        own = set(self._own_profiles)
        self._reader.preload([n for n in [*names, *_profiles(sgens)] if n not in own])

    def _loads(self, loads: pd.DataFrame) -> Iterator[tuple[int, Array, Array]]:
        for row in _rows(loads):
            p_mw = float(row.p_mw * row.scaling) * self._share(row, "_pload")
            q_mvar = float(row.q_mvar * row.scaling) * self._share(row, "_qload")
            yield self._network.position(int(row.bus)), p_mw, q_mvar

    def _share(self, row: Any, ending: str) -> Array:
        """Profile of an element over the horizon; elements without one keep their power."""
        name = getattr(row, "profile", None)
        if not isinstance(name, str) or not name:
            return self._ones
        own = self._own_profiles.get(name)
        key = name if own else f"{name}{ending}"
        if key not in self._read:
            self._read[key] = self._ones
            with self._findings.at(f"grid.profiles.{name}" if own else "grid"):
                if own:
                    self._read[key] = self._reader.read(SeriesRequest(own, "1"), self._horizon)
                elif self._reader.has_profile(key):
                    self._read[key] = self._reader.profile(key, self._horizon)
                else:
                    self._findings.add(f"grid.profiles.{name}", self._no_profile(row, ending))
        return self._read[key]

    def _no_profile(self, row: Any, ending: str) -> str:
        """Name the element that names a profile which is neither SimBench's nor the user's."""
        table = "load" if ending else "sgen"
        inside = "; what the grid's file has in `profiles` is not read" * bool(
            self._net.get("profiles")
        )
        return (
            f"missing, though {table} {row.Index} ({row.name}) names this profile, which is none "
            'of SimBench\'s; give a column, e.g. {csv: series.csv, column: a, unit: "1"}' + inside
        )

    def _plant(self, row: Any) -> UnitData:
        parameters = _plant_parameters(row)
        name = _plant_name(row)
        available_kw = _rated_kw(row) * self._share(row, "").clip(min=0.0)
        unit = UnitData(
            name=name,
            parameters=parameters,
            neighbourhood=None,
            agent=name,
            horizon=self._horizon,
            bus=int(row.bus),
            series={"available_kw": available_kw},
        )
        return KINDS[parameters.kind].bounded(unit)

    def _check_prices(self, plants: list[UnitData]) -> None:
        from quartier.scenario.problems import suggestion

        names = [plant.name for plant in plants]
        for name in self._settings.plant_prices:
            if name not in names:
                self._findings.add(
                    f"redispatch.plant_prices.{name}",
                    f"no plant of this name takes part{suggestion(name, names)}",
                )


def _in_service(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[table["in_service"].astype(bool)].copy()
    if "scaling" not in rows:
        rows["scaling"] = 1.0
    return rows.fillna({"scaling": 1.0, "q_mvar": 0.0})


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    yield from table.itertuples()


def _profiles(table: pd.DataFrame) -> list[str]:
    if "profile" not in table:
        return []
    return [name for name in table["profile"].unique() if isinstance(name, str) and name]


def _takes_part(sgens: pd.DataFrame, settings: RedispatchSettings) -> pd.Series[bool]:
    rated_kw = sgens["p_mw"] * sgens["scaling"] * KW_PER_MW
    big = rated_kw >= settings.threshold_kw
    if settings.aggregates or "type" not in sgens:
        return big
    return big & (sgens["type"] != AGGREGATE)


def _rated_kw(row: Any) -> float:
    return float(row.p_mw * row.scaling) * KW_PER_MW


def _plant_name(row: Any) -> str:
    name = getattr(row, "name", None)
    return name if isinstance(name, str) and name else f"sgen {row.Index}"


def _plant_parameters(row: Any) -> UnitParameters:
    """Tell a generator's kind by its type: PV, wind, conventional, or any other plant."""
    written = str(getattr(row, "type", "") or "").lower()
    profile = getattr(row, "profile", None)
    common = {
        "power_kw": _rated_kw(row),
        "profile": profile if isinstance(profile, str) and profile else "constant",
    }
    if written.startswith("pv") or "solar" in written:
        return KINDS["pv"].Parameters.model_validate({"kind": "pv", **common})
    if written.startswith(("wind", "wp")):
        return KINDS["wind"].Parameters.model_validate({"kind": "wind", **common})
    fossil = any(word in written for word in _FOSSIL)
    kind = "conventional" if fossil else "plant"
    return KINDS[kind].Parameters.model_validate({"kind": kind, **common})
