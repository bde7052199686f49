"""Key performance indicators: each a small function of the tables of a run (M12).

Nothing else is read than tables, manifest and ``grid.json`` of the run and of the baseline that
its manifest names. A figure that is not defined, such as a share of nothing, is None.

`run_data` is what they read; `grid` (with `limits`), `redispatch`, `neighbourhood`, `process`,
`market`, `zones`, `congestion`, `prices`, `forecasts` and `settlement` (who pays whom) hold them,
and the list :data:`KPIS` here says which there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from quartier.kpi import (
    bundles,
    congestion,
    forecasts,
    grid,
    market,
    neighbourhood,
    prices,
    pricing,
    process,
    redispatch,
    settlement,
    sharing,
    zones,
)
from quartier.kpi.redispatch import Groups
from quartier.kpi.run_data import RunData
from quartier.problem import COUPLINGS, Bundling, Redispatch

__all__ = ["KPIS", "Kpi", "RunData", "applies", "compute", "read"]

Figure: TypeAlias = Callable[[RunData], float | None] | Callable[[RunData], Groups]


@dataclass(frozen=True)
class Kpi:
    """A KPI: its key in ``kpis.json``, what the table calls it, its unit, and how it is read.

    A function that returns a figure by group gives one key a group: ``import[nord]``.
    """

    name: str
    label: str
    unit: str
    value: Figure

    @property
    def definition(self) -> str:
        """Definition and source: the function's docstring."""
        return self.value.__doc__ or ""


