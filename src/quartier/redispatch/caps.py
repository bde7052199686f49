"""Caps (P_set) and the rows that give their reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.coordination import Cap
from quartier.problem import Offer
from quartier.quantities import KW_PER_MW, Array, Horizon
from quartier.redispatch.assets import Assets
from quartier.redispatch.cure import Cured
from quartier.redispatch.grid_model import GridModel
from quartier.redispatch.headroom import Headroom


@dataclass(frozen=True)
class Room:
    """Headroom upwards and downwards."""

    up: Headroom
    down: Headroom


def moved(assets: Assets, cured: Cured, sign: int) -> NDArray[np.bool_]:
    """Whether the power of an asset was lowered (``sign`` 1) or raised (-1), shape ``(T, A)``."""
    return np.asarray(sign * (assets.offered_mw - cured.p_mw) > 0)


def caps_of(assets: Assets, cured: Cured, room: Room) -> dict[str, Cap]:
    """Caps by asset, in kW.

    A reduced asset is capped at its reduced power, and in all other steps kept within its headroom,
    unless it may go as far as it ever offers. Others are kept from adding to what binds. P_set is a
    limit: it demands neither consumption nor feed-in.
    """
    most = np.maximum(_limits(assets, cured, room.up, 1), 0.0)
    least = np.minimum(_limits(assets, cured, room.down, -1), 0.0)
    return {
        name: Cap(p_max_kw=most[:, k].copy(), p_min_kw=least[:, k].copy())
        for k, name in enumerate(assets.names)
    }


def _limits(assets: Assets, cured: Cured, room: Headroom, sign: int) -> Array:
    kept = assets.flexible & ~room.free
    limit = np.where(kept, room.p_mw, sign * np.inf)
    return KW_PER_MW * np.where(moved(assets, cured, sign), cured.p_mw, limit)


def cap_rows(
    horizon: Horizon,
    offers: Sequence[Offer],
    model: GridModel,
    cured: Cured,
    room: Room,
    caps: Mapping[str, Cap],
) -> Iterator[dict[str, Any]]:
    """Rows of the table ``redispatch`` without gate and round, by step and asset.

    The reason of a cap is the element that a reduction relieves, or ``preventive: `` and the
    element that a larger power would violate; a consumption cap says so in brackets.
    """
    slopes = _sensitivities(model, cured, room)
    costs = model.assets.cost_eur(cured.p_mw)
    reduced = {sign: moved(model.assets, cured, sign) for sign in (1, -1)}
    for step, time in enumerate(horizon.times):
        for k, offer in enumerate(offers):
            cap = caps[offer.asset]
            for sign, limit, head in ((1, cap.p_max_kw, room.up), (-1, cap.p_min_kw, room.down)):
                if not np.isfinite(limit[step]):
                    continue
                real = bool(reduced[sign][step, k])
                element = int((cured.driving if real else head.element)[step, k])
                yield {
                    "time": time,
                    "asset": offer.asset,
                    "kind": offer.kind,
                    "offered_kw": float(offer.p_kw[step]),
                    "p_set_kw": float(limit[step]),
                    "reason_element": _reason(model, element, real, sign),
                    "sensitivity": slopes(step, k, element),
                    "cost_eur": float(costs[step, k]) if real else 0.0,
                }


def _reason(model: GridModel, element: int, real: bool, sign: int) -> str:
    label = model.elements.label(element) if element >= 0 else "the power flow"
    direction = "" if sign > 0 else " (consumption)"
    return f"{label}{direction}" if real else f"preventive: {label}{direction}"


def _sensitivities(model: GridModel, cured: Cured, room: Room) -> Callable[[int, int, int], float]:
    """Look up how an asset acts on an element in a step, in %/MW or pu/MW."""
    elements = np.concatenate([room.up.element, room.down.element, cured.driving])
    columns = np.unique(elements[elements >= 0])
    steps = np.flatnonzero(cured.state.converged)
    found = np.full((model.assets.shape[0], columns.size, model.assets.shape[1]), np.nan)
    state = cured.state.take(steps)
    found[steps] = model.slopes(state, cured.p_mw[steps], steps, columns, weak=True)

    def look_up(step: int, asset: int, element: int) -> float:
        if element < 0:
            return float("nan")
        slope = float(found[step, np.searchsorted(columns, element), asset])
        return model.elements.physical(element, slope)

    return look_up
