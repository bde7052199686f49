"""What the DSO does: taps, sensitivities, the cheapest caps, checked in AC.

From offers to caps: `rounds` repeats redispatch with what the neighbourhoods could not keep;
`process` does it once. `assets` reads the offers into arrays, `taps` looks for the tap position,
`cure` removes what is violated there: it linearises the grid (`grid_model`, `elements`), finds
what may be moved (`levers`) and what is cheapest (`cheapest_powers`, the linear program).
`headroom` (by `greatest_share`) is how far the others may go, `caps` writes P_set with its
reasons.

With prices in place of caps: `linear_grid` and `joint` are the grid and its operator's cost as a
program, also of `centralised`; `answered` puts answers in place of units, `grid_others` is what is
left, `limit_prices` looks for prices, `flexibility_market` clears bids, `priced_caps` says why.
"""

from quartier.redispatch.process import Redispatch, redispatch

__all__ = ["Redispatch", "redispatch"]
