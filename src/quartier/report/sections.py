"""The sections of a run's report, from its KPIs to how it was made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import pandas as pd
import plotly.graph_objects as go

from quartier.errors import InputError
from quartier.figures import bundles, pricing, style
from quartier.report.blocks import Block, Choice, Custom, Figure, Note, Section, Table
from quartier.report.kpis import kpi_blocks
from quartier.report.long_run import is_long, long_run_blocks
from quartier.results import Result
from quartier.results.described import unit_in
from quartier.results.plot import OPERATOR, WITHOUT, Plot

MOST_ROWS = 200
"""Most rows of a mechanism's own table on the page; the run folder has them all."""
MOST_LISTED = 1000
"""Most rows of any other table of the run folder: what two gates a day fill in more than a year."""

EARNED = (
    "Suppliers: what they are paid less what their energy costs them. Neighbourhoods: what they"
    " pay, as a loss."
)
"""How to read who earns what."""

GAINED = (
    "What each group pays less than the competitor would ask for everything, and what the operator"
    " earns, in a year."
)
"""How to read who gains by bundles."""

logger = logging.getLogger(__name__)

Maker: TypeAlias = Callable[[], Section]


def run_sections(result: Result, plot: Plot, explorer: Custom | None) -> Iterator[Section]:
    """Yield the sections in the order of the page; one that fails says so.

    What the scenario has not at all (a grid, suppliers, vehicles) has no section.
    """
    makers: tuple[tuple[str, Maker], ...] = (
        ("kpis", lambda: Section("kpis", "KPIs", kpi_blocks(result))),
        *(_of_a_grid(result, plot, explorer) if result.has_grid else []),
        *([("sharing-part", lambda: sharing_section(plot))] if "shares" in result.tables else []),
        *([("market-part", lambda: market_section(plot))] if "supply" in result.tables else []),
        *([("auction-part", lambda: auction_section(plot))] if "bids" in result.tables else []),
        *(
            [("bundles-part", lambda: bundles_section(result, plot))]
            if "sizes" in result.tables
            else []
        ),
        *([("pricing-part", lambda: pricing_section(result, plot))] if _is_priced(result) else []),
        *([("long-run", lambda: long_run_section(result))] if is_long(result) else []),
        *([("forecasts", lambda: forecasts_section(plot))] if "forecasts" in result.tables else []),
        ("schedules", lambda: schedules_section(plot)),
        ("stores-part", lambda: stores_section(result, plot)),
        *([("ev", lambda: ev_section(plot))] if plot.expects_vehicles else []),
        ("negotiation", lambda: negotiation_section(result, plot)),
        ("solves-part", lambda: optimisers_section(result, plot)),
        # Of bundles the money of a year is with what is offered.
        *(
            []
            if "sizes" in result.tables
            else [("costs-part", lambda: costs_section(result, plot))]
        ),
        *([("own-part", lambda: own_section(result))] if result.own_tables else []),
        ("about", lambda: about_section(result)),
    )
    for name, make in makers:
        try:
            yield make()
        except Exception as error:
            yield Section(name, name.removesuffix("-part").capitalize(), [_failed(name, error)])


def _of_a_grid(result: Result, plot: Plot, explorer: Custom | None) -> list[tuple[str, Maker]]:
    return [
        ("grid", lambda: grid_section(plot, explorer)),
        ("redispatch", lambda: redispatch_section(result, plot, explorer)),
    ]


def _failed(name: str, error: Exception) -> Note:
    """What stands in place of something that cannot be shown: a run must not lose its report."""
    logger.exception("%s cannot be shown", name)
    return Note(f"This cannot be shown: {type(error).__name__}: {error}; see log.txt.")


def block(
    name: str, draw: Callable[[], go.Figure], lead: str = "", *, eager: bool = False
) -> Block:
    """Return a figure, or a note that says why there is none."""
    try:
        return Figure(name, draw(), lead, eager)
    except InputError as error:
        return Note(_sentence(error))
    except Exception as error:
        return _failed(name, error)


def by_neighbourhood(plot: Plot, name: str, draw: Callable[[str], go.Figure], lead: str) -> Block:
    """Return a figure a neighbourhood, of which the reader chooses one."""
    options = {
        neighbourhood: [block(f"{name}-{number}", partial(draw, neighbourhood), lead)]
        for number, neighbourhood in enumerate(plot.neighbourhoods)
    }
    if all(isinstance(inner[0], Note) for inner in options.values()):
        return next(iter(options.values()))[0]
    return Choice(f"{name}-choice", "Neighbourhood", options)


