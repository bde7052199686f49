"""Settings that the problem has no use for: nothing that a user states is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterator

from quartier.scenario.findings import Findings
from quartier.scenario.models import Scenario
from quartier.scenario.settings import LOWER_EUR_PER_KWH, GateSettings, RedispatchSettings

OF_AGENTS = ("negotiation", "market", "communication")
"""Blocks that agents read, and who asks them."""


def note_idle(scenario: Scenario, findings: Findings) -> None:
    """Note settings, other than their defaults, that no mechanism of the problem reads."""
    problem = scenario.problem
    if not (problem.needs_grid or getattr(problem, "redispatch", False)):
        for path in _of_redispatch(scenario):
            findings.note(path, f"stands for nothing: nobody caps in problem: {problem.kind}")
    if scenario.record.sensitivities and not problem.needs_grid:
        only = "stands for nothing: only central of problem: redispatch writes them"
        findings.note("record.sensitivities", only)
    if not problem.has_agents:
        for name in OF_AGENTS:
            block = getattr(scenario, name)
            if block != type(block)():
                told = f"stands for nothing: there are no agents in problem: {problem.kind}"
                findings.note(name, told)


def _of_redispatch(scenario: Scenario) -> Iterator[str]:
    if scenario.redispatch != RedispatchSettings():
        yield "redispatch"
    if scenario.gates.rounds != GateSettings().rounds:
        yield "gates.rounds"
    if scenario.record.fronts:
        yield "record.fronts"
    for name, neighbourhood in scenario.neighbourhoods.items():
        if neighbourhood.redispatch_price_eur_per_kwh != LOWER_EUR_PER_KWH:
            yield f"neighbourhoods.{name}.redispatch_price_eur_per_kwh"
