"""Preventive caps: how far assets may leave their power, all at once, without a violation.

An asset whose schedule is planned anew in answer to a cap shifts energy into other steps and
would overload those (rebound). So in every step each flexible asset that is reduced in some step of
the window gets a share of the headroom (the others keep to what they offered, and need a cap only
where they act on what binds): from its power towards the end of its band, the same share λ for
all, as large as the AC limits allow with all of them there at once. Assets that act on the limit
that is reached stay there; the others, say in another feeder, go on. In a congested step there is
no headroom for assets that act on what binds.

A band says what a single step could do; a schedule planned anew may do more. So headroom is
looked for beyond the band as well, up to what the asset offers in any step of the window; only
an asset that may go that far is left without a cap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.redispatch.cure import Cured
from quartier.redispatch.greatest_share import Steps, greatest_share
from quartier.redispatch.grid_model import GridModel

SPARE = 0.5
"""Excess allowed, where a limit is reached, to assets that hardly act on it."""
BINDS = -1.0
"""Excess from which an element of a congested step counts as binding."""
BAND, WIDEST = 1.0, 2.0
"""Share λ at which the end of the band is reached, and at which the widest power is."""


@dataclass(frozen=True)
class Headroom:
    """Headroom in one direction, shape ``(T, A)``.

    Attributes
    ----------
    p_mw
        Power that the assets may go to.
    free
        Whether an asset needs no cap: it may go as far as it ever offers, or plans nothing anew.
    element
        Number of the element that limits it; -1 where none does.
    """

    p_mw: Array
    free: NDArray[np.bool_]
    element: NDArray[np.int64]


def headroom(model: GridModel, cured: Cured, sign: int) -> Headroom:
    """Find the headroom upwards (``sign`` 1) or downwards (-1) of the cured state."""
    filling = _Filling(model, cured, sign)
    for _ in range(int(planning_anew(model, cured).sum())):
        if not filling.open.any():
            break
        filling.raise_shares()
    return Headroom(
        p_mw=filling.power(filling.share),
        free=np.where(planning_anew(model, cured), filling.share >= WIDEST, ~filling.held),
        element=filling.element,
    )


def planning_anew(model: GridModel, cured: Cured) -> NDArray[np.bool_]:
    """Whether a flexible asset is reduced in some step, and so plans anew, shape ``(A,)``."""
    reduced = np.abs(cured.p_mw - model.assets.offered_mw) > 0
    return model.assets.flexible & reduced.any(axis=0)


class _Filling:
    """Raises the shares of all assets together, leaving behind whoever meets a limit."""

    def __init__(self, model: GridModel, cured: Cured, sign: int) -> None:
        self._model, self._cured, self._sign = model, cured, sign
        self._band, self._beyond = _reach(model, cured, sign)
        flexible = np.broadcast_to(planning_anew(model, cured), cured.p_mw.shape)
        self.share = np.zeros(cured.p_mw.shape)
        self.element = np.full(cured.p_mw.shape, -1)
        self.held = self._congested() | ~cured.state.converged[:, None]
        self.open = flexible & ~self.held
        tight = np.asarray(self.held.any(axis=1) | cured.congested)
        spare = np.where(tight, SPARE, 0.0)[:, None]
        present = np.nan_to_num(cured.excess, nan=np.inf, neginf=0.0)
        self._allowed = np.maximum(present, spare)

    def power(self, share: Array, steps: Steps | slice = slice(None)) -> Array:
        """Power at some shares, shape ``(steps, A)``."""
        inside, outside = np.minimum(share, BAND), np.maximum(share - BAND, 0.0)
        reach = inside * self._band[steps] + outside * self._beyond[steps]
        return np.asarray(self._cured.p_mw[steps] + self._sign * reach)

    def raise_shares(self) -> None:
        """Raise the open shares as far as the limits allow, and close what meets one."""
        moving = np.asarray(self.open.any(axis=1))
        found, element = greatest_share(self._excess, moving, 1.0)
        self.share = self._shares(found, slice(None))
        self.open &= np.less(found, 1.0)[:, None]
        steps = np.flatnonzero(self.open.any(axis=1))
        acting = self._acting(steps, element[steps]) & self.open[steps]
        # Where nobody acts on the limit, everybody stays.
        acting |= ~acting.any(axis=1, keepdims=True) & self.open[steps]
        self.element[steps] = np.where(acting, element[steps][:, None], self.element[steps])
        self.open[steps] &= ~acting
        self._allowed[steps] = np.maximum(self._allowed[steps], SPARE)

    def _shares(self, found: Array, steps: Steps | slice) -> Array:
        """Open shares raised by a part of what is left of them."""
        share = self.share[steps]
        raised = share + found[:, None] * (WIDEST - share)
        return np.where(self.open[steps], raised, share)

    def _excess(self, found: Array, steps: Steps) -> tuple[Array, NDArray[np.int64]]:
        power = self.power(self._shares(found, steps), steps)
        state = self._model.solve(power, self._cured.state.tap_pos, steps)
        over = np.nan_to_num(self._model.excess(state) - self._allowed[steps], nan=np.inf)
        return over.max(axis=1), over.argmax(axis=1)

    def _acting(self, steps: Steps, element: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether an asset drives an element of the step towards its limit."""
        if not steps.size:
            return np.zeros_like(self.open[steps])
        columns, place = np.unique(element, return_inverse=True)
        power = self.power(self.share[steps], steps)
        state = self._model.solve(power, self._cured.state.tap_pos, steps)
        slopes = self._model.slopes(state, power, steps, columns)
        own = np.take_along_axis(slopes, place[:, None, None], axis=1)[:, 0]
        return np.asarray(self._sign * own > 0)

    def _congested(self) -> NDArray[np.bool_]:
        """Assets without headroom: reduced, or acting on what binds in a congested step."""
        model, cured = self._model, self._cured
        reduced = self._sign * (model.assets.offered_mw - cured.p_mw) > 0
        self.element[reduced] = cured.driving[reduced]
        steps = np.flatnonzero(cured.congested & cured.state.converged)
        tight = cured.excess[steps] >= BINDS
        columns = np.flatnonzero(tight.any(axis=0))
        if not columns.size:
            return reduced
        slopes = model.slopes(cured.state.take(steps), cured.p_mw[steps], steps, columns)
        towards = np.where(tight[:, columns][..., None], self._sign * slopes, 0.0)
        acting = (towards.max(axis=1) > 0) & ~reduced[steps]
        most = columns[towards.argmax(axis=1)]
        self.element[steps] = np.where(acting, most, self.element[steps])
        reduced[steps] |= acting
        return reduced


def _reach(model: GridModel, cured: Cured, sign: int) -> tuple[Array, Array]:
    """Distance to the end of the band, and from there to the widest power, in MW."""
    assets = model.assets
    end = assets.high_mw if sign > 0 else assets.low_mw
    band = np.maximum(sign * (end - cured.p_mw), 0.0)
    widest = (sign * end).max(axis=0, initial=-np.inf)
    beyond = np.maximum(widest - np.maximum(sign * end, sign * cured.p_mw), 0.0)
    return band * assets.flexible, beyond * assets.flexible
