"""A scenario with all its data: what a run simulates, and the problems it asks at its gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from quartier.errors import InputError
from quartier.grid import Engine
from quartier.grid.network import Network
from quartier.problem import (
    Bundling,
    ConnectionTerms,
    Coupling,
    Design,
    Line,
    Market,
    NeighbourhoodProblem,
    NetworkProblem,
    PricedCarrier,
    Pricing,
    Problem,
    Redispatch,
    Sharing,
    State,
    Zones,
)
from quartier.problem.design import built
from quartier.quantities import Array, Horizon
from quartier.scenario.asked import MarketAsked, PricingAsked
from quartier.scenario.assemble import ScenarioData, assemble
from quartier.scenario.bundles_asked import BundlesAsked
from quartier.scenario.checks import forecast_series
from quartier.scenario.files import shown
from quartier.scenario.findings import Note
from quartier.scenario.grid_data import GridData
from quartier.scenario.load import LoadedScenario
from quartier.scenario.models import FLEXIBILITY, GridSettings, Scenario
from quartier.scenario.overrides import blamed
from quartier.scenario.pricing_checks import wholesale
from quartier.units import KINDS
from quartier.units.base import UnitData


@dataclass(frozen=True)
class Instance:
    """A scenario made ready to run.

    Parameters
    ----------
    folder
        Folder that paths in the scenario are relative to.
    data
        Everything that was read.
    seed
        Seed of everything drawn at random.
    """

    scenario: Scenario
    folder: Path
    data: ScenarioData
    seed: int

    @property
    def horizon(self) -> Horizon:
        """The intervals of the run."""
        return self.data.horizon

    @property
    def has_grid(self) -> bool:
        """Whether there is a grid; without one, everybody is on a copper plate."""
        return self.data.grid is not None

    @property
    def _grid(self) -> GridData:
        if self.data.grid is None:
            raise ValueError("the scenario has no grid (grid: none)")
        return self.data.grid

    @property
    def network(self) -> Network:
        """The grid (ValueError: there is none)."""
        return self._grid.network

    @property
    def engine(self) -> Engine:
        """Who solves the power flow of a step (ValueError: there is no grid)."""
        if not isinstance(self.scenario.grid, GridSettings):
            raise ValueError("the scenario has no grid (grid: none)")
        return self.scenario.grid.engine

    @property
    def units(self) -> tuple[UnitData, ...]:
        """Units of the neighbourhoods, named ``<neighbourhood>.<unit>``."""
        return self.data.units

    @property
    def plants(self) -> tuple[UnitData, ...]:
        """Plants outside the neighbourhoods that take part in redispatch; they need a grid."""
        return self._grid.plants if self.has_grid else ()

    @property
    def plant_q_kvar(self) -> Mapping[str, Array]:
        """Reactive power of the plants by name, shape ``(T,)``."""
        return self._grid.plant_q_kvar if self.has_grid else {}

    @property
    def background_p_mw(self) -> Array:
        """All other injections, shape ``(T, n_bus)``."""
        return self._grid.background_p_mw

    @property
    def background_q_mvar(self) -> Array:
        """Reactive power of all other injections, shape ``(T, n_bus)``."""
        return self._grid.background_q_mvar

    @property
    def signals(self) -> Mapping[str, tuple[Array, str]]:
        """Values, shape ``(T,)``, and unit of every signal by name."""
        return self.data.signals

    @property
    def notes(self) -> tuple[Note, ...]:
        """What of the user's data is not simulated, or taken differently."""
        return self.data.notes

    @property
    def buses(self) -> Mapping[str, int]:
        """Bus by neighbourhood."""
        return self.data.buses

    def gates(self) -> range:
        """Steps at which planning happens."""
        gates = self.scenario.gates
        return range(gates.first, self.horizon.steps, gates.every or self.horizon.steps)

    def initial_state(self) -> State:
        """State at the start of the run."""
        units = {unit.name: dict(unit.state) for unit in (*self.units, *self.plants)}
        return State(units, self.network.tap_pos if self.has_grid else 0)

    def problem(
        self,
        gate: int,
        first: int,
        state: State,
        tap_is_fixed: bool = False,
        *,
        whole: bool = False,
    ) -> Problem:
        """Return what is asked at a gate.

        Parameters
        ----------
        gate
            Number of the gate.
        first
            First step that the plan is for.
        state
            Where the system stands.
        tap_is_fixed
            Whether the tap position was chosen before and stays.
        whole
            Whether to ask about all steps that are left, whatever gates plan ahead.
        """
        scenario, every = self.scenario, self.horizon.steps
        ahead = every if whole else scenario.gates.horizon_steps or every
        horizon = self.horizon.window(first, ahead)
        window = slice(first, first + horizon.steps)
        forecast = [self._planned(unit, first, horizon.steps, state) for unit in self.units]
        return Problem(
            gate=gate,
            first=first,
            horizon=horizon,
            neighbourhoods=tuple(
                self._neighbourhood(name, horizon, window, forecast)
                for name in scenario.neighbourhoods
            ),
            coupling=self._coupling(horizon, first, state, tap_is_fixed),
            negotiation=scenario.negotiation,
            communication=scenario.communication,
            lead_s=scenario.gates.lead_s,
            rounds=scenario.gates.rounds,
            record_messages=scenario.record.messages,
            record_fronts=scenario.record.fronts,
            record_sensitivities=scenario.record.sensitivities,
            optimisation=scenario.optimisation,
            market=scenario.market,
            forecast_eur_per_kwh=(
                self.signals["forecast_eur_per_kwh"][0][window]
                if "forecast_eur_per_kwh" in self.signals
                else None
            ),
        )

    def _coupling(self, horizon: Horizon, first: int, state: State, tap_is_fixed: bool) -> Coupling:
        if self.scenario.problem.kind == "redispatch":
            return self._redispatch(horizon, first, state, tap_is_fixed)
        if self.scenario.problem.kind == "market":
            return self.market(slice(first, first + horizon.steps))
        if self.scenario.problem.kind == "pricing":
            return self.pricing(slice(first, first + horizon.steps))
        if isinstance(self.scenario.problem, BundlesAsked):
            return self._bundling(self.scenario.problem)
        sharing = self.sharing(slice(first, first + horizon.steps))
        if not getattr(self.scenario.problem, "redispatch", False):
            return sharing
        return replace(sharing, redispatch=self._redispatch(horizon, first, state, tap_is_fixed))

    def market(self, steps: slice) -> Market:
        """What couples neighbourhoods that suppliers serve, in some steps."""
        asked = self.scenario.problem
        if not isinstance(asked, MarketAsked):
            raise TypeError(f"the scenario asks for {asked.kind!r}, not for a market")
        floor, ceiling = asked.floor_eur_per_kwh, asked.ceiling_eur_per_kwh
        available = {name: values[steps] for name, values in self.data.supplied.items()}
        suppliers = asked.of_suppliers(available)
        count = steps.stop - steps.start
        return Market.of(self.horizon.dt_h, count, suppliers, floor, ceiling, self.zones)

    @property
    def zones(self) -> Zones | None:
        """Zones of a market, who is in which, and the lines between them; None: there are none."""
        asked = self.scenario.problem
        if not isinstance(asked, MarketAsked) or not asked.zones:
            return None
        suppliers, neighbourhoods = (
            {name: str(one.zone) for name, one in members.items()}
            for members in (asked.suppliers, self.scenario.neighbourhoods)
        )
        lines = tuple(
            Line(
                name,
                line.start,
                line.end,
                line.capacity_kw,
                line.capacity_kw if line.back_kw is None else line.back_kw,
            )
            for name, line in asked.lines.items()
        )
        return Zones(tuple(asked.zones), neighbourhoods, suppliers, lines)

    def pricing(self, steps: slice) -> Pricing:
        """What couples neighbourhoods whose carriers a player prices, in some steps."""
        asked = self.scenario.problem
        if not isinstance(asked, PricingAsked):
            raise TypeError(f"the scenario asks for {asked.kind!r}, not for pricing")
        count, found = len(self.horizon.times[steps]), {}
        for carrier, priced in asked.carriers.items():
            market = self.signals.get(wholesale(carrier))
            cap, bought, sold = (
                np.inf if limit is None else limit
                for limit in (priced.cap_eur_per_kwh, priced.most_bought_kw, priced.most_sold_kw)
            )
            found[carrier] = PricedCarrier(
                np.full(count, priced.floor_eur_per_kwh),
                np.full(count, cap),
                None if market is None else market[0][steps],
                bought,
                sold,
            )
        return Pricing(self.horizon.dt_h, found, asked.mode)

    def _bundling(self, asked: BundlesAsked) -> Bundling:
        """What couples a system and the groups that it offers bundles to, in all typical days."""
        assert self.data.bundled is not None
        co2 = self.scenario.signals.co2_kg_per_kwh
        return Bundling.of(asked, self.data.bundled, co2)

    def built(self, design: Design) -> Instance:
        """The instance with units in the sizes of a design."""
        return replace(self, data=replace(self.data, units=built(self.data.units, design)))

    def sharing(self, steps: slice) -> Sharing:
        """What couples neighbourhoods that share a pool, in some steps."""
        exported, imported = (
            self.signals[name][0][steps] for name in ("export_eur_per_kwh", "import_eur_per_kwh")
        )
        asked = self.scenario.problem.model_dump(exclude={"kind", "redispatch"})
        return Sharing(self.horizon.dt_h, exported, imported, **asked)

    def _redispatch(
        self, horizon: Horizon, first: int, state: State, tap_is_fixed: bool
    ) -> Redispatch:
        window = slice(first, first + horizon.steps)
        return Redispatch(
            plants=tuple(self._planned(p, first, horizon.steps, state) for p in self.plants),
            plant_q_kvar={name: q[window] for name, q in self.plant_q_kvar.items()},
            grid=NetworkProblem(
                network=self.network,
                horizon=horizon,
                background_p_mw=self.background_p_mw[window],
                background_q_mvar=self.background_q_mvar[window],
                settings=self.scenario.redispatch,
                tap_pos=state.tap_pos,
                tap_is_fixed=tap_is_fixed,
                co2_kg_per_kwh=self.signals["co2_kg_per_kwh"][0][window],
            ),
        )

    def _planned(self, unit: UnitData, first: int, steps: int, state: State) -> UnitData:
        """Return a unit as planning sees it: its window, with its forecast if there is one."""
        name = forecast_series(unit)
        values = self._forecast(unit, name, first, steps) if name else None
        if name and values is not None:
            unit = KINDS[unit.kind].bounded(replace(unit, series={**unit.series, name: values}))
        stays = self.scenario.forecast_error.arrivals(unit, first, steps, self.seed)
        if stays is not unit.sessions:
            unit = KINDS[unit.kind].bounded(replace(unit, sessions=stays))
        return unit.window(first, steps, state.units.get(unit.name, unit.state))

    def forecasts(self, first: int, steps: int) -> dict[str, Any] | None:
        """Columns about what a gate expects of the steps from it on, and what happens then.

        None if it foresees all, or nothing could be foreseen.
        """
        steps = min(steps, self.horizon.steps - first)
        window, found = slice(first, first + steps), []
        for unit in (*self.units, *self.plants):
            name = forecast_series(unit)
            values = self._forecast(unit, name, first, steps) if name else None
            if name and values is not None:
                found.append((unit, values[window], unit.series[name][window]))
        if not found:
            return None
        return {
            "time": np.tile(self.horizon.times[window].to_numpy(), len(found)),
            "unit": np.repeat([unit.name for unit, _, _ in found], steps),
            "kind": np.repeat([unit.kind for unit, _, _ in found], steps),
            "forecast_kw": np.concatenate([expected for _, expected, _ in found]),
            "actual_kw": np.concatenate([actual for _, _, actual in found]),
        }

    def _forecast(self, unit: UnitData, series: str, first: int, steps: int) -> Array | None:
        """What is expected of a series, shape ``(T,)``: as given, or drawn; None: what happens."""
        erring = self.scenario.forecast_error
        if unit.name in self.data.forecasts or not erring.std.get(unit.kind):
            return self.data.forecasts.get(unit.name)
        same_weather = KINDS[unit.kind].renewable
        return erring.forecast(unit, unit.series[series], same_weather, first, steps, self.seed)

    def _neighbourhood(
        self, name: str, horizon: Horizon, window: slice, units: list[UnitData]
    ) -> NeighbourhoodProblem:
        terms, settings = self._terms(name, horizon, window), self.scenario.neighbourhoods[name]
        found = NeighbourhoodProblem(
            name=name,
            bus=self.buses[name],
            horizon=horizon,
            units=tuple(unit for unit in units if unit.neighbourhood == name),
            terms=terms,
            redispatch_price_eur_per_kwh=settings.redispatch_price_eur_per_kwh,
            efficiency=settings.connection_efficiency,
        )
        return found.metered(terms.export_eur_per_kwh, terms.import_eur_per_kwh)

    def _terms(self, name: str, horizon: Horizon, window: slice) -> ConnectionTerms:
        settings, objectives = self.scenario.neighbourhoods[name], self.scenario.objectives
        most = np.inf if settings.p_max_kw is None else settings.p_max_kw
        least = -np.inf if settings.p_min_kw is None else settings.p_min_kw
        imported = self.signals["import_eur_per_kwh"][0][window]
        up, down = (self._band_eur_per_kwh(name, window) for name in FLEXIBILITY)
        worth = np.any(up) or np.any(down)
        return ConnectionTerms(
            dt_h=horizon.dt_h,
            export_eur_per_kwh=self.signals["export_eur_per_kwh"][0][window],
            import_eur_per_kwh=imported + objectives.imported_eur_per_kwh,
            curtailment_eur_per_kwh=(
                objectives.curtailment_eur_per_kwh + down - up
                if worth
                else objectives.curtailment_eur_per_kwh
            ),
            up_eur_per_kwh=up if worth else None,
            down_eur_per_kwh=down if worth else None,
            co2_eur_per_kg=objectives.co2_eur_per_kg,
            peak_eur_per_kw=objectives.peak_eur_per_kw,
            penalty_eur_per_kwh=objectives.penalty_eur_per_kwh,
            p_max_kw=np.full(horizon.steps, most),
            p_min_kw=np.full(horizon.steps, least),
        )

    def _band_eur_per_kwh(self, side: str, window: slice) -> Array:
        """What a kW of the band is worth over an hour: L2's weight, and L5's price of the side."""
        price = self.signals[side][0] if side in self.signals else np.zeros(self.horizon.steps)
        return self.scenario.objectives.flexibility_eur_per_kwh + price[window]

    @property
    def connection_efficiency(self) -> Array:
        """Efficiency of each neighbourhood's connection, shape ``(N,)``."""
        settings = self.scenario.neighbourhoods.values()
        return np.array([neighbourhood.connection_efficiency for neighbourhood in settings])


def build(loaded: LoadedScenario, seed: int | None = None) -> Instance:
    """Read all data of a scenario.

    Parameters
    ----------
    seed
        Seed of everything drawn at random; without it, the scenario's.

    Raises
    ------
    InputError
        With all problems found.
    """
    scenario = loaded.scenario
    used = scenario.seed if seed is None else seed
    data, problems = assemble(scenario, loaded.folder, used)
    if data is None:
        raise InputError(blamed(problems, loaded.overrides), shown(loaded.path))
    return Instance(scenario, loaded.folder, data, used)
