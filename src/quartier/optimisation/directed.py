"""An agent's exact choice in a direction of the objectives L1-L3 (M3): how MO-COHDA mutates (M6).

A direction has a target for the peak import and one for CO2, as in the epsilon-constraint method,
and flexibility is maximised. What lies beyond a target costs the more the further it lies beyond:
agents that answer each other one by one come to the joint optimum of a cost without kinks (Tseng
2001, Convergence of a block coordinate descent method for nondifferentiable minimization, JOTA
109), but stick where a hard limit or a greatest value binds them together, for then nobody gains
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quartier.optimisation import pyo
from quartier.optimisation.assembly import Assembly
from quartier.optimisation.bands import add_bands
from quartier.optimisation.mixed import MixedProgram, RoundedProgram
from quartier.optimisation.repair import netted
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import Quantity, UnitData
from quartier.units.convex import convexified
from quartier.units.evaluate import evaluate
from quartier.units.group import Group
from quartier.units.schedule import Schedule

PEAK_SLOPES = (0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 1.0, 3.0)
"""Marginal cost of power beyond the peak's target in a step, in ranges of the objectives, by
segment: what the peak is worth is spread over all steps that bind."""
CO2_SLOPES = (0.3, 1.0, 3.0, 10.0)
"""Marginal cost of emissions beyond their target, likewise."""
COST_WEIGHT = 1e-4
"""Weight of a EUR beside the objectives in their ranges: a choice among equals."""
PENALTY_WEIGHT = 10.0
"""Weight of a kWh that a cap forbids or that is not served: dominates all else."""
SCALE = 4096.0
"""What all costs are multiplied by: of a kW they are as small as 1e-6 in ranges, and HiGHS takes
reduced costs below 1e-7 for none. A power of two rounds nothing."""
TIES_EUR_PER_KWH = 1e-3
"""Most that controls cost besides, each a little more or less than the next, so that one choice is
best: of several equally good ones, processors and versions of a solver find different ones."""
DIGITS = 6
"""Digits of a control in kW that are kept: those that all processors find."""
NO_LIMIT = 1e6
"""A target in kW or kg that is never reached."""


@dataclass(frozen=True)
class Direction:
    """Where a choice shall lead to: targets, weights of the objectives, and how smooth it is."""

    peak_kw: float
    co2_kg: float
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Weights of what lies beyond the peak's target, of flexibility, of CO2 beyond its target."""


class DirectedChoice:
    """The schedule of one agent's units that is best in a direction.

    Parameters
    ----------
    units
        Units of one agent, ready for the planning window.
    terms
        Prices and limits at the connection point; prices decide among equals only.
    """

    def __init__(self, units: Sequence[UnitData], terms: ConnectionTerms) -> None:
        self.units = tuple(units)
        self._terms = terms
        name = f"directed choice of {units[0].agent}"
        self._assembly = DirectedAssembly(name, self.units, _dear(terms))

    def update(self, terms: ConnectionTerms) -> None:
        """Take new caps and prices in place."""
        self._terms = terms
        self._assembly.update(_dear(terms))

    def best(
        self,
        residual_kw: Array,
        curtailable_kw: Array,
        co2_kg: float,
        direction: Direction,
        width: float,
        ranges: Array,
    ) -> Schedule:
        """Return the best own schedule.

        Parameters
        ----------
        residual_kw, curtailable_kw
            Power of all others, nothing curtailed, and the renewable power in it, shape ``(T,)``.
        co2_kg
            Emissions of all others.
        width
            Width of the segments beyond the targets, as a share of the range.
        ranges
            Ranges of L1, L2, L3, shape ``(3,)``: what the objectives are weighed by.

        Raises
        ------
        SolveFailed
            If the units have no feasible schedule.
        """
        self._assembly.give(residual_kw, curtailable_kw)
        self._assembly.aim(direction, co2_kg, width, ranges)
        controls, _, _ = self._assembly.solve()
        self._assembly.keep(direction)
        kept = {
            unit: {name: x.round(DIGITS) for name, x in own.items()}
            for unit, own in controls.items()
        }
        done = netted(self.units, kept)
        return evaluate(self.units, done, self._terms.penalty_eur_per_kwh)


def _dear(terms: ConnectionTerms) -> ConnectionTerms:
    return replace(terms, penalty_eur_per_kwh=PENALTY_WEIGHT / COST_WEIGHT)


def flexibility_kw(units: Sequence[UnitData], schedule: Schedule) -> float:
    """L2 of an agent's schedule, summed over the steps, as the exact front counts it.

    CHPs count as if single steps could be switched freely (:func:`convexified`), and curtailable
    units with what is available, whatever is curtailed of it.
    """
    relaxed = [convexified(unit) for unit in units]
    if any(one is not other for one, other in zip(units, relaxed, strict=True)):
        schedule = evaluate(relaxed, schedule.controls, 0.0)
    return float((schedule.up_kw + schedule.down_kw + schedule.curtailable_kw).sum())


