"""Strong duality of an LP follower: `c·y + Σ C_kj x_k y_j <= Σ_s μ_s (b_s - d_s·x)`.

Weak duality gives the converse, so the inequality is enough. Products of a leader's variable with
y or μ are linearised: exactly for discrete leader's variables, else relaxed to a valid cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from quartier.errors import InputError
from quartier.optimisation.bilevel.products import Envelopes
from quartier.optimisation.bilevel.program import Row
from quartier.optimisation.bilevel.sides import Side
from quartier.optimisation.bilevel.system import FollowerForm

Linearise = Callable[[int, int, str], Mapping[int, float] | None]


def duality_row(
    form: FollowerForm,
    sides: Sequence[Side],
    multipliers: Mapping[int, int],
    envelopes: Envelopes,
) -> Row | None:
    """Valid cut: strong duality with relaxed products; None where a factor is unbounded.

    For a QP `yᵀHy >= 0` is dropped from the left, which relaxes further.
    """

    def relaxed(u: int, v: int, where: str) -> dict[int, float] | None:
        w = envelopes.relaxed(u, v)
        return None if w is None else {w: 1.0}

    return _row(form, sides, multipliers, relaxed)


def exact_duality_row(
    form: FollowerForm,
    sides: Sequence[Side],
    multipliers: Mapping[int, int],
    envelopes: Envelopes,
) -> Row:
    """Strong duality where it linearises exactly.

    Raises
    ------
    InputError
        If a leader's variable that is not discrete and bounded meets y or μ, or if that y or μ is
        unbounded; the message names constraint and variable.
    """
    problems: list[str] = []

    def exact(u: int, v: int, where: str) -> dict[int, float] | None:
        terms = envelopes.exact(u, v)
        if terms is None:
            names = envelopes.program.names
            problems.append(
                f"follower '{form.name}': strong duality multiplies leader's variable '{names[u]}' "
                f"with {where}; that is exact only for a bounded binary or integer variable and a "
                "bounded factor: use 'kkt' or 'kkt+cut'"
            )
        return terms or {}

    row = _row(form, sides, multipliers, exact)
    if problems or row is None:
        raise InputError(problems, "reformulation 'strong-duality'")
    return row


def _row(
    form: FollowerForm,
    sides: Sequence[Side],
    multipliers: Mapping[int, int],
    linearise: Linearise,
) -> Row | None:
    coefs = dict(form.cost)
    for (k, j), c in form.prices.items():
        if not _add(coefs, c, linearise(k, j, "a variable in its objective")):
            return None
    for s, k, d in leader_terms(form, sides):
        where = f"the dual of constraint '{sides[s].name}'"
        if not _add(coefs, d, linearise(k, multipliers[s], where)):
            return None
    for s, side in enumerate(sides):
        _add(coefs, -side.rhs, {multipliers[s]: 1.0})
    return Row(f"strong duality of {form.name}", coefs, upper=0.0)


def leader_terms(form: FollowerForm, sides: Sequence[Side]) -> Iterator[tuple[int, int, float]]:
    """Every leader's variable in a side: (position of the side, leader's column, coefficient)."""
    own = set(form.columns)
    for s, side in enumerate(sides):
        for k, d in side.coefs.items():
            if k not in own:
                yield s, k, d


def _add(coefs: dict[int, float], factor: float, terms: Mapping[int, float] | None) -> bool:
    if terms is None:
        return False
    for k, a in terms.items():
        coefs[k] = coefs.get(k, 0.0) + factor * a
    return True
