"""Followers in matrix form whose columns the leader charges: prices, or caps written as charges.

Where a response exceeds its cap, or the cap's dual μ is zero, the cap that equals the response has
the same response and the same dual. So a leader of caps sets each where the response is, or leaves
it free, and decides the dual instead: a charge ``0 <= μ <= limit`` on what is capped, whose
complementarity holds by construction.

What is declared is a :class:`~quartier.optimisation.bilevel.charged.follower.ChargedFollower` each,
and the leader's program with all of them inside: a
:class:`~quartier.optimisation.bilevel.charged.leader.MatrixLeader`, or one's own
:class:`~quartier.optimisation.bilevel.charged.single.Upper`. The way of a solve: `follower`
has the bounds of duals and the optimality conditions, by the layer's own rules; `single` puts them
into the leader's program; `search` finds feasible points by turns, `windows` improves them, and
`solve` bounds what is left by branch and bound; `certify` solves the followers alone.
"""