KPIS: tuple[Kpi, ...] = (
    # Congestion
    Kpi("overloads", "Overloads", "count", grid.overloads),
    Kpi("overload_energy", "Overload energy", "MWh", grid.overload_energy),
    Kpi("congestion_solved", "Overloads solved", "1", grid.congestion_solved),
    Kpi(
        "congestion_solved_energy",
        "Overload energy solved",
        "1",
        grid.congestion_solved_energy,
    ),
    Kpi(
        "congestion_solved_vs_uncontrolled",
        "Overloads solved, vs baseline",
        "1",
        grid.congestion_solved_vs_uncontrolled,
    ),
    Kpi(
        "congestion_solved_energy_vs_uncontrolled",
        "Overload energy solved, vs baseline",
        "1",
        grid.congestion_solved_energy_vs_uncontrolled,
    ),
    Kpi("voltage_violations", "Voltage violations", "count", grid.voltage_violations),
    Kpi("voltage_solved", "Voltage violations solved", "1", grid.voltage_solved),
    Kpi(
        "voltage_solved_vs_uncontrolled",
        "Voltage violations solved, vs baseline",
        "1",
        grid.voltage_solved_vs_uncontrolled,
    ),
    Kpi("max_line_loading", "Highest line loading", "%", grid.max_line_loading),
    Kpi(
        "max_transformer_loading", "Highest transformer loading", "%", grid.max_transformer_loading
    ),
    Kpi("min_voltage", "Lowest voltage", "pu", grid.min_voltage),
    Kpi("max_voltage", "Highest voltage", "pu", grid.max_voltage),
    Kpi("steps_not_converged", "Steps without power flow", "count", grid.steps_not_converged),
    Kpi("not_simulated", "In the data, not simulated", "MW", process.not_simulated),
    Kpi("not_simulated", "In the data, not simulated", "kWh", process.not_simulated_energy_by),
    # Redispatch
    Kpi(
        "redispatch_activation_rate",
        "Redispatch activation rate",
        "1",
        redispatch.redispatch_activation_rate,
    ),
    Kpi("redispatch_calls", "Redispatch calls", "count", redispatch.redispatch_calls),
    Kpi("redispatch_energy", "Redispatch energy", "MWh", redispatch.redispatch_energy),
    Kpi("cap_violations", "P_set not kept", "count", redispatch.cap_violations),
    Kpi("cap_violation_energy", "Energy beyond P_set", "kWh", redispatch.cap_violation_energy),
    Kpi("curtailed_energy", "Renewable energy curtailed", "MWh", redispatch.curtailed_energy),
    Kpi("curtailment_degree", "Degree of curtailment", "1", redispatch.curtailment_degree),
    Kpi("curtailment_degree", "Degree of curtailment", "1", redispatch.curtailment_degree_by),
    Kpi("redispatch_cost", "Redispatch cost", "EUR", redispatch.redispatch_cost),
    Kpi(
        "congestion_payments",
        "Got at the prices of limits",
        "EUR",
        congestion.congestion_payments,
    ),
    Kpi("congestion_cost", "Paid at the prices of limits", "EUR", congestion.congestion_cost),
    Kpi("losses", "Grid losses", "MWh", grid.losses),
    Kpi("upper_cost", "Cost of the upper level", "EUR", redispatch.upper_cost),
    Kpi("co2_slack", "CO2 of imports from the upper grid", "kg", grid.co2_slack),
    Kpi("co2_plants", "CO2 of the grid's plants", "kg", grid.co2_plants),
    # Neighbourhoods
    Kpi("self_sufficiency", "Self-sufficiency", "1", neighbourhood.self_sufficiency),
    Kpi("self_consumption", "Self-consumption", "1", neighbourhood.self_consumption),
    Kpi(
        "demand_flexibility_potential",
        "Flexibility of loads offered",
        "kWh",
        neighbourhood.demand_flexibility_potential,
    ),
    Kpi(
        "demand_flexibility_used",
        "Demand shifted, vs baseline",
        "kWh",
        neighbourhood.demand_flexibility_used,
    ),
    Kpi("ev_energy_due", "EV energy due", "kWh", neighbourhood.ev_energy_due),
    Kpi("ev_energy_delivered", "EV energy delivered", "kWh", neighbourhood.ev_energy_delivered),
    Kpi("ev_energy_missing", "EV energy missing", "kWh", neighbourhood.ev_energy_missing),
    Kpi("heat_demand", "Heat demand", "kWh", neighbourhood.heat_demand),
    Kpi("heat_unserved", "Heat unserved", "kWh", neighbourhood.heat_unserved),
    Kpi("heat_rejected", "Heat rejected", "kWh", neighbourhood.heat_rejected),
    Kpi("demand", "Demand", "kWh", neighbourhood.demand),
    Kpi("unserved", "Unserved", "kWh", neighbourhood.unserved),
    Kpi("rejected", "Rejected", "kWh", neighbourhood.rejected),
    Kpi("bought", "Bought", "kWh", neighbourhood.bought),
    Kpi("sold", "Sold", "kWh", neighbourhood.sold),
    Kpi("co2_local", "CO2 of the neighbourhoods", "kg", neighbourhood.co2_local),
    Kpi(
        "store_energy_difference",
        "Energy gained in stores",
        "kWh",
        neighbourhood.store_energy_difference,
    ),
    Kpi(
        "store_energy_value",
        "Value of energy gained in electric stores",
        "EUR",
        neighbourhood.store_energy_value,
    ),
    Kpi("flexibility_value", "Worth of flexibility", "EUR", neighbourhood.flexibility_value),
    Kpi("lower_cost", "Cost of the lower level", "EUR", neighbourhood.lower_cost),
    Kpi("cost", "Cost", "EUR", settlement.cost),
    Kpi("import", "Energy imported", "kWh", neighbourhood.imported),
    Kpi("export", "Energy exported", "kWh", neighbourhood.exported),
    Kpi("export_avoidance", "Export avoided, vs baseline", "1", neighbourhood.export_avoidance),
    Kpi("peak", "Peak import", "kW", neighbourhood.peak_import),
    Kpi("peak_export", "Peak export", "kW", neighbourhood.peak_export),
    # Sharing
    Kpi("shared_energy", "Energy shared", "kWh", sharing.shared_energy),
    Kpi("internal_price", "Price of the energy shared", "EUR/kWh", sharing.internal_price),
    Kpi("pool_cost", "Paid to the outer grid by the pool", "EUR", sharing.pool_cost),
    Kpi("worse_off", "Worse off than alone, at most", "EUR", sharing.worse_off),
    Kpi(
        "follower_suboptimality",
        "Distance from the own optimum at the price",
        "1",
        sharing.follower_suboptimality,
    ),
    # Market
    Kpi("supplied_energy", "Energy supplied", "kWh", market.supplied_energy),
    Kpi("supplier_surplus", "Surplus of a supplier", "EUR", market.supplier_surplus),
    Kpi("unserved_by_suppliers", "Served by the reserve", "kWh", market.unserved_by_suppliers),
    Kpi("price_mean", "Mean price", "EUR/kWh", market.price_mean),
    Kpi("price_spread", "Spread of the price", "EUR/kWh", market.price_spread),
    Kpi("zone_price", "Mean price in a zone", "EUR/kWh", zones.zone_price),
    Kpi("congestion_rent", "Congestion rent", "EUR", zones.congestion_rent),
    Kpi("congestion_rent", "Congestion rent", "EUR", zones.congestion_rent_by),
    Kpi("hours_congested", "Hours of congestion", "h", zones.hours_congested),
    # Pricing
    Kpi("profit", "Profit of the player", "EUR", pricing.profit),
    Kpi("bill", "Bill", "EUR", pricing.bill),
    Kpi("saving", "Saved against own tariffs", "EUR", pricing.saving),
    Kpi("exchange_imbalance", "Exchange not balanced", "kWh", pricing.exchange_imbalance),
    Kpi("contract_breach", "Traded beyond contract", "kWh", pricing.contract_breach),
    Kpi("lruf", "Local resources used", "1", pricing.lruf),
    Kpi("lruf_least", "Local resources used, at least", "1", pricing.lruf_least),
    Kpi("lruf_greatest", "Local resources used, at most", "1", pricing.lruf_greatest),
    # Money
    Kpi("leader_cost", "Cost of the pool's operator", "EUR", settlement.leader_cost),
    Kpi("cost_change", "Change of cost, vs baseline", "EUR", settlement.cost_change),
    Kpi("system_cost", "Cost of all together", "EUR", settlement.system_cost),
    Kpi(
        "system_cost_change",
        "Change of the cost of all, vs baseline",
        "1",
        settlement.system_cost_change,
    ),
    Kpi("money", "Paid", "EUR", settlement.money),
    # Bundles, of a year
    Kpi("profit", "Profit of the operator", "EUR/a", bundles.profit),
    Kpi("operator_cost", "Cost of the operator's system", "EUR/a", bundles.operator_cost),
    Kpi("system_cost", "Cost of all together", "EUR/a", bundles.system_cost),
    Kpi("bill", "Bill", "EUR/a", bundles.bill),
    Kpi("bill_by_carrier", "Bill by carrier", "EUR/a", bundles.bill_by_carrier),
    Kpi("bill_by_supplier", "Bill by bundle", "EUR/a", bundles.bill_by_supplier),
    Kpi("saving", "Saved against the competitor", "EUR/a", bundles.saving),
    Kpi("worse_off", "Worse off than with the competitor, at most", "EUR/a", bundles.worse_off),
    Kpi("money", "Paid", "EUR/a", bundles.money),
    Kpi("size", "Size", "count", bundles.size),
    Kpi("delivered", "Delivered by the operator", "kWh/a", bundles.delivered),
    Kpi("unserved", "Unserved", "kWh/a", bundles.unserved_in_a_year),
    Kpi("lruf", "Local resources used", "1", bundles.lruf),
    # Forecasts
    Kpi("forecast_error", "Mean error of forecasts", "1", forecasts.forecast_error),
    Kpi(
        "forecast_error_energy",
        "Energy that forecasts were off by",
        "kWh",
        forecasts.forecast_error_energy,
    ),
    Kpi("forecast_bias_energy", "Energy expected too much", "kWh", forecasts.forecast_bias_energy),
    # Process
    Kpi("negotiations", "Negotiations", "count", process.negotiations),
    Kpi("negotiation_agents", "Agents in a negotiation", "count", process.negotiation_agents),
    Kpi("negotiation_messages", "Messages", "count", process.negotiation_messages),
    Kpi("negotiation_bytes", "Size of messages", "B", process.negotiation_bytes),
    Kpi(
        "negotiation_sim_time", "Simulated time of negotiations", "s", process.negotiation_sim_time
    ),
    Kpi("negotiation_wall_time", "Wall time of negotiations", "s", process.negotiation_wall_time),
    Kpi("negotiation_agreement", "Agreement", "1", process.negotiation_agreement),
    Kpi(
        "negotiation_hypervolume",
        "Hypervolume of the fronts",
        "1",
        process.negotiation_hypervolume,
    ),
    Kpi("rounds", "Rounds of prices, at most", "count", prices.rounds),
    Kpi("certified_gap", "Certified gap, at most", "1", prices.certified_gap),
    Kpi("numbers_exchanged", "Numbers exchanged", "count", prices.numbers_exchanged),
    Kpi("longest_answer", "Longest answer, wall time", "s", prices.longest_answer),
    Kpi("wall_time_planning", "Wall time of planning", "s", process.wall_time_planning),
    Kpi("wall_time_execution", "Wall time of execution", "s", process.wall_time_execution),
)
"""All KPIs in the order in which they are shown."""


