"""The run folder: tables written while a run goes on, and read back afterwards."""
