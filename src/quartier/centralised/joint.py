"""Grid, plants and neighbourhoods' own blocks in one program (M4, M7)."""

from __future__ import annotations

from typing import TypeAlias

from quartier.centralised.member import Member
from quartier.redispatch import joint

Joint: TypeAlias = joint.Joint[Member]
"""The program of :mod:`quartier.redispatch.joint` with the units of neighbourhoods in it."""
