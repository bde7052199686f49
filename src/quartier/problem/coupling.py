"""What every coupling of neighbourhoods says of itself."""

from __future__ import annotations

from typing import ClassVar


class Coupling:
    """What couples neighbourhoods, and what their coordinator knows of a planning window.

    A coupling is one file of this package: a frozen dataclass of what the coordinator knows, the
    coordinator's cost as functions that mechanisms and KPIs read alike, and these declarations.
    """

    kind: ClassVar[str]
    """Its name in a scenario: ``problem: <kind>``."""
    coordinator: ClassVar[str]
    """Who settles the prices of a plan; of two words, so that no neighbourhood is called so."""
    answers: ClassVar[frozenset[str]]
    """Parts of a :class:`~quartier.coordination.Plan` that it has a use for, besides set points,
    prices and records, which all have."""
    tables: ClassVar[tuple[str, ...]] = ()
    """Tables that only its runs have."""
    kpis: ClassVar[tuple[str, ...]] = ()
    """KPIs that only its runs have."""

    @property
    def parts(self) -> tuple[Coupling, ...]:
        """What is asked: this, and what else comes after it."""
        return (self,)
