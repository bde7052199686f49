"""The distribution grid: network data and power flow.

`simbench` or a file gives the tables (`tables`), `net_checks` finds what is wrong with them,
`network` keeps them without injections, with the tap changers that move (`tap_changers`).
`power_flow` solves many steps at once on its `admittance`, `sensitivities` differentiates it,
`engines` solves step by step, with power-grid-model or with pandapower (`recycled`); `limits`
counts violations.
"""

from typing import Literal, TypeAlias

Engine: TypeAlias = Literal["auto", "pandapower", "power-grid-model"]
"""Who solves the power flow of a step; ``auto`` is power-grid-model where it can."""