def _sentence(error: InputError) -> str:
    """The first problem without the folder that it is in."""
    text = error.problems[0].split(": ", 1)[-1]
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def grid_section(plot: Plot, explorer: Custom | None) -> Section:
    """Map with time slider, heat map, voltages."""
    if explorer is None:
        return Section("grid", "Grid", [Note("There are no results of the grid to show.")])
    heat = "Highest loading on top; crosses are above the limit. Click a cell, or move with the"
    heat += " arrow keys and press Enter, to show that element and step above."
    return Section(
        "grid",
        "Grid",
        [
            explorer,
            block("loading", plot.loading, heat),
            block("voltages", plot.voltages, "At every step the two buses nearest to a limit."),
        ],
        "The map starts at the step with the highest line loading. Choose a line to see its loading"
        " and the caps (P_set) set because of it; choose a cap to see who reacted and how.",
    )


def redispatch_section(result: Result, plot: Plot, explorer: Custom | None) -> Section:
    """Causes, every measure, and how neighbourhoods answered."""
    title = "Redispatch"
    if "redispatch" not in result.tables or explorer is None:
        return Section("redispatch", title, [Note(_why(WITHOUT["redispatch"]))])
    lead = "What the caps take from what was offered, by the element that would be overloaded."
    answer = "Units that feed in less, or draw more, than in the offer are below zero."
    return Section(
        "redispatch",
        title,
        [
            block("causes", plot.causes, lead),
            Custom("measures.html.j2", {}),
            by_neighbourhood(plot, "reactions", plot.reaction, answer),
        ],
    )


def long_run_section(result: Result) -> Section:
    """A run of weeks and more, every step counted."""
    return Section(
        "long-run",
        "Over the whole run",
        long_run_blocks(result),
        "These figures count all steps of the run, whichever the others show.",
    )


def sharing_section(plot: Plot) -> Section:
    """Prices of the pool, and who gives whom."""
    price = (
        "What a kWh costs inside: the price of the plan, or what it came to by the rule that hands"
        " out the pool's cost. Where everybody trades alone there is none."
    )
    who = "Above zero a neighbourhood gets energy of others, below it gives. What is left is traded"
    return Section(
        "sharing-part",
        "Sharing",
        [
            block("prices-inside", plot.prices_inside, price),
            block("shared", plot.shared, f"{who} with the outer grid."),
        ],
    )


def auction_section(plot: Plot) -> Section:
    """How an hour was cleared."""
    lead = (
        "What is sold from a price on, the cheapest first, and what is bought up to a price, the"
        " dearest first, in the hour with the highest price. Power that is sold or bought at any"
        " price is at the lowest and the highest price that there can be."
    )
    parts = [block("bids", plot.bids, lead)]
    if plot.has_blocks:
        every = (
            "Neighbourhoods offer profiles for all hours at once. A profile is accepted if at the"
            " prices that are paid none of its owner's is better; one that cannot be taken in parts"
            " may be accepted or left all the same."
        )
        parts.append(block("blocks", plot.blocks, every))
    return Section("auction-part", "Auction", parts)


def market_section(plot: Plot) -> Section:
    """Who supplies, and at which price."""
    who = "What neighbourhoods draw together is served by the cheapest blocks first."
    price = "What all pay and get, beside what the scenario lets them expect."
    every = (
        "Suppliers, and the units of all neighbourhoods by kind: what feeds in is above zero, what"
        " draws below."
    )
    return Section(
        "market-part",
        "Market",
        [
            block("supply", plot.supply, who),
            block("market-prices", plot.market_prices, price),
            *_zones(plot),
            block("dispatch", plot.dispatch, every),
            block("earnings", plot.earnings, EARNED),
        ],
    )


def _zones(plot: Plot) -> Iterator[Block]:
    """Prices of zones and what lines carry between them, if there are any."""
    if plot.has_zones:
        price = "Ends of a line that is not full have the same price."
        yield block("zone-prices", plot.zone_prices, price)
    if plot.has_lines:
        carried = "Above zero from start to end, below zero back; dotted: the most that it carries."
        yield block("flows", plot.flows, carried)


def _is_priced(result: Result) -> bool:
    asked = result.manifest["scenario"].get("problem")
    return isinstance(asked, dict) and "carriers" in asked


