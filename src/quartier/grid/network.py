"""The distribution grid's data: a checked pandapower network without injections.

What is fed in or drawn comes per bus from Quartier, so loads, static generators and storages
are taken out; generators that hold a voltage stay. Limits are each element's own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quartier.errors import InputError
from quartier.grid.tables import (
    Indices,
    Net,
    column,
    find_element,
    indices,
    label,
    product,
    unknown,
    unsupported,
)
from quartier.quantities import Array

__all__ = ["Indices", "Net", "Network", "load_json"]

INJECTIONS = ("load", "sgen", "storage")
"""Elements that Quartier replaces by injections per bus."""

DEFAULT_BAND_PU = (0.9, 1.1)
"""Voltage band of buses whose data give none (EN 50160)."""


class Network:
    """A grid ready for power flow; do not change it.

    Parameters
    ----------
    net
        pandapower network; it is copied. Controllers in it are not run.
    tap_pos
        Tap position of the transformers at the substation; None keeps that of the data.
    lines_out
        Lines to take out of service, by index or name.
    lines_in
        Lines to put in service with all their switches closed, by index or name.
    max_loading_percent
        Loading limit of all lines, or of single lines and transformers by index (lines only) or
        name; without it the limits of the data hold, and 100 % where there are none.

    Attributes
    ----------
    net
        The pandapower network without injections, with the limits that hold.
    buses, lines, transformers
        pandapower's indices; every array of results has its columns in their order.
    vm_min_pu, vm_max_pu
        Voltage band of every bus in pu, shape ``(n_bus,)``.
    line_limit_percent, transformer_limit_percent
        Loading limit of every line and transformer in percent of its rated current.
    line_mva, transformer_mva
        Rated apparent power at 100 % loading in MVA.
    regulated
        Positions in ``transformers`` of those that take ``tap_pos``: in service, with a tap
        changer, and with the grid's highest voltage on their upper side.
    tap_min, tap_max, tap_pos
        Range and position of the taps, common to all ``regulated`` transformers.
    cache
        What others computed for this network and want to find again.

    Raises
    ------
    InputError
        With all problems found: elements that are not supported, unknown lines, limits and
        taps out of range.
    """

    def __init__(
        self,
        net: Net,
        tap_pos: int | None = None,
        lines_out: Sequence[int | str] = (),
        lines_in: Sequence[int | str] = (),
        max_loading_percent: float | Mapping[int | str, float] | None = None,
    ) -> None:
        self.net = copy.deepcopy(net)
        self.cache: dict[str, Any] = {}
        self._problems = [*unsupported(self.net)]
        for element in INJECTIONS:
            self.net[element] = self.net[element].iloc[:0]
        self.buses = indices(self.net.bus)
        self.lines = indices(self.net.line)
        self.transformers = indices(self.net.trafo)
        self._positions = {int(bus): k for k, bus in enumerate(self.buses)}
        self._switch(lines_out, lines_in)
        self._set_limits(max_loading_percent)
        self._set_taps(tap_pos)
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

    def line_name(self, position: int) -> str:
        """``line <index> <name>`` of the line at ``position``."""
        return label("line", self.net.line, position)

    def transformer_name(self, position: int) -> str:
        """``transformer <index> <name>`` of the transformer at ``position``."""
        return label("transformer", self.net.trafo, position)

    def unsupplied_buses(self) -> frozenset[int]:
        """Buses without a connection to a slack: what is injected there has no effect."""
        from pandapower.topology import unsupplied_buses

        return frozenset(int(bus) for bus in unsupplied_buses(self.net))

    def with_tap(self, tap_pos: int) -> Net:
        """Return a copy of the pandapower network with the tap position set."""
        net = copy.deepcopy(self.net)
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
            raise InputError([self._tap_range(tap_pos)])
        net.trafo.loc[self.transformers[self.regulated], "tap_pos"] = float(tap_pos)

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
        self._problems += [
            f"{self.line_name(int(k))} has no rated current; set max_i_ka, df and parallel above 0"
            for k in np.flatnonzero(~(self.line_mva > 0))
        ]
        self._problems += [
            f"bus {self.buses[k]}: min_vm_pu {self.vm_min_pu[k]} is not below max_vm_pu "
            f"{self.vm_max_pu[k]}"
            for k in np.flatnonzero(~(self.vm_min_pu < self.vm_max_pu))
        ]

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

    def _set_taps(self, tap_pos: int | None) -> None:
        trafo = self.net.trafo
        steps = column(trafo, "tap_step_percent", 0.0)
        # pandapower 3 ignores the tap of a transformer whose type is not set (SimBench).
        if "tap_changer_type" not in trafo:
            trafo["tap_changer_type"] = None
        kinds = trafo["tap_changer_type"].astype(object)
        unset = kinds.isna() | kinds.isin(["", "None"])
        trafo["tap_changer_type"] = kinds.mask(unset & (steps != 0), "Ratio")
        trafo["tap_pos"] = trafo["tap_pos"].astype(float)
        tops = column(trafo, "vn_hv_kv", 0.0)
        moves = trafo["in_service"].to_numpy(dtype=bool) & (steps != 0)
        moves &= ~np.isnan(column(trafo, "tap_min", np.nan) + column(trafo, "tap_max", np.nan))
        self.regulated = np.flatnonzero(moves & (tops == tops[moves].max(initial=0.0)))
        self.tap_min = self.tap_max = self.tap_pos = 0
        if self.regulated.size:
            self._set_tap_range(trafo.iloc[self.regulated], tap_pos)
        elif tap_pos:
            self._problems.append(self._tap_range(tap_pos))

    def _set_tap_range(self, trafo: pd.DataFrame, tap_pos: int | None) -> None:
        neutral = trafo["tap_neutral"].fillna(0.0)
        present = trafo["tap_pos"].astype(float).fillna(neutral)
        self.tap_min, self.tap_max = int(trafo["tap_min"].max()), int(trafo["tap_max"].min())
        self.tap_pos = int(present.iloc[0]) if tap_pos is None else tap_pos
        if tap_pos is None and present.nunique() > 1:
            self._problems.append(
                f"the transformers at the substation differ in tap_pos ({present.to_list()}); "
                "set one tap position"
            )
        elif not self.tap_min <= self.tap_pos <= self.tap_max:
            self._problems.append(self._tap_range(self.tap_pos))
        else:
            self.set_tap(self.net, self.tap_pos)

    def _tap_range(self, tap_pos: int) -> str:
        if not self.regulated.size:
            return f"tap position {tap_pos}: no transformer with a tap changer; use 0"
        return f"tap position {tap_pos} is outside {self.tap_min} .. {self.tap_max}"


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
    try:
        net = pp.from_json(str(path))
    except Exception as error:
        raise InputError([f"{path} cannot be read as a pandapower network: {error}"]) from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError([f"{path} holds no pandapower network; write one with pp.to_json"])
    return net
