"""Whatever is offered: what is said to be solved is clean in AC, the rest is reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.grid.power_flow import BatchPowerFlow
from quartier.problem import Offer
from quartier.redispatch import redispatch
from quartier.redispatch.cure import VIOLATED
from quartier.redispatch.elements import Elements
from quartier.redispatch.headroom import SPARE
from tests.unit.grids import at_caps, injections, net, network, plants, problem

STEPS = 6
GRIDS = [network(), network((0,), (93,)), network((), (), 60.0), network((), (), 45.0)]


def random_offers(rng: np.random.Generator, row: int) -> list[Offer]:
    """Plants up to twice their size, some of them rigid, and three odd neighbourhoods."""
    offers = []
    for plant in plants(row, STEPS):
        p_kw = plant.p_kw * rng.uniform(0.3, 2.0)
        price = float(rng.choice([0.1, 0.1, 0.2, 0.0]))
        down = p_kw * rng.choice([1.0, 1.0, 0.5, 0.0])
        offers.append(replace(plant, p_kw=p_kw, down_kw=down, price_eur_per_kwh=price))
    for k, bus in enumerate(rng.choice(net().bus.index[4:], 3)):
        p_kw = rng.normal(0, 1500, STEPS)
        down, up = rng.uniform(0, 1500, (2, STEPS)) * rng.integers(0, 2, (2, STEPS))
        price = float(rng.choice([0.1, 0.3]))
        place = Offer(f"n{k}", "neighbourhood", int(bus), p_kw, down, up, 0 * p_kw, 0.1, price)
        offers.append(place)
    return offers


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=st.sampled_from(GRIDS),
    row=st.integers(0, 360 * 96),
    tap_pos=st.integers(-3, 4),
    rules=st.fixed_dictionaries(
        {
            "taps": st.booleans(),
            "sensitivity_threshold": st.sampled_from([0.01, 0.0]),
            "share_tolerance": st.sampled_from([0.1, 0.0]),
            "discrete_steps": st.sampled_from([None, None, [1.0, 0.6, 0.3, 0.0]]),
        }
    ),
)
def test_solved_is_clean_tight_and_without_rebound(seed, grid, row, tap_pos, rules):
    offers = random_offers(np.random.default_rng(seed), row)
    asked = problem(grid, row, STEPS, tap_pos, **rules)
    found = redispatch(asked, offers)
    elements = Elements(grid, asked.settings)

    def worst(p_kw) -> np.ndarray:
        state = BatchPowerFlow.of(grid).solve(
            injections(asked, offers, p_kw), asked.background_q_mvar, found.tap_pos
        )
        return elements.excess(state).max(axis=1)

    offered = {o.asset: o.p_kw for o in offers}
    after, before = worst(found.p_kw), worst(offered)
    # Within the bands, and moved only where something was violated.
    change = np.column_stack([found.p_kw[o.asset] - o.p_kw for o in offers])
    assert all((found.p_kw[o.asset] >= o.p_kw - o.down_kw - 1e-6).all() for o in offers)
    assert all((found.p_kw[o.asset] <= o.p_kw + o.up_kw + 1e-6).all() for o in offers)
    moved = (np.abs(change) > 1e-3).any(axis=1)
    assert (before[moved] > VIOLATED).all()
    # Solved or reported, and tight.
    assert np.array_equal(after > VIOLATED, found.unsolved)
    if rules["discrete_steps"] is None:
        assert (after[moved & ~found.unsolved] >= -1.0).all()
    # With everybody at the end of the headroom no step gets worse than its tolerance.
    for sign in (1, -1):
        ends = worst(at_caps(offers, found, sign))
        assert (ends <= np.maximum(VIOLATED, after + SPARE + 0.1)).all()
