"""All that a simulator takes is checked where it comes in, and named with the time.

What is tried follows from the simulators' own lists of attributes, so that none is forgotten: an
attribute is only handed out, or it is tried here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

from quartier.errors import RunFailed
from quartier.results import Result
from quartier.run import run
from quartier.simulators import grid, nodes, recorder, unit
from quartier.simulators.inputs import AtBoundary
from quartier.simulators.time_based import TimeBased
from quartier.simulators.wiring import wiring
from quartier.units import KINDS
from tests.unit.grid_cases import village

CASES = Path(__file__).parents[1] / "cases"
GIVEN = {
    "Fleet": unit.FLEET_OUTPUTS,
    "Grid": set(grid.MODELS["Grid"]["attrs"]) - {"power", "tap_pos"},
    "Nodes": ("nodes", "unit_cost"),
}
"""What is only handed out."""
ASKED = ("set_point_kw", "planned_kw", "sales")
"""NaN and infinity are orders, too: nothing, and as much as there is."""
NO_PLAN = {("Nodes", "sales"), ("Grid", "tap_pos"), ("Recorder", "allocation")}
"""None says that nothing is planned."""


def attributes() -> list[tuple[str, str]]:
    """Entity and attribute of all that arrays and blocks of columns come in by."""
    models = {**unit.models(["battery"]), **grid.MODELS, **nodes.MODELS}
    found = [(e, a) for e in GIVEN for a in models[e]["attrs"] if a not in GIVEN[e]]
    wires = [wire for has in (True, False) for wire in wiring(list(KINDS), has_grid=has)]
    taken = {wire.target.rpartition(".")[2] for wire in wires if "Recorder" in wire.target}
    return [*found, *(("Recorder", name) for name in sorted(taken))]


def wrongs(entity: str, name: str) -> list[Any]:
    """Values that it must refuse."""
    none = [] if (entity, name) in NO_PLAN else [None]
    odd: list[Any] = [*none, "12", object(), True, [[1.0], [1.0, 2.0]]]
    if entity == "Recorder" and name not in ("unit_cost", "slack_p_mw"):
        always = recorder.NEVER_NAN.get(name, ())
        missing = [{}] if always else []
        if name not in ("records", "allocation"):
            missing.append({"nobody": 1.0})
        nan = [dict.fromkeys(always, 1.0) | {one: float("nan")} for one in always]
        text = [dict.fromkeys(always, "much")] if always else []
        return [*odd, 3.0, *missing, *nan, *text]
    shape = [np.ones(17), np.ones((1, 17)), np.array([True]), np.array([None, 1.0])]
    return [*odd, *shape, *([] if name in ASKED or name == "slack_p_mw" else [np.nan, np.inf])]


Step: TypeAlias = Callable[[TimeBased, int, Any, int], int]
ATTRIBUTES = attributes()


def not_refused(step: Step, sim: TimeBased, time: int, inputs: Any) -> Iterator[str]:
    """Wrong values, each in the place of a right one, that are not refused by their name."""
    for eid, taken in inputs.items():
        entity = "Fleet" if isinstance(sim, unit.UnitSimulator) else eid
        for name in (name for name in taken if (entity, name) in ATTRIBUTES):
            TRIED.add((entity, name))
            source = next(iter(taken[name]))
            where = rf"{re.escape(f'{eid}.{name}')}(\.\w+)? (from {re.escape(source)} )?"
            for wrong in wrongs(entity, name):
                spoilt = {**inputs, eid: {**taken, name: {**taken[name], source: wrong}}}
                told = "accepted"
                try:
                    step(sim, time, spoilt, 0)
                except AtBoundary as error:
                    told = "" if re.match(where, str(error)) else str(error)
                except Exception as error:
                    told = f"{type(error).__name__}: {error}"
                if told:
                    yield f"{eid}.{name} is {wrong!r}: {told}"


TRIED: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Everything that has a memory, on a grid; and a pool whose energy is settled by a rule."""
    folder = tmp_path_factory.mktemp("cases") / "resume"
    shutil.copytree(CASES / "resume", folder)
    pp.to_json(village(), str(folder / "grid.json"))
    return [folder, CASES / "sharing"]


def executed(folder: Path, out: Path) -> Result:
    few = ["horizon.steps=3", "coordination=uncontrolled", "baseline=uncontrolled"]
    return run(folder, overrides=few, out=out, report=False)


def test_every_wrong_value_is_refused_where_it_comes_in(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of runs, which then go on as if nothing had been tried."""
    found: list[str] = []
    usual = [executed(folder, tmp_path / "usual" / folder.name) for folder in folders]

    def trying(step: Step) -> Step:
        def tries(sim: TimeBased, time: int, inputs: Any, max_advance: int) -> int:
            found.extend(not_refused(step, sim, time, inputs))
            return step(sim, time, inputs, max_advance)

        return tries

    for of in (unit.UnitSimulator, grid.Grid, nodes.Nodes, recorder.Recorder):
        monkeypatch.setattr(of, "step", trying(of.step))
    for folder, one in zip(folders, usual, strict=True):
        other = executed(folder, tmp_path / "tried" / folder.name)
        for table in ("units", "connection_points"):
            pd.testing.assert_frame_equal(one.table(table), other.table(table))
    assert found == []
    assert set(ATTRIBUTES) == TRIED


def test_the_run_says_who_what_and_when(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = grid.Grid.step

    def spoilt(sim: grid.Grid, time: int, inputs: Any, max_advance: int) -> int:
        if sim.step_number(time) == 1:
            source = next(iter(inputs["Grid"]["power"]))
            inputs["Grid"]["power"][source][0, 0, 1] = np.nan
        return step(sim, time, inputs, max_advance)

    monkeypatch.setattr(grid.Grid, "step", spoilt)
    told = (
        r"^grid\.Grid\.power from \S+ is nan at \[0, 1\] @ step 1 \(2016-05-02 04:30:00\+00:00\)$"
    )
    with pytest.raises(RunFailed, match=told):
        executed(folders[0], tmp_path / "run")
