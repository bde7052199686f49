"""Scenarios that come with Quartier: one folder a study, no code."""
