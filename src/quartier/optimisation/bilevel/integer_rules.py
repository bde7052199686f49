"""What followers with integer variables must be like to be solved (module `integers`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.system import FollowerForm, is_finite


def has_integers(leader: Program, form: FollowerForm) -> bool:
    """Whether a follower has integer variables of its own."""
    return any(leader.integer[k] for k in form.columns.tolist())


def problems_of(leader: Program, forms: Sequence[FollowerForm]) -> Iterator[str]:
    """What stands against solving a problem with such followers; nothing if there is none."""
    if any(has_integers(leader, form) for form in forms):
        for form in forms:
            yield from _problems(leader, form)


def _problems(leader: Program, form: FollowerForm) -> Iterator[str]:
    name = next((leader.names[k] for k in form.columns.tolist() if leader.integer[k]), "")
    who = f"follower '{form.name}'" + (f": variable '{name}' is integer" if name else "")
    if not form.is_linear:
        yield f"{who}; its objective must be linear where a follower has integer variables"
    for k in sorted(form.leader_columns_in_rows):
        if not leader.integer[k]:
            yield (
                f"{who}; leader's variable '{leader.names[k]}' in its constraints must then be "
                "integer, too, for else the optimum need not be attained"
            )
    for j, k, _ in form.priced():
        if not (leader.integer[k] or leader.integer[j]):
            yield (
                f"{who}; of '{leader.names[k]}' times '{leader.names[j]}' in its objective one "
                "factor must be integer"
            )


def unbounded(program: Program, forms: Sequence[FollowerForm]) -> Iterator[str]:
    """Leader's variables and factors in products that need bounds and have none, by name."""
    for form in forms:
        priced = {column for j, k, _ in form.priced() for column in (j, k)}
        for k in sorted(form.leader_columns_in_rows | priced):
            if not (is_finite(program.lower[k]) and is_finite(program.upper[k])):
                name = program.names[k]
                yield f"follower '{form.name}' has integers beside '{name}', which needs bounds"
