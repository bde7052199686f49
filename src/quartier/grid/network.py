"""The distribution grid's data: a checked pandapower network without injections.

What is fed in or drawn comes per bus from Quartier, so loads, static generators and storages
are taken out; generators that hold a voltage stay, but what they feed in is an injection, too.
Limits are each element's own.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quartier.errors import InputError
from quartier.grid.kept import digest_of, kept
from quartier.grid.net_checks import DEFAULT_BAND_PU, fill, net_problems, tidy
from quartier.grid.tables import (
    Indices,
    Net,
    Tables,
    column,
    find_element,
    indices,
    label,
    net_of,
    network_of,
    product,
    unknown,
    unsolvable,
    unsupported,
)
from quartier.grid.tap_changers import set_taps
from quartier.quantities import Array

__all__ = ["Indices", "Net", "Network", "load_json"]

MOST_BYTES = 200_000_000
"""Size beyond which a file is no grid."""
INJECTIONS = ("load", "sgen", "storage")
"""Elements that Quartier replaces by injections per bus."""


class Network:
    """A grid ready for power flow; do not change it.

    Parameters
    ----------
    net
        pandapower network; it is copied. Controllers in it are not run.
    tap_pos
        Tap position of the transformers whose taps are moved; None keeps each one's own.
    lines_out
        Lines to take out of service, by index or name.
    lines_in
        Lines to put in service with all their switches closed, by index or name.
    max_loading_percent
        Loading limit of all lines, or of single lines and transformers by index (lines only) or
        name; without it the limits of the data hold, and 100 % where there are none.
    tap_changers
        Transformers whose taps are moved, by index or name; without it those in service with a
        tap changer that lead from high (above 36 kV) to medium voltage.

    Attributes
    ----------
    net
        The tables of the pandapower network without injections, with the limits that hold.
    buses, lines, transformers
        pandapower's indices; every array of results has its columns in their order.
    vm_min_pu, vm_max_pu
        Voltage band of every bus in pu, shape ``(n_bus,)``.
    line_limit_percent, transformer_limit_percent
        Loading limit of every line and transformer in percent of its rated current.
    line_mva, transformer_mva
        Rated apparent power at 100 % loading in MVA.
    regulated
        Positions in ``transformers`` of those whose taps are moved, all together.
    tap_min, tap_max, tap_pos
        Range and position of the taps: of the first of the ``regulated`` transformers; the
        others keep their distance to it (:mod:`quartier.grid.tap_changers`). 0 without any.
    cache
        What others computed for this network and want to find again.

    Raises
    ------
    InputError
        With all problems found: elements that are not supported and data that are wrong
        (:mod:`quartier.grid.net_checks`), else unknown lines, limits and taps out of range.
    """

    def __init__(
        self,
        net: Net | Tables,
        tap_pos: int | None = None,
        lines_out: Sequence[int | str] = (),
        lines_in: Sequence[int | str] = (),
        max_loading_percent: float | Mapping[int | str, float] | None = None,
        tap_changers: Sequence[int | str] | None = None,
    ) -> None:
        self.net = copy.deepcopy(net)
        self.cache: dict[str, Any] = {}
        self._unsupplied: frozenset[int] | None = None
        fill(self.net)
        self._problems = [*unsupported(self.net), *net_problems(self.net)]
        if self._problems:
            raise InputError(self._problems, "the grid")
        tidy(self.net)
        self._problems += unsolvable(self.net)
        for element in INJECTIONS:
            self.net[element] = self.net[element].iloc[:0]
        self.net.gen.loc[~self.net.gen["slack"], "p_mw"] = 0.0
        self.buses = indices(self.net.bus)
        self.lines = indices(self.net.line)
        self.transformers = indices(self.net.trafo)
        self._positions = {int(bus): k for k, bus in enumerate(self.buses)}
        self._switch(lines_out, lines_in)
        self._set_limits(max_loading_percent)
        self.net.trafo["tap_pos"] = self.net.trafo["tap_pos"].astype(float)
        self._taps, wrong = set_taps(self.net.trafo, tap_pos, tap_changers)
        self._problems += wrong
        self.regulated, self.tap_pos = self._taps.moved, self._taps.position
        self.tap_min, self.tap_max = self._taps.lowest, self._taps.highest
        if self._problems:
            raise InputError(self._problems, "the grid")
        self._write_limits()

    # -- looking things up ------------------------------------------------------------------
    def position(self, bus: int) -> int:
        """Return the column of ``bus`` in arrays over buses.

        Raises
        ------
        InputError
            If there is no such bus.
        """
        try:
            return self._positions[int(bus)]
        except KeyError:
            known = f"{self.buses.min()} .. {self.buses.max()}"
            raise InputError([f"bus {bus} is not in the grid; its buses are {known}"]) from None

    def places(self, buses: pd.DataFrame) -> Indices:
        """Columns of buses in arrays over buses, in the shape of ``buses``."""
        places = pd.Index(self.buses).get_indexer(pd.Index(buses.to_numpy().ravel()))
        return np.asarray(places, dtype=np.int64).reshape(buses.shape)

    def line_name(self, position: int) -> str:
        """``line <index> <name>`` of the line at ``position``."""
        return label("line", self.net.line, position)

    def transformer_name(self, position: int) -> str:
        """``transformer <index> <name>`` of the transformer at ``position``."""
        return label("transformer", self.net.trafo, position)

    def unsupplied_buses(self) -> frozenset[int]:
        """Buses out of service or not connected to a slack: nothing that is there acts."""
        if self._unsupplied is None:
            idle = self.buses[~self.net.bus["in_service"].to_numpy(dtype=bool)]
            apart = kept(self.digest, "unsupplied", lambda: _unsupplied(self.net))
            self._unsupplied = frozenset({*apart, *idle.tolist()})
        return self._unsupplied

    @functools.cached_property
    def digest(self) -> str | None:
        """Hash of all that the network holds, None if it cannot be told."""
        return digest_of(self.net)

    def with_tap(self, tap_pos: int) -> Net:
        """Return a copy of the pandapower network with the tap position set."""
        net = network_of(self.net)
        self.set_tap(net, tap_pos)
        return net

    def set_tap(self, net: Net, tap_pos: int) -> None:
        """Set the tap position of the regulated transformers in a copy of ``self.net``.

        Raises
        ------
        InputError
            If it is out of range.
        """
        if not self.tap_min <= tap_pos <= self.tap_max:
            known = f"{self.tap_min} .. {self.tap_max}"
            raise InputError([f"tap position {tap_pos} is outside {known}"])
        rows = self.transformers[self.regulated]
        net.trafo.loc[rows, "tap_pos"] = self.tap_positions(tap_pos)

    def tap_positions(self, tap_pos: int) -> Array:
        """Positions of the single taps, shape of ``regulated``, at the tap position ``tap_pos``."""
        return self._taps.at(tap_pos)

    # -- building ---------------------------------------------------------------------------
    def _switch(self, lines_out: Sequence[int | str], lines_in: Sequence[int | str]) -> None:
        net = self.net
        outside, inside = self._find(lines_out, "lines_out"), self._find(lines_in, "lines_in")
        self._problems += [
            f"line {k} is in lines_out and in lines_in; keep one" for k in {*outside} & {*inside}
        ]
        net.line.loc[outside, "in_service"] = False
        net.line.loc[inside, "in_service"] = True
        net.switch.loc[(net.switch.et == "l") & net.switch.element.isin(inside), "closed"] = True

    def _find(self, lines: Sequence[int | str], where: str) -> list[int]:
        found = (find_element(self.net.line, line) for line in lines)
        indices = []
        for line, index in zip(lines, found, strict=True):
            if index is None:
                self._problems.append(f"{where}: {unknown('line', line, self.net.line)}")
            else:
                indices.append(index)
        return indices

    def _set_limits(self, limits: float | Mapping[int | str, float] | None) -> None:
        net = self.net
        low, high = DEFAULT_BAND_PU
        self.vm_min_pu = column(net.bus, "min_vm_pu", low)
        self.vm_max_pu = column(net.bus, "max_vm_pu", high)
        self.line_limit_percent = column(net.line, "max_loading_percent", 100.0)
        self.transformer_limit_percent = column(net.trafo, "max_loading_percent", 100.0)
        if isinstance(limits, Mapping):
            for key, limit in limits.items():
                self._set_limit(key, limit)
        elif limits is not None:
            self.line_limit_percent[:] = limits
        volts = net.bus.vn_kv.loc[net.line.from_bus].to_numpy(dtype=float)
        self.line_mva = np.sqrt(3) * volts * self.line_rating_ka()
        trafo = net.trafo
        self.transformer_mva = product(trafo, "sn_mva", "parallel", "df")

    def line_rating_ka(self) -> Array:
        """Rated current of every line in kA."""
        return product(self.net.line, "max_i_ka", "parallel", "df")

    def _set_limit(self, key: int | str, limit: float) -> None:
        line = find_element(self.net.line, key)
        trafo = find_element(self.net.trafo, key) if isinstance(key, str) else None
        if line is not None:
            self.line_limit_percent[self.lines == line] = limit
        elif trafo is not None:
            self.transformer_limit_percent[self.transformers == trafo] = limit
        else:
            problem = unknown("line", key, self.net.line)
            self._problems.append(f"max_loading_percent: {problem}")

    def _write_limits(self) -> None:
        """Let the network say the limits that hold, so that its file does."""
        net = self.net
        net.line["max_loading_percent"] = self.line_limit_percent
        net.trafo["max_loading_percent"] = self.transformer_limit_percent
        net.bus["min_vm_pu"], net.bus["max_vm_pu"] = self.vm_min_pu, self.vm_max_pu


def _unsupplied(net: Net) -> list[int]:
    from pandapower.topology import unsupplied_buses

    return sorted(int(bus) for bus in unsupplied_buses(network_of(net)))


def load_json(path: Path) -> Net:
    """Read a pandapower network from its JSON file, with everything in it.

    Raises
    ------
    InputError
        If there is no such file or it holds no pandapower network.
    """
    import pandapower as pp

    if not path.is_file():
        raise InputError([f"no grid file {path}; give the path of a pandapower JSON file"])
    no_network = f"{path} holds no pandapower network; write one with pp.to_json(net, path)"
    if path.stat().st_size > MOST_BYTES:
        raise InputError([f"{path} is larger than {MOST_BYTES // 10**6} MB"])
    try:
        net = net_of(path)
    except InputError as error:
        raise InputError([f"{path} {problem}" for problem in error.problems]) from None
    except Exception as error:
        if not _is_network(path):
            raise InputError([no_network]) from error
        raise InputError([f"{path} cannot be read as a pandapower network: {error}"]) from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError([no_network])
    return net


def _is_network(path: Path) -> bool:
    """Whether a file looks like a network in pandapower's JSON, of whatever version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and bool({"_object", "bus"} & set(content))