class DirectedAssembly(Assembly):
    """Units of one agent and their connection point, with the objectives L1-L3 before costs."""

    def __init__(self, name: str, units: Sequence[UnitData], terms: ConnectionTerms) -> None:
        super().__init__(name, units, terms, relax_binaries=False, gap=0.0)

    def _program(self) -> MixedProgram:
        self.rounded = RoundedProgram(self.name, self.compiled.arrays, self._patterns)
        self._kept: dict[Direction, Array | None] = {}
        return self.rounded

    def _extend(self) -> None:
        model, parts = self.declared.model, self.declared.parts
        steps = [int(t) for t in self.declared.steps]
        model.aims = pyo.Block()
        own = model.aims
        own.peak_kw, own.co2_kg = pyo.Var(bounds=(0.0, 0.0)), pyo.Var(bounds=(0.0, 0.0))
        own.bands, own.peak, own.co2 = pyo.Block(), pyo.Block(steps), pyo.Block()
        drawn_kw = {
            t: model.connection.imported_kw[t] - model.connection.exported_kw[t] for t in steps
        }
        short = sum(_beyond(own.peak[t], drawn_kw[t] - own.peak_kw, PEAK_SLOPES) for t in steps)
        offered = add_bands(own.bands, model, parts)
        emitted = self.declared.nodes.co2_kg + sum(
            flow.co2_kg for part in parts for flow in part.flows
        )
        self._emits = hasattr(emitted, "is_expression_type")
        beyond = _beyond(own.co2, emitted - own.co2_kg, CO2_SLOPES) if self._emits else 0.0
        own.aim = pyo.Var(range(3))
        own.rows = pyo.ConstraintList()
        for k, value in enumerate((short, -offered, beyond)):
            own.rows.add(own.aim[k] - value == 0)
        model.cost_eur.expr = COST_WEIGHT * model.cost_eur.expr + sum(own.aim.values())

    def _find_columns(self) -> None:
        super()._find_columns()
        own, index = self.declared.model.aims, self.compiled.index
        self._aim = index(own.aim.values())
        self._peak_target = index([own.peak_kw] if len(self.declared.steps) else [])
        self._co2_target = index([own.co2_kg] if self._emits else [])
        peak = [own.peak[t].beyond_kw[k] for t in own.peak for k in range(len(PEAK_SLOPES) - 1)]
        co2 = [own.co2.beyond_kw[k] for k in range(len(CO2_SLOPES) - 1)] if self._emits else []
        self._segments = [index(peak), index(co2)]
        self._binaries = self._named_binaries()
        self._ties = self._golden()
        self._paid, constant = self._cost(self.terms)
        self.program.set_cost(self._paid, constant)

    def _golden(self) -> Array:
        """Costs of the columns of controls that tell them apart: multiples of the golden ratio."""
        names = [
            (r, c.name) for r in self.readings.units.values() for c in KINDS[r.unit.kind].controls
        ]
        columns = np.concatenate([[], *(r.columns(name)[0] for r, name in names)]).astype(int)
        ties = np.zeros(self.compiled.arrays.cost.size)
        ties[columns] = np.arange(1, columns.size + 1) * ((5**0.5 - 1) / 2) % 1.0
        return TIES_EUR_PER_KWH * self.terms.dt_h * ties

    def _named_binaries(self) -> list[tuple[str, str, int]]:
        """Unit, control and step of every binary, in the order of the columns."""
        found = {}
        for part in self.declared.parts:
            for control in KINDS[part.unit.kind].controls:
                for t, value in enumerate(part.controls[control.name] if control.binary else ()):
                    if hasattr(value, "is_expression_type"):
                        found[int(self.compiled.index([value])[0])] = (
                            part.unit.name,
                            control.name,
                            t,
                        )
        return [found[column] for column in sorted(found)]

    def _cost(self, terms: ConnectionTerms) -> tuple[Array, float]:
        """The aims' own cost is set with each direction."""
        cost, constant = self.declared.cost(terms)
        weight = SCALE * COST_WEIGHT
        return weight * (cost + self._ties), weight * constant

    def aim(self, direction: Direction, co2_kg: float, width: float, ranges: Array) -> None:
        """Set targets (of own emissions that of all less the others'), weights and widths."""
        peak_kw, own_kg = min(direction.peak_kw, NO_LIMIT), min(direction.co2_kg, NO_LIMIT) - co2_kg
        self.program.set_bounds(self._peak_target, peak_kw, peak_kw)
        self.program.set_bounds(self._co2_target, own_kg, own_kg)
        for columns, range_ in zip(self._segments, ranges[[0, 2]], strict=True):
            self.program.set_bounds(columns, 0.0, width * range_)
        weights = SCALE * np.array(direction.weights) / ranges
        self.program.set_cost(weights, columns=self._aim)
        self.rounded.pattern = self._kept.get(direction)

    def keep(self, direction: Direction) -> None:
        """Remember the pattern found, to be tried again in the same direction."""
        self._kept[direction] = self.rounded.pattern

    def _patterns(self, values: Array) -> list[Array]:
        """On/off patterns near a relaxed solution, as the units themselves would carry it out.

        Set points twice as high make units start that would rather rest than run at little power.
        """
        wanted = evaluate(self.units, self.readings.controls(values), 0.0).command_kw
        switched = [u for u in self.units if any(c.binary for c in KINDS[u.kind].controls)]
        both = {u.name: np.array([wanted[u.name], 2 * wanted[u.name]]) for u in switched}
        done = Group(switched, copies=2).run(both)
        return [self._pattern(done, k) for k in range(2)]

    def _pattern(self, done: Mapping[str, Mapping[str, Array]], k: int) -> Array:
        pattern = np.zeros(len(self._binaries))
        for i, (unit, control, t) in enumerate(self._binaries):
            pattern[i] = done[unit][control][k, t]
        return pattern


def _beyond(block: Any, excess: Quantity, slopes: Sequence[float]) -> Quantity:
    """Cost of an excess, rising by segments whose widths are set later."""
    block.beyond_kw = pyo.Var(range(len(slopes)), bounds=(0.0, None))
    block.row = pyo.Constraint(expr=excess - sum(block.beyond_kw.values()) <= 0)
    return sum(slope * block.beyond_kw[k] for k, slope in enumerate(slopes))
