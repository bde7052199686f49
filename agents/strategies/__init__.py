"""Coordination mechanisms that agents carry out, one file each.

`cohda` runs a gate's society of agents, `mo_cohda` the same with other memories, `uncontrolled`
plans nothing; `records` turns what happened into rows of the run folder's tables.
"""
