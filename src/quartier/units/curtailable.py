"""What PV, wind and other plants share: available power that can be curtailed (M1).

``0 <= p <= available``. A planner inside a neighbourhood leaves them at their available power;
what is curtailed is decided at the connection point (M3, L0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from quartier.quantities import Array
from quartier.units.base import ELECTRICITY, Control, Flow, Quantity, UnitKind, Values


class CurtailableKind(UnitKind):
    """Feeds in what is available, or less where a set point says so; burns nothing."""

    controls = (Control("p_kw"),)
    command = ELECTRICITY
    curtailable = True
    renewable = True

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Power as controlled; reactive power is a series of its own, if there is any."""
        return Flow({ELECTRICITY: x["p_kw"]}, q_kvar=s.get("q_kvar", 0.0))

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Between nothing and all that is available."""
        return {"p_kw": (0.0, s["available_kw"])}

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Keep to the set point as a ceiling."""
        return {"p_kw": np.clip(set_point_kw, 0.0, s["available_kw"])}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Feed in all that is available."""
        return np.asarray(s["available_kw"], dtype=float)
