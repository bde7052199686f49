"""Coordination mechanisms that agents carry out, one file each."""
