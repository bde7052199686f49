"""What the README shows works as printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from quartier.cli import app
from quartier.results import Result

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def quartier(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "quartier", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_two_commands_one_to_run_and_one_to_test():
    run, test = blocks("sh")
    assert run.splitlines()[-1] == "quartier run fliegerhorst"
    assert test.splitlines()[-1] == "pytest"


def test_own_strategy_runs_and_keeps_what_it_promises(tmp_path):
    (strategy,) = blocks("python")
    (tmp_path / "mine.py").write_text(strategy)
    (name,) = set(re.findall(r"--coordination (mine:\w+)", README))
    noon = ("--set", "horizon.start=2016-07-25T12:00", "--set", "horizon.steps=4")
    done = quartier(tmp_path, "run", "fliegerhorst", "--coordination", name, *noon, "--out", "run")
    assert done.returncode == 0, done.stderr
    units = Result.open(tmp_path / "run").table("units")
    pv = units[(units["kind"] == "pv") & units["neighbourhood"].notna()]
    assert (pv["p_kw"] <= 0.5 * 900 + 1e-6).all()
    assert (pv["p_kw"] <= pv["available_kw"] + 1e-6).all()
    assert (pv["p_kw"] < pv["available_kw"] - 1).any(), "the example shows no effect"


@pytest.mark.parametrize("line", re.findall(r"^\$ quartier (.+)$", README, flags=re.MULTILINE))
def test_commands_shown_exist_with_their_options(line, capsys):
    words = line.split("#")[0].split("&&")[0].split()
    assert words[0] in {"run", "compare", "list", "new", "validate"}
    with pytest.raises(SystemExit) as end:
        app([words[0], "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for option in (word for word in words if word.startswith("--")):
        assert option in shown


def test_files_named_exist():
    for path in set(re.findall(r"`((?:src|agents|simulators|scenarios)/[\w/.]+)`", README)):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\((\w[\w.]*)\)", README):
        assert (ROOT / path).exists(), path
