"""Pyomo models of units and neighbourhoods, and their solver."""

from quartier.optimisation.local_choice import LocalChoice
from quartier.optimisation.neighbourhood import NeighbourhoodModel, Solution

__all__ = ["LocalChoice", "NeighbourhoodModel", "Solution"]
