"""Quartier."""