def compute(run: RunData, names: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
    """Read KPIs of a run: ``{name: {"value": x, "unit": "kWh", "label": "..."}}``.

    Parameters
    ----------
    names
        Which; None: all that its problem has.
    """
    table: dict[str, dict[str, Any]] = {}
    if names is None and Bundling.kind not in run.problems:
        offered = redispatch.PARTS if Redispatch.kind in run.problems else ()
        run.sweep([*neighbourhood.PARTS, *offered, *(grid.PARTS if run.has_grid else ())])
    for kpi in KPIS:
        if not applies(kpi, run) or (names is not None and kpi.name not in names):
            continue
        table |= read(kpi, run)
    return table


def read(kpi: Kpi, run: RunData) -> dict[str, dict[str, Any]]:
    """Read a KPI of a run: an entry, or one a group."""
    value = kpi.value(run)
    if not isinstance(value, Mapping):
        return {kpi.name: _entry(kpi, value, kpi.label)}
    return {
        f"{kpi.name}[{group}]": _entry(kpi, figure, f"{kpi.label} ({group})")
        for group, figure in value.items()
    }


def applies(kpi: Kpi, run: RunData) -> bool:
    """Whether a run can have a figure: those that a coupling declares are of its runs only.

    Where the days of a run stand for a year, figures are those that count them so.
    """
    if Bundling.kind in run.problems:
        here = kpi.value.__module__ in (bundles.__name__, process.__name__)
        return here or kpi.value is prices.rounds
    if kpi.value.__module__ == bundles.__name__:
        return False
    if kpi.value.__module__ == grid.__name__ and not run.has_grid:
        return False
    if kpi.value.__module__ == zones.__name__ and not run.has_zones:
        return False
    owners = [kind for kind, coupling in COUPLINGS.items() if kpi.name in coupling.kpis]
    return not owners or not set(owners).isdisjoint(run.problems)


def _entry(kpi: Kpi, value: float | None, label: str) -> dict[str, Any]:
    return {"value": None if value is None else float(value), "unit": kpi.unit, "label": label}
