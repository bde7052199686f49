"""The player's problem: prices that earn the most, as neighbourhoods answer them (M10; seed 002).

No price of the player stands in a neighbourhood's rows. So what it earns, ``Σ π x_n``, is by
strong duality ``Σ (b ψ_n - c x_n)``, linear; the bi-level layer finds that by itself. Optimality
needs binaries. Where all have the same prices, and some carriers are balanced among them, they
answer like one follower that keeps the balance: its multipliers are the prices of these carriers.
To buy what lacks at the cap and be paid the floor for what is left holds them within both, and the
player sees to it that neither is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from quartier.centralised.pricing.lean import PROOF, lean
from quartier.errors import InputError, SolveFailed
from quartier.optimisation import NeighbourhoodModel, pyo
from quartier.optimisation.bilevel import BilevelProblem, BilevelResult, Follower, Status
from quartier.optimisation.bilevel.bounds import MissingBound
from quartier.problem import Pricing
from quartier.program import Answer, relative_gap
from quartier.quantities import ELECTRICITY, Array
from quartier.scenario.settings import OptimisationSettings
from quartier.units.balance import by_node


class Game:
    """The bi-level problem of a player and neighbourhoods that are at prices of 0.

    Parameters
    ----------
    pricing, models
        What the player knows, and programs of the neighbourhoods by name.
    """

    def __init__(self, pricing: Pricing, models: Mapping[str, NeighbourhoodModel]) -> None:
        self.pricing, self.names = pricing, list(models)
        self.steps = range(pricing.steps)
        self.is_pooled = pricing.mode == "uniform" and bool(pricing.balanced)
        self.model = pyo.ConcreteModel(name="pricing")
        self._add_prices()
        self._home = self.model
        if self.is_pooled:
            self._home = self.model.all = pyo.Block()
        self._limits: list[list[tuple[Any, float]]] = []
        self.drawn: dict[tuple[str, str], list[Any]] = {}
        self._blocks = [self._declared(k, model) for k, model in enumerate(models.values())]
        self._add_made_up()
        self._add_market()
        self.followers = list(self._followers())

    def _add_prices(self) -> None:
        """A price by carrier, group and step; none of what one follower balances."""
        carriers = self.pricing.carriers
        set_ = [c for c in carriers if not (self.is_pooled and carriers[c].is_balanced)]
        groups = self.names if self.pricing.mode == "individual" else [""]
        self.model.price = pyo.Var(
            set_,
            groups,
            self.steps,
            bounds=lambda _, c, g, t: (
                float(carriers[c].floor_eur_per_kwh[t]),
                float(carriers[c].cap_eur_per_kwh[t]),
            ),
        )

    def price(self, carrier: str, name: str, t: int) -> Any:
        """Price of a carrier for a neighbourhood: a variable, or 0 where a multiplier is it."""
        if self.is_pooled and self.pricing.carriers[carrier].is_balanced:
            return 0.0
        group = name if self.pricing.mode == "individual" else ""
        return self.model.price[carrier, group, t]

    def _declared(self, k: int, one: NeighbourhoodModel) -> Any:
        block, name = one.declared(one.problem.terms), one.problem.name
        self._home.add_component(f"neighbourhood_{k}", block)
        self._limits.append(lean(block, one.problem))
        for carrier in self.pricing.carriers:
            self.drawn[carrier, name] = drawn = list(_drawn(block, one, carrier, self.steps))
            paid = sum(
                self.pricing.bill_eur(self.price(carrier, name, t), drawn[t]) for t in self.steps
            )
            block.cost_eur.set_value(block.cost_eur.expr + paid)
        return block

    def _total(self, carrier: str, t: int) -> Any:
        return sum(self.drawn[carrier, name][t] for name in self.names)

    def _add_made_up(self) -> None:
        """What one follower could buy at the cap and sell at the floor, which the player prevents.

        An answer without either is best exactly if a price within floor and cap clears it.
        """
        if not self.is_pooled:
            return
        home, balanced = self._home, self.pricing.balanced
        home.lacking_kw = pyo.Var(balanced, self.steps, bounds=(0.0, None))
        home.left_kw = pyo.Var(balanced, self.steps, bounds=(0.0, None))
        for name in ("lacking", "left"):
            variables = home.component(f"{name}_kw")
            nothing = pyo.Constraint(
                balanced, self.steps, rule=lambda _, c, t, x=variables: x[c, t] == 0.0
            )
            self.model.add_component(f"nothing_{name}", nothing)

    def _made_up(self, carrier: str, t: int) -> Any:
        if not self.is_pooled:
            return 0.0
        return self._home.lacking_kw[carrier, t] - self._home.left_kw[carrier, t]

    def _made_up_eur(self) -> Any:
        """What one follower would pay for that."""
        paid: Any = 0.0
        for carrier in self.pricing.balanced:
            priced = self.pricing.carriers[carrier]
            for t in self.steps:
                asked, given = priced.cap_eur_per_kwh[t], priced.floor_eur_per_kwh[t]
                paid += self.pricing.bill_eur(float(asked), self._home.lacking_kw[carrier, t])
                paid -= self.pricing.bill_eur(float(given), self._home.left_kw[carrier, t])
        return paid

    def _add_market(self) -> None:
        """Balances and contract limits; what the player earns."""
        home = self._home
        for carrier, priced in self.pricing.carriers.items():
            if priced.is_balanced:
                rows = pyo.Constraint(
                    self.steps,
                    rule=lambda _, t, c=carrier: self._total(c, t) == self._made_up(c, t),
                )
                home.add_component(f"balance_{carrier}", rows)
            elif priced.is_limited:
                limits = pyo.Constraint(
                    self.steps,
                    rule=lambda _, t, c=carrier, p=priced: pyo.inequality(
                        _finite(-p.most_sold_kw), self._total(c, t), _finite(p.most_bought_kw)
                    ),
                )
                self.model.add_component(f"contract_{carrier}", limits)
        earned: Any = 0.0
        for carrier, priced in self.pricing.carriers.items():
            market = priced.wholesale_eur_per_kwh
            for t in self.steps:
                if market is not None:
                    paid = self.pricing.bill_eur(float(market[t]), self._total(carrier, t))
                    earned = earned - paid
                for name in self.names:
                    price = self.price(carrier, name, t)
                    earned = earned + self.pricing.bill_eur(price, self.drawn[carrier, name][t])
        self.model.profit_eur = pyo.Objective(expr=earned, sense=pyo.maximize)

    def _followers(self) -> Iterator[Follower]:
        if not self.is_pooled:
            for name, block, limits in zip(self.names, self._blocks, self._limits, strict=True):
                follower = _limited(Follower(block, name=name), limits)
                if follower.variables():
                    yield follower
                else:  # what it draws is given: it has no answer
                    block.cost_eur.deactivate()
            return
        for block in self._blocks:
            block.cost_eur.deactivate()
        cost = sum(b.cost_eur.expr for b in self._blocks) + self._made_up_eur()
        self._home.cost_eur = pyo.Objective(expr=cost)
        pooled = Follower(self._home, name="all neighbourhoods")
        for variables in (self._home.lacking_kw, self._home.left_kw):
            pooled.hint(variables, slack=0.0, proof="the player sees to it that it is nothing")
        yield _limited(pooled, [limit for limits in self._limits for limit in limits])

    def solve(self, settings: OptimisationSettings) -> BilevelResult:
        """Solve; the values are loaded.

        Raises
        ------
        SolveFailed
            If no certified prices were found; it says what to change.
        """
        problem = BilevelProblem(self.model, self.followers)
        try:
            result = problem.solve("kkt", gap=settings.gap, time_limit=settings.time_limit_s)
        except MissingBound as error:
            raise SolveFailed(
                "the player's problem", "not found", str(error.problems[0])
            ) from error
        except InputError as error:
            hint = "Can units make enough of every carrier without a market, at any time?"
            raise SolveFailed(
                "the player's problem", "infeasible", f"{error.problems[0]}. {hint}"
            ) from error
        if not result.has_solution:
            raise SolveFailed("the player's problem", result.status.value, _hint(result))
        return result

    def answer(self, result: BilevelResult) -> Answer:
        """What the layer says, as the negative of what is earned."""
        bound = -np.inf if result.bound is None else -result.bound
        objective = np.inf if result.objective is None else -result.objective
        return Answer(
            np.zeros(0), result.status.value, objective, bound, wall_s=result.wall_s, found=True
        )

    def row(self, result: BilevelResult, most_eur: float) -> dict[str, Any]:
        """Row of the table ``solves``: profit, its proven bound, and the followers' certificate.

        Parameters
        ----------
        most_eur
            What can be earned at most, as is known otherwise.
        """
        worst = max(result.follower_suboptimality.values(), default=0.0)
        bound, gap = result.bound, result.gap
        if result.objective is not None and (bound is None or most_eur < bound):
            bound, gap = most_eur, relative_gap(-result.objective, -most_eur)
        return {
            "problem": "bilevel",
            "status": result.status.value,
            "objective": result.objective,
            "bound": bound,
            "gap": gap,
            "follower_suboptimality": worst,
            "wall_s": result.wall_s,
        }

    def prices(self) -> dict[tuple[str, str], Array]:
        """Prices that were found, without those that are multipliers."""
        return {
            (c, name): np.array([_value(self.price(c, name, t)) for t in self.steps])
            for c, priced in self.pricing.carriers.items()
            for name in self.names
            if not (self.is_pooled and priced.is_balanced)
        }


def _hint(result: BilevelResult) -> str:
    if result.status is Status.INFEASIBLE:
        return (
            "No prices between floors and caps clear every exchange and keep every contract"
            f" ({result.reason}). Widen them. Can units make enough of every carrier without a"
            " market, at any time?"
        )
    return f"{result.reason} Take a longer optimisation.time_limit_s, or fewer units.".strip()


def _value(price: Any) -> float:
    """Value of a price; of one that nobody pays, its cap."""
    return float(price.ub if price.value is None else price.value)


def _limited(follower: Follower, limits: Sequence[tuple[Any, float]]) -> Follower:
    """A follower that knows how far its variables without an upper bound reach."""
    for variable, most in limits:
        follower.hint(variable, slack=most, proof=PROOF)
    return follower


def _drawn(block: Any, one: NeighbourhoodModel, carrier: str, steps: range) -> Iterator[Any]:
    """What a neighbourhood draws as metered outside, by step."""
    kept, nodes = one.problem.efficiency, [node for node, _ in by_node(one.problem.units)]
    for t in steps:
        drawn: Any = 0.0
        if carrier == ELECTRICITY:
            connection = block.connection
            drawn = connection.imported_kw[t] / kept - kept * connection.exported_kw[t]
        for node in nodes:
            if node.carrier == carrier:
                place = block.component(f"node_{node.name}")
                drawn = drawn + (place.bought_kw[t] if node.buy else 0.0)
                drawn = drawn - (place.sold_kw[t] if node.sell else 0.0)
        yield drawn


def _finite(limit: float) -> float | None:
    return limit if np.isfinite(limit) else None
