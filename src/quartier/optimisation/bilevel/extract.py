"""From Pyomo blocks to a `System`, with every modelling error named and collected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from quartier.errors import InputError
from quartier.optimisation import pyo
from quartier.optimisation.bilevel.expressions import (
    constraints,
    is_convex,
    objectives,
    shown_products,
)
from quartier.optimisation.bilevel.follower import Follower, members
from quartier.optimisation.bilevel.integer_rules import has_integers, problems_of
from quartier.optimisation.bilevel.program import Program, Row
from quartier.optimisation.bilevel.system import FollowerForm, Hint, System

SOURCE = "the bi-level problem"


def extract(model: Any, followers: Sequence[Follower]) -> System:
    """Read leader and followers.

    Raises
    ------
    InputError
        With one sentence per problem found: a nonlinear constraint, a variable that two followers
        claim, a missing objective...
    """
    return _Extraction(model, followers).system()


class _Extraction:
    """Collects columns, rows and problems while it walks through the model."""

    def __init__(self, model: Any, followers: Sequence[Follower]) -> None:
        self.model, self.followers = model, followers
        self.problems: list[str] = []
        self.leader = Program()
        self.variables: list[Any] = []
        self.index: dict[int, int] = {}
        self.owner: dict[int, str] = {}

    def system(self) -> System:
        """Read everything, then raise once if anything is wrong."""
        if not self.followers:
            self.problems.append("there is no follower; a bi-level problem needs at least one")
        names = [follower.name for follower in self.followers]
        self.problems += [f"two followers are called '{n}'" for n in {*names} if names.count(n) > 1]
        for follower in self.followers:
            self._claim(follower)
        read = [self._read(follower) for follower in self.followers]
        self._leader_rows()
        sign, products = self._leader_objective()
        size = len(self.leader)
        forms = [FollowerForm.of(*parts, size=size) for parts in read]
        self.problems += problems_of(self.leader, forms)
        if (
            products
            and not is_convex(products)
            and any(has_integers(self.leader, f) for f in forms)
        ):
            self.problems.append(
                "the leader's objective holds products that are not convex; beside a follower with "
                "integer variables it must be linear or convex"
            )
        self._unsupported()
        if self.problems:
            raise InputError(self.problems, SOURCE)
        return System(self.leader, products, tuple(forms), sign, self.variables)

    def column(self, variable: Any) -> int:
        """Index of a variable, added when it is first met."""
        if id(variable) not in self.index:
            lower, upper = variable.bounds
            self.index[id(variable)] = self.leader.column(
                variable.name,
                -inf if lower is None else float(lower),
                inf if upper is None else float(upper),
                integer=not variable.is_continuous(),
            )
            self.variables.append(variable)
        return self.index[id(variable)]

    # -- followers -------------------------------------------------------------------------

    def _claim(self, follower: Follower) -> None:
        if not follower.block.active:
            self.problems.append(f"follower '{follower.name}': its block is not active")
        if not follower.variables():
            self.problems.append(f"follower '{follower.name}' has no free variable of its own")
        for variable in follower.variables():
            k = self.column(variable)
            if k in self.owner:
                self.problems.append(
                    f"variable '{variable.name}' belongs to followers '{self.owner[k]}' and "
                    f"'{follower.name}'; it can belong to one"
                )
            self.owner[k] = follower.name

    def _read(self, follower: Follower) -> tuple[Any, ...]:
        """What a follower's form is made of."""
        own = tuple(k for k, name in self.owner.items() if name == follower.name)
        rows: list[Row] = []
        entries: dict[int, int] = {}
        for constraint in constraints(follower.block):
            row = self._row(constraint, follower.name, frozenset(own))
            if row is not None:
                entries[id(constraint)] = len(rows)
                rows.append(row)
        entries |= {id(self.variables[k]): len(rows) + place for place, k in enumerate(own)}
        cost, products = self._cost(follower, frozenset(own))
        return follower.name, own, rows, cost, products, self._hints(follower, entries)

    def _row(self, constraint: Any, who: str, own: frozenset[int]) -> Row | None:
        """A constraint as a row; `own` is empty for the leader."""
        where = f"follower '{who}': constraint" if own else "constraint"
        repn = pyo.generate_standard_repn(constraint.body, quadratic=True)
        if repn.nonlinear_expr is not None or repn.quadratic_vars:
            self.problems.append(
                f"{where} '{constraint.name}' is not linear{shown_products(repn)}; "
                "only constraints that are linear in all variables can be handled"
            )
            return None
        coefs = self._linear(repn)
        shift = float(pyo.value(repn.constant))
        lower = -inf if constraint.lower is None else float(pyo.value(constraint.lower)) - shift
        upper = inf if constraint.upper is None else float(pyo.value(constraint.upper)) - shift
        if own:
            self._check_others(coefs, f"{where} '{constraint.name}'", own)
        if not coefs:
            if lower > 1e-9 or upper < -1e-9:
                self.problems.append(f"{where} '{constraint.name}' can never hold")
            return None
        return Row(constraint.name, coefs, lower, upper)

    def _check_others(self, columns: Iterable[int], where: str, own: frozenset[int]) -> None:
        for k in columns:
            if k not in own and k in self.owner:
                self.problems.append(
                    f"{where} uses '{self.leader.names[k]}' of follower '{self.owner[k]}'; "
                    "followers that see each other play a Nash game, which is not supported"
                )

    def _cost(self, follower: Follower, own: frozenset[int]) -> tuple[Any, Any]:
        where = f"follower '{follower.name}'"
        objective = self._one_objective(objectives(follower.block), where)
        if objective is None:
            return {}, {}
        sign = 1.0 if objective.sense == pyo.minimize else -1.0
        repn = pyo.generate_standard_repn(objective.expr, quadratic=True)
        if repn.nonlinear_expr is not None:
            self.problems.append(
                f"{where}: objective '{objective.name}' is neither linear nor quadratic"
            )
            return {}, {}
        linear = self._linear(repn)
        products = self._products(repn)
        seen = [*linear, *(k for pair in products for k in pair)]
        self._check_others(seen, f"{where}: objective '{objective.name}'", own)
        cost = {k: sign * c for k, c in linear.items() if k in own}
        products = {pair: sign * c for pair, c in products.items() if not own.isdisjoint(pair)}
        hessian = {pair: c for pair, c in products.items() if own.issuperset(pair)}
        if hessian and not is_convex(hessian):
            self.problems.append(
                f"{where}: objective '{objective.name}' is not convex in the follower's variables"
            )
        return cost, products

    def _hints(self, follower: Follower, entries: dict[int, int]) -> dict[int, Hint]:
        found: dict[int, Hint] = {}
        for component, hint in follower.hints:
            for member in members(component):
                if id(member) in entries:
                    found[entries[id(member)]] = hint
                else:
                    self.problems.append(
                        f"follower '{follower.name}': the hint for '{member.name}' fits neither "
                        "one of its constraints nor one of its variables"
                    )
        return found

    # -- leader ----------------------------------------------------------------------------

    def _leader_rows(self) -> None:
        theirs = {id(c) for f in self.followers for c in constraints(f.block)}
        for constraint in constraints(self.model):
            if id(constraint) not in theirs:
                row = self._row(constraint, "", frozenset())
                if row is not None:
                    self.leader.rows.append(row)

    def _leader_objective(self) -> tuple[int, dict[tuple[int, int], float]]:
        theirs = {id(o) for f in self.followers for o in objectives(f.block)}
        own = [o for o in objectives(self.model) if id(o) not in theirs]
        objective = self._one_objective(own, "the leader")
        if objective is None:
            return 1, {}
        sign = 1 if objective.sense == pyo.minimize else -1
        repn = pyo.generate_standard_repn(objective.expr, quadratic=True)
        if repn.nonlinear_expr is not None:
            self.problems.append(f"the leader's objective '{objective.name}' is not linear")
            return sign, {}
        self.leader.offset = sign * float(pyo.value(repn.constant))
        self.leader.cost = {k: sign * c for k, c in self._linear(repn).items()}
        return sign, {pair: sign * c for pair, c in self._products(repn).items()}

    def _unsupported(self) -> None:
        for sos in self.model.component_data_objects(pyo.SOSConstraint, active=True):
            self.problems.append(f"'{sos.name}' is an SOS constraint, which HiGHS does not know")

    # -- shared ----------------------------------------------------------------------------

    def _one_objective(self, found: list[Any], where: str) -> Any:
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"'{o.name}'" for o in found) or "none"
        self.problems.append(f"{where} needs exactly one active objective, found {names}")
        return None

    def _linear(self, repn: Any) -> dict[int, float]:
        coefs: dict[int, float] = {}
        for c, v in zip(repn.linear_coefs, repn.linear_vars, strict=True):
            coefs[self.column(v)] = float(pyo.value(c))
        return {k: c for k, c in coefs.items() if c != 0.0}

    def _products(self, repn: Any) -> dict[tuple[int, int], float]:
        found: dict[tuple[int, int], float] = {}
        for c, (v, w) in zip(repn.quadratic_coefs, repn.quadratic_vars, strict=True):
            i, j = sorted((self.column(v), self.column(w)))
            found[i, j] = found.get((i, j), 0.0) + float(pyo.value(c))
        return {pair: c for pair, c in found.items() if c != 0.0}
