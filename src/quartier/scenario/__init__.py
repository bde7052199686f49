"""What a scenario file may say, and how it becomes data for a run."""
