"""The SimBench grid of the scenario fliegerhorst, its profiles, and problems made of them."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pandas as pd

from quartier.grid import simbench
from quartier.grid.network import Network
from quartier.grid.power_flow import BatchPowerFlow
from quartier.grid.tables import Tables
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import Array, Horizon
from quartier.redispatch import Redispatch
from quartier.scenario.settings import RedispatchSettings

CODE = "1-MV-rural--2-sw"
FEED_IN_ROW, LOAD_ROW = 206 * 96, 27 * 96
"""Rows of the SimBench year with much feed-in and with much load (M2)."""
BUS = 15
"""Bus of the neighbourhood: feeder 1, behind line 10."""
BINDING = 10
"""Line that the feed-in overloads."""
STEPS = 130
NOON = slice(30, 62)
"""Eight hours, for tests that need no whole horizon."""
PRICE, RAISE_PRICE = 0.10, 0.30
TOLERANCE_PERCENT, TOLERANCE_PU = 0.1, 1e-4
"""Those of the default settings."""


@functools.cache
def net() -> Tables:
    """The grid as SimBench has it; do not change it."""
    return simbench.network(CODE)


@functools.cache
def network(
    lines_out: tuple[int, ...] = (), lines_in: tuple[int, ...] = (), limit: float | None = None
) -> Network:
    return Network(net(), 0, lines_out, lines_in, limit)


@functools.cache
def profile(name: str) -> Array:
    return simbench.profiles(2, [name])[name]


def profiles(names, row: int, steps: int) -> Array:
    return np.column_stack([profile(name)[row : row + steps] for name in names])


@functools.cache
def background(row: int, steps: int = STEPS) -> tuple[Array, Array]:
    """Loads and small plants at every bus, ``(steps, n_bus)`` each; do not change them."""
    grid = net()
    load, small = grid.load, grid.sgen[grid.sgen.type == "lv_RES"]
    p_mw, q_mvar = np.zeros((2, len(grid.bus), steps))
    pload = profiles(load.profile + "_pload", row, steps) * load.p_mw.to_numpy()
    qload = profiles(load.profile + "_qload", row, steps) * load.q_mvar.to_numpy()
    renewable = profiles(small.profile, row, steps) * small.p_mw.to_numpy()
    np.add.at(p_mw, load.bus.to_numpy(), -pload.T)
    np.add.at(q_mvar, load.bus.to_numpy(), -qload.T)
    np.add.at(p_mw, small.bus.to_numpy(), renewable.T)
    return p_mw.T.copy(), q_mvar.T.copy()


def plants(row: int, steps: int = STEPS) -> list[Offer]:
    """The 12 plants at medium voltage, offering what is available."""
    zero = np.zeros(steps)
    table = net().sgen[net().sgen.type != "lv_RES"]
    # Profiles of wind have noise below zero.
    available = 1000 * np.maximum(profiles(table.profile, row, steps), 0) * table.p_mw.to_numpy()
    return [
        Offer(name, "der", int(bus), p_kw, p_kw, zero, zero, PRICE, RAISE_PRICE)
        for name, bus, p_kw in zip(table.name, table.bus, available.T, strict=True)
    ]


def feeding(
    name: str = "place",
    bus: int = BUS,
    pv_mw: float = 0.9,
    wind_mw: float = 2.3,
    up_kw: float = 500.0,
    steps: int = STEPS,
) -> Offer:
    """A neighbourhood with much sun and wind, lowerable to -300 kW."""
    pv, wind = profiles(["PV3", "WP4"], FEED_IN_ROW, steps).T
    p_kw = 1000 * (pv * pv_mw + wind * wind_mw - 0.08)
    up, zero = np.full(steps, up_kw), np.zeros(steps)
    return Offer(name, "neighbourhood", bus, p_kw, p_kw + 300.0, up, zero, PRICE, RAISE_PRICE)


def drawing(steps: int = STEPS) -> Offer:
    """A neighbourhood whose vehicles charge in the evening: up to 1.69 MW."""
    hour = 0.25 * np.arange(steps) % 24
    charging = np.where((hour >= 17) & (hour < 23), 1300 * np.exp(-(((hour - 19.5) / 1.6) ** 2)), 0)
    rest = 250 + 120 * np.exp(-(((hour - 19) / 3) ** 2))
    p_kw, down = -(rest + charging) - 20.0, np.full(steps, 1200.0)
    zero = np.zeros(steps)
    return Offer(
        "place", "neighbourhood", BUS, p_kw, down, charging + 20.0, zero, PRICE, RAISE_PRICE
    )


def problem(
    grid: Network, row: int, steps: int = STEPS, tap_pos: int = 0, **settings: object
) -> NetworkProblem:
    """What the DSO is asked; ``settings`` are those of redispatch."""
    horizon = Horizon(pd.Timestamp("2016-07-24T23:00", tz="UTC"), steps, 0.25)
    chosen = RedispatchSettings.model_validate(settings)
    return NetworkProblem(grid, horizon, *background(row, steps), chosen, tap_pos)


def injections(asked: NetworkProblem, offers: list[Offer], p_kw: dict[str, Array]) -> Array:
    """Injections at every bus in MW with the assets at ``p_kw``."""
    p_mw = asked.background_p_mw.copy()
    for offer in offers:
        p_mw[:, asked.network.position(offer.bus)] += p_kw[offer.asset] / 1000
    return p_mw


def at_caps(offers: list[Offer], found: Redispatch, sign: int) -> dict[str, Array]:
    """Every neighbourhood at the upper (``sign`` 1) or lower (-1) end that its caps allow.

    Those that were not reduced in any step have no reason to leave what they offered.
    """
    power = {}
    for offer in offers:
        cap = found.caps[offer.asset]
        free = offer.p_kw
        if offer.kind == "neighbourhood" and np.abs(reduced([offer], found)).max() > 1e-6:
            free = offer.p_kw + (offer.up_kw if sign > 0 else -offer.down_kw)
        end = np.clip(free, cap.p_min_kw, cap.p_max_kw)
        # No limit can demand that one who draws power goes on to do so.
        limit = cap.p_max_kw if sign > 0 else cap.p_min_kw
        beyond = (limit == 0) & (sign * found.p_kw[offer.asset] < 0)
        power[offer.asset] = np.where(beyond, found.p_kw[offer.asset], end)
    return power


def cut(offer: Offer, steps: slice) -> Offer:
    """An offer over some of the steps."""
    names = ("p_kw", "down_kw", "up_kw", "q_kvar")
    return replace(offer, **{name: getattr(offer, name)[steps] for name in names})


def solve(grid, offers, p_kw, asked, tap_pos):
    return BatchPowerFlow.of(grid).solve(
        injections(asked, offers, p_kw), asked.background_q_mvar, tap_pos
    )


def worst(grid, state) -> tuple[float, float]:
    """Greatest violation in percent and pu; negative where everything is kept."""
    loading = max(
        (state.line_loading_percent - grid.line_limit_percent).max(),
        (state.transformer_loading_percent - grid.transformer_limit_percent).max(),
    )
    voltage = max((state.vm_pu - grid.vm_max_pu).max(), (grid.vm_min_pu - state.vm_pu).max())
    return float(loading), float(voltage)


def assert_clean(grid, state) -> None:
    loading, voltage = worst(grid, state)
    assert loading <= TOLERANCE_PERCENT
    assert voltage <= TOLERANCE_PU


def reduced(offers, found: Redispatch) -> np.ndarray:
    """By how much every asset is lowered in kW, shape ``(T, A)``."""
    return np.column_stack([o.p_kw - found.p_kw[o.asset] for o in offers])
