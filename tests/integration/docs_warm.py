"""What commands import and compile anew each time, done once: imported before pages are run."""

from __future__ import annotations

import mango  # noqa: F401
import numpy as np
import plotly.graph_objects  # noqa: F401
import pyarrow.parquet  # noqa: F401

import quartier.agents.strategies.cohda
import quartier.centralised.bilevel
import quartier.cli
import quartier.compare
import quartier.report
import quartier.run  # noqa: F401
from quartier.grid import simbench
from quartier.grid.network import Network
from quartier.grid.power_flow import BatchPowerFlow
from quartier.grid.recycled import RecycledPowerFlow

network = Network(simbench.network("1-MV-rural--2-sw"))
nothing = np.zeros((2, len(network.buses)))
BatchPowerFlow(network).solve(nothing, nothing, 0)
flow = RecycledPowerFlow(network)
for p_mw in nothing:
    flow.step(p_mw, p_mw, 0)
