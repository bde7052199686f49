"""What the DSO does: taps, sensitivities, the cheapest caps, checked in AC."""
