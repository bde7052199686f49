"""What a scenario file may say, and how it becomes data for a run.

`load` reads the file (`yaml_file`, `overrides`) into the frozen `models` (`settings`,
`communication`); errors become sentences in `problems`. `assemble` then reads all data, grid
(`grid_data`, `names`, `left_out`) and units (`unit_reader`, `nodes`, `sessions`), checks what must
hold between them (`checks`, `communication_checks`, `coverage`), and collects everything in
`findings`; `repair` lets it go on beside wrong parts. A source goes through `series`, which finds
it (`csv_series`, `tariff`, `weather`), into a `record`, and through the checks of `checked`.
"""
