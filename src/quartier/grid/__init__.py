"""The distribution grid: network data and power flow."""
