"""What the DSO does: taps, sensitivities, the cheapest caps, checked in AC."""

from quartier.redispatch.process import Redispatch, redispatch

__all__ = ["Redispatch", "redispatch"]
