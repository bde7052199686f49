"""Centralised mechanisms, the benchmark of the agents: individual, central, bi-level (M7).

`individual` is offers, rounds of redispatch and answers of `neighbourhood`; `central` puts
everything into one program (`joint`, of `member` and of the grid's linear model, `linear_grid` in
`network`). `bilevel` asks the `game`, which is `leader` and members handed to the bi-level layer,
at this tap position and others (`other_taps`); `execution` turns what comes back into a plan by
its true `outcome`, `pessimistic` says what it may cost at worst. `fronts` and `upper_front` (with
`upper_program`) trace trade-offs. `sharing` answers the problem of that name.
"""
