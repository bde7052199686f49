"""What boilers and reformers share: `fuel = out / η`, and what their node lacks, made up.

Fuel of boilers and CHPs may be a blend of gas and hydrogen: :func:`blend`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from quartier.quantities import Array
from quartier.units.base import GAS, HYDROGEN, Carrier, Control, Flow, Quantity, UnitKind, Values


def blend(fuel_kw: Quantity, hydrogen_share: Quantity) -> dict[Carrier, Quantity]:
    """Flows of what is burnt: hydrogen is a share of the energy of the fuel, gas the rest (M11)."""
    if not np.any(hydrogen_share):
        return {GAS: -fuel_kw}
    return {GAS: (hydrogen_share - 1.0) * fuel_kw, HYDROGEN: -hydrogen_share * fuel_kw}


class BurnerKind(UnitKind):
    """Balances its node: gives what is planned, and its part in what the node lacks besides.

    What is planned is what the node lacks, as long as forecasts hold; where they do not, it serves
    the demand all the same. A kind names what it gives (``gives``, ``command``, a control
    ``<carrier>_kw``) and has the parameters ``<carrier>_max_kw``, ``efficiency``,
    ``fuel_eur_per_kwh`` and ``fuel_co2_kg_per_kwh``.
    """

    takes: ClassVar[tuple[Carrier, ...]] = (GAS,)
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
        burnt = self._burnt(u, out_kw / u.efficiency)
        return Flow(
            {self.gives[0]: out_kw, **burnt},
            co2_kg=u.fuel_co2_kg_per_kwh * -burnt[GAS] * dt_h,
            cost_eur=u.fuel_eur_per_kwh * -burnt[GAS] * dt_h,
        )

    def _burnt(self, u: Any, fuel_kw: Quantity) -> dict[Carrier, Quantity]:
        return blend(fuel_kw, 0.0)

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
