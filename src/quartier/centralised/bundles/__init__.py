"""Bundles: who is offered what at which price, and how large the system is that serves it (M11).

`technical` is the system of least cost that serves whoever buys; `offers` puts the users' choice
beside it, at once or cut by cut.
"""
