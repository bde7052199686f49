"""KPIs of the process: negotiations, wall times, what is left out (M12; seed 001, section 6)."""

from __future__ import annotations

from quartier.kpi.redispatch import Groups
from quartier.kpi.run_data import RunData


def _total(run: RunData, column: str) -> float | None:
    """Sum of a column of the table ``negotiations``; undefined if nobody negotiated."""
    values = run.table("negotiations")[column]
    return float(values.sum()) if len(values) else None


def negotiations(run: RunData) -> float:
    """Negotiations held: each neighbourhood, gate and round counts."""
    return float(len(run.table("negotiations")))


def negotiation_messages(run: RunData) -> float | None:
    """Messages sent in all negotiations."""
    return _total(run, "messages")


def negotiation_bytes(run: RunData) -> float | None:
    """Size of the messages of all negotiations in bytes."""
    return _total(run, "bytes")


def negotiation_sim_time(run: RunData) -> float | None:
    """Simulated time of all negotiations together in s."""
    return _total(run, "sim_time_s")


def negotiation_wall_time(run: RunData) -> float | None:
    """Wall time of all negotiations together in s."""
    return _total(run, "wall_s")


def negotiation_agreement(run: RunData) -> float | None:
    """Share of negotiations in which all agents committed to the same candidate (M6)."""
    agreed = run.table("negotiations")["agreed"]
    return float(agreed.astype(bool).mean()) if len(agreed) else None


def negotiation_hypervolume(run: RunData) -> float | None:
    """Hypervolume of the fronts offered (`mo-cohda`), as the agents measure it (M6).

    A share of the box from the ideal to the reference point (nadir and a tenth of the range), mean
    over gates and neighbourhoods; ideal and nadir come from the best found in each objective.
    """
    signals = run.table("signals")
    found = signals.loc[signals["name"].str.startswith("hypervolume["), "value"]
    return float(found.mean()) if len(found) else None


def negotiation_agents(run: RunData) -> float | None:
    """Greatest number of agents in a negotiation."""
    agents = run.table("negotiations")["agents"]
    return float(agents.max()) if len(agents) else None


def not_simulated(run: RunData) -> Groups:
    """Power in MW of the user's data that the run leaves out, by table of the data (M12).

    Rated power of plants, storages and loads; 0 where what is left out has no power of its own (a
    controller). The manifest's ``notes`` say what it is.
    """
    return _left_out(run, "MW")


def not_simulated_energy_by(run: RunData) -> Groups:
    """Energy in kWh of the user's sessions that the run leaves out, by table (M12)."""
    return _left_out(run, "kWh")


def _left_out(run: RunData, unit: str) -> Groups:
    amounts: dict[str, float] = {}
    for note in run.result.manifest.get("notes", ()):  # absent in older folders
        if note["table"] and note["unit"] == unit:
            amounts[note["table"]] = amounts.get(note["table"], 0.0) + note["amount"]
    return amounts


def wall_time_planning(run: RunData) -> float | None:
    """Wall time of planning at all gates in s (seed 001, section 6)."""
    return _phase(run, "planning")


def wall_time_execution(run: RunData) -> float | None:
    """Wall time of the execution, without planning, in s (seed 001, section 6)."""
    return _phase(run, "execution")


def _phase(run: RunData, name: str) -> float | None:
    times: dict[str, float] = run.result.manifest.get("wall_times_s", {})
    return times.get(name)
