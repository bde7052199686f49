"""Figures of several runs side by side: tables by run in, Plotly figures on shared axes out."""
