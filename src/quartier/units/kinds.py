"""Kinds of units by name, and those of the user's own."""

from __future__ import annotations

from functools import cache

from quartier.errors import InputError
from quartier.own_code import named
from quartier.units.base import ELECTRICITY, UnitKind, UnitParameters


class Kinds(dict[str, UnitKind]):
    """Kinds by name; a name ``module:Class`` stands for a kind of the user's own.

    Iterating gives the kinds that Quartier ships.
    """

    def __missing__(self, name: str) -> UnitKind:
        if not is_own(name):
            raise KeyError(name)
        return own_kind(name)


def kind_of(name: str) -> UnitKind:
    """Return the kind that a table names; a plain one where it cannot be found any more."""
    from quartier.units import KINDS

    try:
        return KINDS[name]
    except (KeyError, InputError):
        return UnitKind()


def is_own(name: object) -> bool:
    """Whether a kind's name is written ``module:Class``."""
    return isinstance(name, str) and ":" in name


@cache
def own_kind(name: str) -> UnitKind:
    """Return the kind behind ``module:Class``, one object for all its units.

    Raises
    ------
    InputError
        If it cannot be imported, or is no kind of unit.
    """
    what = f"kind {name!r}"
    found = named(name, what)
    if not (isinstance(found, type) and issubclass(found, UnitKind)):
        raise InputError([f"{what}: is no class derived from quartier.units.base.UnitKind"])
    parameters = getattr(found, "Parameters", None)
    if not (isinstance(parameters, type) and issubclass(parameters, UnitParameters)):
        raise InputError(
            [f"{what}: its class needs Parameters, derived from quartier.units.base.UnitParameters"]
        )
    kind = found()
    if kind.command not in {None, ELECTRICITY, *kind.carriers}:
        known = ", ".join((ELECTRICITY, *kind.carriers))
        raise InputError(
            [f"{what}: its command is {kind.command!r}, which is none of its carriers: {known}"]
        )
    return kind
