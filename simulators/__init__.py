"""mosaik simulators: the grid, one per kind of unit, the planner and the recorder."""
