"""The agent of a redispatchable plant outside the neighbourhoods (M5)."""

from __future__ import annotations

import numpy as np

from quartier.agents.base import QuartierAgent, hears
from quartier.agents.messages import Accepted, CallForOffers, SetCap, frozen, offer_made
from quartier.planning import Band
from quartier.quantities import Array
from quartier.units.base import UnitData


class DerAgent(QuartierAgent):
    """Offers the available power of its plant, and keeps its cap."""

    def __init__(self, plant: UnitData, q_kvar: Array, dso: str) -> None:
        super().__init__(plant.name, principal=dso)
        self.plant = plant
        self.available_kw = plant.series["available_kw"]
        self.p_max_kw: Array = np.full_like(self.available_kw, np.inf)
        self._q_kvar = q_kvar
        self._dso = dso

    @hears(CallForOffers)
    def on_call(self, call: CallForOffers, sender: str) -> None:
        """Offer what is available; all of it can be curtailed."""
        band = Band.of_plant(self.available_kw)
        self.tell(self._dso, offer_made(self.title, band, self._q_kvar))

    @hears(SetCap)
    def on_cap(self, cap: SetCap, sender: str) -> None:
        """Feed in no more than the cap from now on."""
        self.p_max_kw = cap.p_max_kw
        p_kw = frozen(np.minimum(self.available_kw, cap.p_max_kw))
        self.tell(self._dso, Accepted(self.title, cap.round, p_kw))
