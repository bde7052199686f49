"""Redispatch in low-voltage grids: what a bound leaves out cannot bind, and taps stay the best."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.grid import simbench
from quartier.grid.network import Network
from quartier.grid.power_flow import GridState
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import Horizon
from quartier.redispatch import redispatch, taps
from quartier.redispatch.assets import read_assets
from quartier.redispatch.grid_model import GridModel
from quartier.redispatch.screen import most_change
from quartier.scenario.settings import RedispatchSettings

STEPS = 4
CODES = ("1-LV-rural1--0-sw", "1-LV-rural2--0-sw")
"""Grids of 15 and 97 buses behind 160 and 250 kVA, as 1-MVLV-rural-all-0-sw has them."""


@functools.cache
def network(code: str) -> Network:
    net = simbench.network(code)
    return Network(net, tap_changers=[net.trafo["name"].iloc[0]])


def low_voltage(seed: int, code: str, size_kw: float) -> tuple[NetworkProblem, list[Offer]]:
    """Three neighbourhoods at any buses that feed in or draw up to ``size_kw``."""
    rng, grid = np.random.default_rng(seed), network(code)
    net = simbench.network(code)
    p_mw, q_mvar = np.zeros((2, STEPS, grid.buses.size))
    for k, bus in enumerate(net.load.bus):
        drawn = rng.uniform(0, 0.4, STEPS) * net.load.p_mw.iloc[k]
        p_mw[:, grid.position(bus)] -= drawn
        q_mvar[:, grid.position(bus)] -= 0.3 * drawn
    offers = []
    for number, bus in enumerate(rng.choice(net.load.bus.unique(), 3)):
        p_kw = size_kw * rng.uniform(-0.6, 1.0, STEPS)
        down, up = size_kw * rng.uniform(0, 1, (2, STEPS))
        zero = np.zeros(STEPS)
        offers.append(
            Offer(f"n{number}", "neighbourhood", int(bus), p_kw, down, up, zero, 0.1, 0.3)
        )
    horizon = Horizon(pd.Timestamp("2016-07-24T23:00", tz="UTC"), STEPS, 0.25)
    asked = NetworkProblem(grid, horizon, p_mw, q_mvar, RedispatchSettings(), grid.tap_pos)
    return asked, offers


def can_bind(model: GridModel, state: GridState) -> np.ndarray:
    """Elements that some power within the bands can bring to their limits, ``(T, E)``."""
    assets = model.assets
    reach = np.maximum(assets.high_mw - assets.offered_mw, assets.offered_mw - assets.low_mw)
    return model.excess(state) + most_change(model, state, assets.offered_mw, reach) >= 0


many = given(
    seed=st.integers(0, 2**32 - 1), code=st.sampled_from(CODES), size_kw=st.floats(5.0, 120.0)
)


@settings(max_examples=30)
@many
def test_the_bound_misses_nothing_that_binds(seed, code, size_kw):
    asked, offers = low_voltage(seed, code, size_kw)
    assets = read_assets(asked, offers)
    model = GridModel(asked.network, assets, asked.settings)
    state = model.solve(assets.offered_mw, asked.tap_pos)
    screened = can_bind(model, state)
    # By the full sensitivities: all elements, every step, every asset at the worse end.
    steps, every = np.arange(STEPS), np.arange(model.elements.count)
    slopes = model.slopes(state, assets.offered_mw, steps, every, weak=True)
    up, down = assets.high_mw - assets.offered_mw, assets.offered_mw - assets.low_mw
    most = np.maximum(slopes * up[:, None, :], -slopes * down[:, None, :]).sum(axis=2)
    assert screened[model.excess(state) + most >= 0].all()
    # In AC: all corners of the bands and some powers within.
    rng = np.random.default_rng(seed)
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
    for share in [*corners, *rng.uniform(0, 1, (6, 3))]:
        power = assets.low_mw + share * (assets.high_mw - assets.low_mw)
        reached = model.solve(power, asked.tap_pos)
        beyond = (model.excess(reached) >= 0) & reached.converged[:, None]
        assert screened[beyond].all()


def test_the_screen_drops_what_is_far_from_its_limit():
    asked, offers = low_voltage(1, CODES[1], 10.0)
    assets = read_assets(asked, offers)
    model = GridModel(asked.network, assets, asked.settings)
    screened = can_bind(model, model.solve(assets.offered_mw, asked.tap_pos))
    assert screened.mean() < 0.1


@settings(max_examples=15, deadline=None)
@many
def test_positions_are_ruled_out_without_changing_the_choice(seed, code, size_kw):
    asked, offers = low_voltage(seed, code, size_kw)
    found = redispatch(asked, offers)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(taps, "_hopeless", lambda *_: 0.0)
        every = redispatch(asked, offers)
    assert found.tap_pos == every.tap_pos
    assert found.cost_eur == pytest.approx(every.cost_eur, rel=1e-9)


def test_slopes_of_some_elements_are_those_of_all():
    asked, offers = low_voltage(5, CODES[0], 60.0)
    assets = read_assets(asked, offers)
    model = GridModel(asked.network, assets, asked.settings)
    state = model.solve(assets.offered_mw, asked.tap_pos)
    steps, every = np.arange(STEPS), np.arange(model.elements.count)
    whole = model.slopes(state, assets.offered_mw, steps, every)
    some = every[2::5]
    np.testing.assert_array_equal(
        model.slopes(state, assets.offered_mw, steps, some), whole[:, some]
    )