def pricing_section(result: Result, plot: Plot) -> Section:
    """Prices of a player, and who gains by them."""
    price = "What neighbourhoods buy and sell at, between floor and cap, beside markets' prices."
    who = (
        "What each neighbourhood pays less than at best at its own tariffs, as planned, and what"
        " the player earns, as executed."
    )
    return Section(
        "pricing-part",
        "Prices of the player",
        [
            block("player-prices", plot.player_prices, price),
            block("gains", lambda: pricing.gains(result.kpis), who),
        ],
    )


def bundles_section(result: Result, plot: Plot) -> Section:
    """What is built and offered, who gains by it, and who gives and takes each carrier."""
    bounds = (
        "Upper bound: prices and sizes that would earn the most if groups took what they are meant"
        " to. Lower bound: what the best prices so far earn as groups answer them."
    )
    every = "What gives is above zero, what takes below; one typical day after the other."
    chosen = {c: [block(f"balance-{c}", partial(plot.balance, c), every)] for c in plot.balanced}
    blocks: list[Block] = [
        _table(result, "offers", "Who serves whom, and at which price"),
        block("gains", lambda: bundles.gains(result.kpi_table[["value"]]), GAINED),
        block("sizes", plot.sizes, "As many as are built of a unit as the scenario writes it."),
        *([block("bounds", plot.bounds, bounds)] if "rounds" in result.tables else []),
        *([Choice("balance-choice", "Carrier", chosen)] if "units" in result.tables else []),
    ]
    return Section("bundles-part", "Bundles and sizes", blocks)


def forecasts_section(plot: Plot) -> Section:
    """What was planned with."""
    lead = "All units of the kind together; dotted lines are gates, at which forecasts are new."
    kinds = plot.table("forecasts")["kind"].unique()
    drawn = {
        style.kind_label(kind): [block(f"forecast-{kind}", partial(plot.forecast, kind), lead)]
        for kind in kinds
    }
    return Section("forecasts", "Forecasts", [Choice("forecast-choice", "Kind", drawn)])


def schedules_section(plot: Plot) -> Section:
    """Units of each neighbourhood."""
    lead = "Bars: units by kind. Lines: what was offered, allowed and done at the connection point."
    drawn = by_neighbourhood(plot, "schedules", plot.schedule, lead)
    return Section("schedules", "Schedules", [drawn])


def stores_section(result: Result, plot: Plot) -> Section:
    """Energy in stores, and the balances of nodes."""
    drawn = [by_neighbourhood(plot, "stores", plot.stores, "Energy at the end of every step.")]
    if "nodes" in result.tables:
        lead = "What is taken whatever anybody plans, and how the balance of each node was closed."
        drawn.append(by_neighbourhood(plot, "nodes", plot.nodes, lead))
    return Section("stores-part", "Storage and nodes", drawn)


def ev_section(plot: Plot) -> Section:
    """Stays of vehicles."""
    lead = "A bar a stay; its filled part is the share of the energy due that was delivered."
    return Section("ev", "Charging", [by_neighbourhood(plot, "ev-stays", plot.ev_stays, lead)])


def negotiation_section(result: Result, plot: Plot) -> Section:
    """How agents came to agree."""
    blocks: list[Block] = []
    if "negotiations" not in result.tables:
        blocks.append(Note(_why(WITHOUT["traces"])))
    elif "rounds" in result.tables:
        blocks += _rounds(result, plot)
    else:
        lead = (
            "Cost plus penalties of the best plan that any agent knows of, as distance to its value"
            " in the end of the negotiation. The axis is logarithmic beyond a few cents; hovering"
            " shows the value itself."
        )
        blocks.append(block("objective", plot.objective, lead))
        blocks.append(_table(result, "negotiations", "Negotiations"))
        blocks.append(block("messages", plot.messages))
        if "messages" in result.tables:
            blocks.append(block("message-times", plot.message_times))
    lead = (
        "Each point is a plan that no other point beats in every objective. A star is chosen; where"
        " P_set changed the plan, the diamond was offered and the star carried out."
    )
    blocks.append(by_neighbourhood(plot, "front", plot.front, lead))
    return Section("negotiation", "Negotiation", blocks)


def _rounds(result: Result, plot: Plot) -> list[Block]:
    """How a market came to its price."""
    lead = (
        "Cost of the plan made of all that was answered or bid so far, above zero, and what no plan"
        " can cost less than, below; relative to the cost of the plan that was taken."
    )
    gaps = (
        "The certified gap, of the best of both so far; and the power that would be missing if all"
        " did what they answered. Where a plan is a mix of answers, that need not become less."
    )
    blocks = [
        block("convergence", plot.convergence, lead),
        block("residuals", plot.residuals, gaps),
        block(
            "answer-times", plot.answer_times, "All answer at a time: a round takes the longest."
        ),
        _table(result, "negotiations", "Negotiations"),
    ]
    if "messages" in result.tables:
        blocks += [block("messages", plot.messages), block("message-times", plot.message_times)]
    return blocks


