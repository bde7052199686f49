"""What the README shows is there; ``test_docs.py`` runs it."""

import re
from pathlib import Path

import pytest

from quartier.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_there_are_two_commands_one_to_run_and_one_to_test():
    run, test = blocks("sh")
    assert run.splitlines()[-1] == "quartier run fliegerhorst"
    assert test.splitlines()[-1] == "pytest"


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
    for path in re.findall(r"\]\((\w[\w./-]*)\)", README):
        assert (ROOT / path).exists(), path
