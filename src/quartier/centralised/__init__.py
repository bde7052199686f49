"""Centralised mechanisms, the benchmark of the agents: individual, central, bi-level (M7)."""
