"""What a grid carries besides what the simulators feed in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from quartier.grid.network import Network, load_json
from quartier.quantities import Array
from quartier.scenario.findings import Findings
from quartier.scenario.left_out import note_left_out

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Background:
    """A grid and the injections at its buses, ``(T, n_bus)``, or ``(1, n_bus)`` if constant."""

    network: Network
    p_mw: Array
    q_mvar: Array

    def at(self, first: int, steps: int) -> tuple[Array, Array]:
        """Injections of some steps (copies), shape ``(steps, n_bus)``; the last ones hold on."""
        rows = np.minimum(np.arange(first, first + steps), len(self.p_mw) - 1)
        return self.p_mw[rows], self.q_mvar[rows]


def from_file(path: Path, tap_pos: int | None = None) -> Background:
    """Read a grid, with its loads and generators as constant injections; log what is left out.

    Parameters
    ----------
    path
        pandapower JSON file.
    tap_pos
        Tap position at the start; the file's if None.
    """
    net = load_json(path)
    network, findings = Network(net, tap_pos=tap_pos), Findings()
    note_left_out(net, network.unsupplied_buses(), path.name, findings)
    for note in findings.notes:
        logger.warning("%s: %s", note.where, note.what)
    p_mw, q_mvar = (_injected(network, net.load, net.sgen, c) for c in ("p_mw", "q_mvar"))
    held = net.gen[~net.gen["slack"].astype(bool)]
    p_mw += _injected(network, held.iloc[:0], held, "p_mw")
    return Background(network, p_mw, q_mvar)


def _injected(network: Network, load: pd.DataFrame, sgen: pd.DataFrame, column: str) -> Array:
    injected = np.zeros((1, network.buses.size))
    for table, sign in ((load, -1.0), (sgen, 1.0)):
        rows = table[table["in_service"].astype(bool)]
        positions = [network.position(bus) for bus in rows["bus"]]
        power = (rows[column] * rows["scaling"]).to_numpy(dtype=float)
        np.add.at(injected[0], positions, sign * power)
    return injected
