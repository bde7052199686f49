"""Numbers and problems from the literature."""
