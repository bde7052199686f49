"""The distribution grid: network data and power flow.

`simbench` or a file gives the tables (`tables`), `net_checks` finds what is wrong with them,
`network` keeps them without injections, with the tap changers that move (`tap_changers`).
`power_flow` solves many steps at once on its `admittance`, `sensitivities` differentiates it,
`recycled` solves step by step with pandapower; `limits` counts violations.
"""
