"""Figures: pure functions from tables of a run to Plotly figures, one family a file.

They know neither run folders nor pages. Every figure states in ``layout.meta`` how its data are
called, so that a page can offer them as CSV; see :mod:`quartier.figures.style`.
"""
