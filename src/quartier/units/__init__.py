"""Physics of units, one file a kind."""
