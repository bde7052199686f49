"""Strong duality of an LP follower, its multipliers split into those of either side.

With `multiplier = μ_low - μ_high` and both parts >= 0, the dual is worth
`Σ l μ_low - Σ u μ_high - Σ ν_i (D x)_i`, and strong duality reads

    c·y + Σ C_kj x_k y_j + Σ ν_i (D x)_i <= Σ l μ_low - Σ u μ_high.

Weak duality gives the converse, so the inequality is enough. Products of a leader's variable with
y or ν are linearised: exactly for discrete leader's variables, else relaxed to a valid cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import sparse

from quartier.errors import InputError
from quartier.optimisation.bilevel.kkt import Conditions, side_name
from quartier.optimisation.bilevel.products import Envelopes
from quartier.optimisation.bilevel.program import Row
from quartier.optimisation.bilevel.system import Ends, FollowerForm
from quartier.program import Block, Indices
from quartier.quantities import Array

Linearise = Callable[[int, int, str], Mapping[int, float] | None]


class Split:
    """A follower's multipliers in two parts, over `[v | ν | μ_low | μ_high]`.

    Attributes
    ----------
    low, high
        Entries that have such a part.
    block
        Rows `multiplier - μ_low + μ_high = 0`; what is equal or fixed needs no part.
    worth, constant
        What the dual is worth without `Σ ν_i (D x)_i`, by column and besides.
    """

    def __init__(self, conditions: Conditions) -> None:
        bounds, rows = conditions.bounds, conditions.rows
        matrix, constant = conditions.multipliers
        equal, size = bounds.equal, constant.size
        self.bounds = bounds
        self.low: Indices = np.flatnonzero(np.isfinite(bounds.low) & ~equal)
        self.high: Indices = np.flatnonzero(np.isfinite(bounds.high) & ~equal)
        split = [
            sparse.csr_array((sign * np.ones(k.size), (k, np.arange(k.size))), (size, k.size))
            for k, sign in ((self.low, -1.0), (self.high, 1.0))
        ]
        body = sparse.csr_array(sparse.hstack([matrix, *split]))[~equal]
        self.block: Block = body, -constant[~equal], -constant[~equal]
        fixed = equal & (np.arange(size) >= rows)
        at = np.where(equal, bounds.low, 0.0)  # equal rows: ν itself; fixed columns: what is left
        self.worth: Array = np.concatenate([matrix.T @ at, bounds.low[self.low]])
        self.worth = np.append(self.worth, -bounds.high[self.high])
        self.constant = float(at[fixed] @ constant[fixed])

    def bounds_of_parts(self) -> Ends:
        """Bounds of the columns μ."""
        most = np.append(self.bounds.most[self.low], -self.bounds.least[self.high])
        return np.zeros(most.size), np.maximum(most, 0.0)

    def names_of_parts(self, entries: Sequence[str]) -> list[str]:
        """Names of the columns μ; `entries` are those of the entries."""
        low = [f"dual of {side_name(entries[e], 1)}" for e in self.low]
        return low + [f"dual of {side_name(entries[e], -1)}" for e in self.high]


def duality_row(
    form: FollowerForm, split: Split, columns: Indices, envelopes: Envelopes
) -> Row | None:
    """Valid cut: strong duality with relaxed products; None where a factor is unbounded.

    For a QP `yᵀHy >= 0` is dropped from the left, which relaxes further.

    Parameters
    ----------
    columns
        Where the columns of `split` stand in the program of `envelopes`.
    """

    def relaxed(u: int, v: int, where: str) -> dict[int, float] | None:
        w = envelopes.relaxed(u, v)
        return None if w is None else {w: 1.0}

    return _row(form, split, columns, relaxed)


def exact_duality_row(
    form: FollowerForm, split: Split, columns: Indices, envelopes: Envelopes
) -> Row:
    """Strong duality where it linearises exactly; parameters as those of `duality_row`.

    Raises
    ------
    InputError
        If a leader's variable that is not discrete and bounded meets y or ν, or if that y or ν is
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

    row = _row(form, split, columns, exact)
    if problems or row is None:
        raise InputError(problems, "reformulation 'strong-duality'")
    return row


def _row(form: FollowerForm, split: Split, columns: Indices, linearise: Linearise) -> Row | None:
    coefs = dict(zip(form.columns.tolist(), form.cost.tolist(), strict=True))
    products = [(k, j, c, "a variable in its objective") for j, k, c in form.priced()]
    products += [
        (k, int(columns[form.is_own.size + i]), d, f"the dual of constraint '{form.row_names[i]}'")
        for i, k, d in leader_terms(form)
    ]
    for u, v, factor, where in products:
        terms = linearise(u, v, where)
        if terms is None:
            return None
        for k, a in terms.items():
            coefs[k] = coefs.get(k, 0.0) + factor * a
    for k, worth in zip(columns.tolist(), split.worth.tolist(), strict=True):
        coefs[k] = coefs.get(k, 0.0) - worth
    coefs = {k: c for k, c in coefs.items() if c}
    return Row(f"strong duality of {form.name}", coefs, upper=split.constant)


def leader_terms(form: FollowerForm) -> list[tuple[int, int, float]]:
    """Every leader's variable in a row: (row, leader's column, coefficient)."""
    rows = np.repeat(np.arange(form.row_lower.size), np.diff(form.matrix.indptr))
    entries = zip(
        rows.tolist(), form.matrix.indices.tolist(), form.matrix.data.tolist(), strict=True
    )
    return [(i, k, d) for i, k, d in entries if not form.is_own[k]]
