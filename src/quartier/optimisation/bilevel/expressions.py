"""Small readers of Pyomo blocks and expressions."""

from __future__ import annotations

from typing import Any

import numpy as np

from quartier.optimisation import pyo
from quartier.optimisation.bilevel.system import Products

PSD_TOLERANCE = 1e-9


def constraints(block: Any) -> list[Any]:
    """Active constraints of a block."""
    return list(block.component_data_objects(pyo.Constraint, active=True, descend_into=True))


def objectives(block: Any) -> list[Any]:
    """Active objectives of a block."""
    return list(block.component_data_objects(pyo.Objective, active=True, descend_into=True))


def shown_products(repn: Any) -> str:
    """The products in an expression, for a message; empty if there are none."""
    pairs = [f"{v.name}·{w.name}" for v, w in repn.quadratic_vars or ()]
    return f" (it holds {', '.join(pairs)})" if pairs else ""


def is_convex(hessian: Products) -> bool:
    """Whether `Σ H_ij v_i v_j` is convex."""
    places = {k: n for n, k in enumerate(sorted({k for pair in hessian for k in pair}))}
    dense = np.zeros((len(places), len(places)))
    for (i, j), h in hessian.items():
        dense[places[i], places[j]] += h
        dense[places[j], places[i]] += h
    return bool(np.linalg.eigvalsh(dense).min() >= -PSD_TOLERANCE * max(1.0, np.abs(dense).max()))
