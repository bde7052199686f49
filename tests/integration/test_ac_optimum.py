"""The linear network's optimum against a local optimum of the AC equations themselves (M7)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("casadi", reason="the extra `bench` brings Ipopt")

CODE = Path(__file__).parents[2] / "benchmarks" / "ac_optimum.py"
CLOSE = 1e-5
"""Relative distance of costs that linearising explains (4e-6 seen)."""


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("ac_optimum", CODE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def case(benchmark):
    """The first six hours of the default variant, in most of which line 10 binds."""
    return benchmark.Case("fliegerhorst", ["horizon.steps=24"])


@pytest.fixture(scope="module")
def optimum(case):
    return case.ac()


def test_ac_optimum_is_one_of_pandapowers_power_flow(optimum):
    assert optimum.cost_eur == pytest.approx(optimum.ac_cost_eur, rel=1e-7)
    assert optimum.loading_percent == pytest.approx(0.0, abs=1e-4)  # a limit binds
    assert optimum.voltage_pu <= 1e-7


def test_linear_optimum_costs_what_the_ac_optimum_costs(case, optimum):
    linear = case.linear()
    assert linear.cost_eur == pytest.approx(optimum.cost_eur, rel=CLOSE)
    assert linear.ac_cost_eur == pytest.approx(optimum.cost_eur, rel=CLOSE)
    assert linear.loading_percent <= 1e-3
    assert linear.voltage_pu <= 1e-6


@pytest.mark.parametrize("part", ["sensitivities", "losses"])
def test_a_wrong_linear_network_would_be_noticed(benchmark, case, optimum, part):
    linear = case.linear(benchmark.WRONG[part])
    assert linear.ac_cost_eur > (1 + 2 * CLOSE) * optimum.cost_eur
