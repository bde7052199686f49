"""Neighbourhoods whose power is balanced together with what others supply (M8, M9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from quartier.problem.coupling import Coupling
from quartier.problem.supply import Supply
from quartier.quantities import ELECTRICITY, Array


class Pooling(Coupling):
    """A coupling by one balance a step: what neighbourhoods draw together, others supply."""

    dt_h: float

    @property
    def supply(self) -> Supply:
        """What others ask and pay."""
        raise NotImplementedError

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose each block of the supply is."""
        raise NotImplementedError

    @property
    def asked(self) -> Mapping[str, Supply]:
        """Blocks of those that are agents of their own, and known to nobody else, by name."""
        return {}

    @property
    def public(self) -> tuple[tuple[str, ...], Supply]:
        """Whose each block is that everybody knows, and these blocks."""
        return self.owners, self.supply

    @property
    def inside_fee_eur_per_kwh(self) -> Array:
        """Fee on what a neighbourhood draws, shape ``(T,)``."""
        raise NotImplementedError

    @property
    def places(self) -> tuple[str, ...]:
        """What has a price besides neighbourhoods, by name."""
        return ()

    def prices(
        self, names: Iterable[str], price_eur_per_kwh: Array
    ) -> dict[tuple[str, str], Array]:
        """What a price of every balance is to neighbourhoods, as a plan says it."""
        seen = self.supply.seen
        every = (*names, *self.places)
        return {(ELECTRICITY, name): seen(name, price_eur_per_kwh) for name in every}
