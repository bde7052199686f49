"""What boilers and reformers share: `fuel = out / η`, and what their node lacks, made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from quartier.quantities import Array
from quartier.units.base import GAS, Control, Flow, Quantity, UnitKind, Values


class BurnerKind(UnitKind):
    """Balances its node: gives what is planned, and its part in what the node lacks besides.

    What is planned is what the node lacks, as long as forecasts hold; where they do not, it serves
    the demand all the same. A kind names what it gives (``gives``, ``command``, a control
    ``<carrier>_kw``) and has the parameters ``<carrier>_max_kw``, ``efficiency``,
    ``fuel_eur_per_kwh`` and ``fuel_co2_kg_per_kwh``.
    """

    takes = (GAS,)
    priced: ClassVar[Mapping[str, tuple[str, str]]] = {
        GAS: ("fuel_eur_per_kwh", "fuel_co2_kg_per_kwh")
    }
    balances = True
    order = 7

    @property
    def _control(self) -> Control:
        (control,) = self.controls
        return control

    def _most_kw(self, u: Any) -> Quantity:
        return getattr(u, f"{self.gives[0]}_max_kw")

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """What it gives, and the fuel burnt for it."""
        out_kw = x[self._control.name]
        fuel_kw = out_kw / u.efficiency
        return Flow(
            {self.gives[0]: out_kw, GAS: -fuel_kw},
            co2_kg=u.fuel_co2_kg_per_kwh * fuel_kw * dt_h,
            cost_eur=u.fuel_eur_per_kwh * fuel_kw * dt_h,
        )

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Between nothing and the greatest."""
        return {self._control.name: (0.0, self._most_kw(u))}

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """As set, up to the greatest."""
        return {self._control.name: np.clip(set_point_kw, 0.0, self._most_kw(u))}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """What the node lacks after all others."""
        return np.asarray(s[f"{self.gives[0]}_missing_kw"], dtype=float)