def optimisers_section(result: Result, plot: Plot) -> Section:
    """What solvers said, and what the grid operator trades off."""
    if "solves" not in result.tables:
        return Section("solves-part", "Optimisers", [Note(_why(WITHOUT["solves"]))])
    blocks: list[Block] = [_table(result, "solves", "Problems solved")]
    if "sensitivities" in result.tables:
        blocks.append(_worth(result))
    if "fronts" in result.tables and OPERATOR in set(plot.table("fronts")["neighbourhood"]):
        lead = "What the grid operator trades off; the star is what it chose."
        blocks.append(block("front-grid", lambda: plot.front(OPERATOR), lead))
    return Section("solves-part", "Optimisers", blocks)


def _worth(result: Result) -> Table:
    """What more would be worth, the most first, over all gates."""
    rows = result.table("sensitivities")
    keys = ["name", "parameter", "unit"]
    frame = rows.groupby(keys, sort=False).agg(value=("value", "last"), worth=("worth_eur", "sum"))
    frame = frame.reset_index()[["name", "parameter", "value", "unit", "worth"]]
    frame = frame.sort_values("worth", key=abs, ascending=False, kind="stable")
    return Table(
        "sensitivities",
        "What a little more would be worth",
        frame.head(MOST_ROWS).reset_index(drop=True),
        headings={"value": "now", "worth": "saved by one unit more, EUR"},
        lead="Of costs of grid and neighbourhoods together, over the windows of all gates; what is"
        " switched on, and what was offered, stay. The voltage band of a bus is in thousandths of"
        " its rated voltage (mpu). Below zero more would cost.",
    )


def costs_section(result: Result, plot: Plot) -> Section:
    """Costs by KPI."""
    if not (result.dir / "kpis.json").exists():
        return Section("costs-part", "Costs", [Note("There are no KPIs to read costs from.")])
    return Section("costs-part", "Costs", [block("costs", plot.costs)])


def own_section(result: Result) -> Section:
    """Tables that the mechanism declares, as they stand."""
    blocks: list[Block] = []
    for name, columns in result.own_tables.items():
        if name not in result.tables:
            blocks.append(Note(f"The mechanism wrote no row of its table {name}."))
            continue
        frame = result.table(name)
        units = {column: unit_in(word) for column, word in columns.items()}
        headings = {column: f"{column}, {unit}" for column, unit in units.items() if unit}
        lead = f"The first {MOST_ROWS} of {len(frame)} rows." if len(frame) > MOST_ROWS else ""
        shown = frame.head(MOST_ROWS)
        blocks.append(Table(f"own-{name}", name, shown, headings=headings, lead=lead))
    return Section("own-part", "Tables of the mechanism", blocks)


def about_section(result: Result) -> Section:
    """How the run was made."""
    manifest = result.manifest
    rows = {
        "Run folder": result.dir.resolve().name,
        "Started": str(manifest["started"]),
        "Finished": str(manifest.get("finished") or "not finished"),
        "Overrides": ", ".join(manifest["overrides"]) or "none",
        "Baseline": str(manifest.get("baseline") or "none"),
    }
    for phase, seconds in (manifest.get("wall_times_s") or {}).items():
        rows[f"Wall time of {phase}"] = f"{seconds:.2f} s"
    for package, version in manifest["versions"].items():
        rows[f"Version of {package}"] = str(version)
    frame = pd.DataFrame({"what": list(rows), "value": list(rows.values())}, index=list(rows))
    table = Table("about-table", "How this run was made", frame, {"what": "What", "value": "Value"})
    return Section("about", "About", [table])


def _table(result: Result, name: str, title: str) -> Table:
    """A table of the run as it stands, without columns that are empty."""
    frame = result.table(name).dropna(axis=1, how="all")
    return Table(f"{name}-table", title, frame.head(MOST_LISTED), lead=_first(MOST_LISTED, frame))


def _first(most: int, frame: pd.DataFrame) -> str:
    """What is said of a table whose first rows only are on the page."""
    rows = f"The first {most:,} of {len(frame):,} rows; all are in the tables of the run folder."
    return rows if len(frame) > most else ""


def _why(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
