"""Pyomo models of units and neighbourhoods, and their solver."""
