"""A player that prices carriers, with everything known (M10; seed 002).

`players` puts neighbourhoods at prices and says what they draw; `pooled` is one program of all of
them at given prices, `game` the player's own: the bi-level problem; `mechanisms` has the four.
"""
