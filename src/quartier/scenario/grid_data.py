"""The grid of a scenario with all that is injected into it outside the neighbourhoods.

SimBench scales ratings by profiles: ``P = p_mw · profile`` (loads: ``_pload`` and ``_qload``).
Generators that hold a voltage (``gen``) feed in by their profiles, too. Storages are left out:
their profiles and static powers in SimBench are unusable. What is at buses without supply does
nothing. All that is left out is noted (:mod:`quartier.scenario.left_out`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quartier.errors import InputError
from quartier.grid import simbench
from quartier.grid.engines import beyond_power_grid_model
from quartier.grid.net_checks import tidy
from quartier.grid.network import Network, load_json
from quartier.quantities import KW_PER_MW, Array, Horizon
from quartier.scenario.findings import Findings
from quartier.scenario.left_out import cut_off, note_left_out
from quartier.scenario.models import GridSettings, RedispatchSettings, Scenario
from quartier.scenario.series import SeriesReader
from quartier.units import KINDS
from quartier.units.base import UnitData, UnitParameters

AGGREGATE = "lv_RES"
"""Type of SimBench's generators that stand for all small plants of a low-voltage grid."""

_FOSSIL = ("gas", "diesel", "coal", "oil", "fossil", "chp")
_KEYS = ("engine", "lines_out", "lines_in", "max_loading_percent", "tap_changers")


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
    rows
        Index in pandapower's table ``sgen`` by plant.
    cut_off
        Names of plants at buses without supply, which take part in nothing.
    """

    network: Network
    plants: tuple[UnitData, ...]
    plant_q_kvar: Mapping[str, Array]
    background_p_mw: Array
    background_q_mvar: Array
    rows: Mapping[str, int]
    cut_off: frozenset[str] = frozenset()


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


def profiles_of(grid: GridSettings | None) -> int:
    """SimBench scenario whose profiles a grid uses; the newest if there is none, or none so."""
    if grid is None:
        return simbench.NEWEST_SCENARIO
    try:
        return simbench_scenario(grid)
    except InputError:  # reported where the grid is read
        return simbench.NEWEST_SCENARIO


def read_grid(
    scenario: Scenario,
    grid: GridSettings,
    folder: Path,
    horizon: Horizon,
    reader: SeriesReader,
    findings: Findings,
) -> GridData | None:
    """Read the grid and note what is wrong with it; None if it cannot be read at all."""
    net = network = None
    try:
        net = simbench.network(grid.simbench) if grid.simbench else _own_net(grid, folder)
        network = Network(
            net,
            grid.tap_pos,
            grid.lines_out,
            grid.lines_in,
            grid.max_loading_percent,
            grid.tap_changers,
        )
        if grid.engine == "power-grid-model" and (beyond := beyond_power_grid_model(network)):
            raise InputError(beyond)
    except InputError as error:
        for problem in error.problems:
            findings.add(*_placed(problem, grid))
        network = _without_options(net)
    if network is None:
        return None
    tidy(net)
    path = "grid.json" if grid.json_file else "grid"
    note_left_out(net, network.unsupplied_buses(), path, findings)
    return _Injections(scenario, grid, net, network, horizon, reader, findings).data()


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
        grid: GridSettings,
        net: Any,
        network: Network,
        horizon: Horizon,
        reader: SeriesReader,
        findings: Findings,
    ) -> None:
        self._settings = scenario.redispatch
        self._own_profiles = grid.profiles
        self._net, self._network = net, network
        self._dark = network.unsupplied_buses()
        self._horizon, self._reader, self._findings = horizon, reader, findings
        self._ones = np.ones(horizon.steps)
        self._simbench_names = set(simbench.profile_names(profiles_of(grid)))
        self._read: dict[str, Array] = {}

    def data(self) -> GridData:
        """Return everything; a profile that cannot be had is noted."""
        loads, sgens, gens = (
            _in_use(self._net[kind], self._dark) for kind in ("load", "sgen", "gen")
        )
        gens = gens[~gens["slack"].astype(bool)]  # what a slack feeds in comes out
        self._preload(loads, sgens, gens)
        shape = (self._horizon.steps, len(self._network.buses))
        p_mw, q_mvar = np.zeros(shape), np.zeros(shape)
        for bus, p, q in self._loads(loads):
            p_mw[:, bus] -= p
            q_mvar[:, bus] -= q
        taking_part = _takes_part(sgens, self._settings)
        for row in _rows(sgens[~taking_part]):
            bus = self._network.position(int(row.bus))
            p_mw[:, bus] += float(row.p_mw * row.scaling) * self._share("sgen", row, "")
            q_mvar[:, bus] += float(row.q_mvar * row.scaling)
        for row in _rows(gens):
            bus = self._network.position(int(row.bus))
            p_mw[:, bus] += float(row.p_mw * row.scaling) * self._share("gen", row, "")
        chosen = [*_rows(sgens[taking_part])]
        names = _plant_names(chosen)
        plants = tuple(self._plant(name, row) for name, row in zip(names, chosen, strict=True))
        reactive = {
            name: self._ones * float(row.q_mvar * row.scaling * KW_PER_MW)
            for name, row in zip(names, chosen, strict=True)
        }
        dark = cut_off(self._net.sgen, self._dark)
        gone = frozenset(_plant_names([*_rows(dark[_takes_part(dark, self._settings)])]))
        self._check_prices([*names, *gone])
        rows = {name: int(row.Index) for name, row in zip(names, chosen, strict=True)}
        return GridData(self._network, plants, reactive, p_mw, q_mvar, rows, gone)

    def _preload(self, loads: pd.DataFrame, *others: pd.DataFrame) -> None:
        names = [f"{n}{end}" for n in _profiles(loads) for end in ("_pload", "_qload")]
        names += [name for table in others for name in _profiles(table)]
        own = set(self._own_profiles)
        self._reader.preload([name for name in names if name not in own])

    def _loads(self, loads: pd.DataFrame) -> Iterator[tuple[int, Array, Array]]:
        for row in _rows(loads):
            p_mw = float(row.p_mw * row.scaling) * self._share("load", row, "_pload")
            q_mvar = float(row.q_mvar * row.scaling) * self._share("load", row, "_qload")
            yield self._network.position(int(row.bus)), p_mw, q_mvar

    def _share(self, kind: str, row: Any, ending: str) -> Array:
        """Profile of an element over the horizon; elements without one keep their power."""
        name = getattr(row, "profile", None)
        if not isinstance(name, str) or not name:
            return self._ones
        own = self._own_profiles.get(name)
        key = f"{kind} {name}" if own else f"{name}{ending}"
        if key not in self._read:
            self._read[key] = self._ones
            if not own and key not in self._simbench_names:
                self._unknown_profile(kind, row, name)
                return self._ones
            with self._findings.at(f"grid.profiles.{name}" if own else "grid"):
                self._read[key] = (
                    self._reader.share(own, self._horizon, of_load=kind == "load")
                    if own
                    else self._reader.profile(key, self._horizon)
                )
        return self._read[key]

    def _unknown_profile(self, kind: str, row: Any, name: str) -> None:
        who = f"{kind} {row.Index} {getattr(row, 'name', None) or ''}".strip()
        self._findings.add(
            "grid.profiles",
            f"{who} names the profile {name!r}, which is none of SimBench's; add it here as a "
            "column of a CSV file (net.profiles of pandapower is not read)",
        )

    def _plant(self, name: str, row: Any) -> UnitData:
        parameters = _plant_parameters(row)
        available_kw = _rated_kw(row) * self._share("sgen", row, "")
        unit = UnitData(
            name=name,
            parameters=parameters,
            neighbourhood=None,
            agent=name,
            horizon=self._horizon,
            bus=int(row.bus),
            # SimBench's wind profiles have noise below zero, down to -1e-5.
            series={"available_kw": np.maximum(available_kw, 0.0)},
        )
        return KINDS[parameters.kind].bounded(unit)

    def _check_prices(self, names: list[str]) -> None:
        from quartier.scenario.problems import suggestion

        for name in self._settings.plant_prices:
            if name not in names:
                self._findings.add(
                    f"redispatch.plant_prices.{name}",
                    f"no plant of this name takes part{suggestion(name, names)}",
                )


def _in_use(table: pd.DataFrame, dark: frozenset[int]) -> pd.DataFrame:
    """Elements in service at buses that are supplied."""
    return table[table["in_service"].astype(bool) & ~table["bus"].isin(list(dark))]


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


def _plant_names(rows: list[Any]) -> list[str]:
    """Names of plants; those without one are called by their index, doubles with it."""
    written = [getattr(row, "name", None) for row in rows]
    names = [
        name if isinstance(name, str) and name else f"sgen {row.Index}"
        for name, row in zip(written, rows, strict=True)
    ]
    counts = Counter(names)
    return [
        f"{name} (sgen {row.Index})" if counts[name] > 1 else name
        for name, row in zip(names, rows, strict=True)
    ]


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
    if not fossil:
        return KINDS["plant"].Parameters.model_validate({"kind": "plant", **common})
    burns = {"kind": "conventional", "chp": "chp" in written}
    return KINDS["conventional"].Parameters.model_validate({**burns, **common})
