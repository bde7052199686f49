"""Every block of code in the README and in the documentation runs as printed.

A page is a story in a folder of its own: blocks with a title are files, Python blocks share their
names, command lines (``$ ...``) run in a process each and must print what the page shows of it.
Blocks of YAML without a title must be valid in a scenario. Runs whose horizon the page does not
state are shortened to a few steps. A command line that ends with ``&`` runs beside the next ones:
ours must end well, others are ended. What cannot run here stands below ``<!-- not run: why -->``.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from quartier.scenario.load import validated
from quartier.scenario.overrides import merged

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
WORKER = Path(__file__).with_name("docs_worker.py")
NOT_RUN = re.compile(r"<!-- not run: \S.*-->")
MOST_NOT_RUN = 5
SHORT = ("--set", "horizon.steps=4")
LONG = 24
"""Most steps of a horizon that is run as it is."""
FILES = {"python", "yaml", "csv"}
"""Languages that a block with a title is a file in."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    title: str | None
    content: str
    runs: bool

    @property
    def name(self) -> str:
        return str(self.page.relative_to(ROOT))


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    lines = text.splitlines()
    for token in MarkdownIt().parse(text):
        if token.type == "fence":
            first = token.map[0]
            language, _, rest = token.info.strip().partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            before = next((line for line in reversed(lines[:first]) if line.strip()), "")
            yield Block(
                page,
                first + 1,
                language,
                title[1] if title else None,
                token.content,
                not NOT_RUN.fullmatch(before.strip()),
            )


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


class Story:
    """A page that is being followed.

    Parameters
    ----------
    folder
        Where its files are written and its commands run.
    """

    def __init__(self, folder: Path, start) -> None:
        self.folder, self._start = folder, start
        self._python = None
        self._beside: list[subprocess.Popen[bytes]] = []

    def follow(self, block: Block) -> None:
        if block.title is not None and block.language in FILES:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.content, encoding="utf-8")
        elif block.language in {"python", "pycon"}:
            self._python = self._python or self._start(self.folder)
            self._ask(self._python, block.language, block.content, block)
        elif block.language == "console":
            self._commands(block)
        elif block.language == "yaml":
            assert_valid_in_a_scenario(block)
        else:
            assert block.language == "text", f"{block.name}:{block.line}: {block.language}?"

    def _ask(self, connection, task: str, content, block: Block) -> str:
        connection.send((task, content, block.name, block.line))
        code, told = connection.recv()
        assert code == 0, f"{block.name}:{block.line} ends with {code}:\n{content}\n{told}"
        return told

    def _commands(self, block: Block) -> None:
        told = ""
        for line in block.content.splitlines():
            if line.startswith("$ ") and line.endswith(" &"):
                self._begin(shlex.split(line[2:-2]))
            elif line.startswith("$ "):
                told = "".join(self._command(words, block) for words in commands(line[2:]))
            else:
                shown, printed = " ".join(line.split()), " ".join(told.split())
                assert shown in printed, f"{block.name}:{block.line}: {line!r} not in\n{told}"

    def _begin(self, words: list[str]) -> None:
        ours = words[0] == "quartier"
        program = shutil.which(words[0], path=f"{os.environ['PATH']}:/usr/sbin")
        assert ours or program, f"{words[0]} is needed"
        started = [sys.executable, "-m", "quartier"] if ours else [str(program)]
        self._beside.append(subprocess.Popen([*started, *words[1:]], cwd=self.folder))

    def end(self) -> None:
        """Wait for what runs beside; end what does not end by itself."""
        for process in self._beside:
            if "quartier" not in process.args:
                process.kill()
                process.wait()
            else:
                assert process.wait(60) == 0, process.args

    def _command(self, words: list[str], block: Block) -> str:
        if (
            words[0] == "quartier"
            and words[1] in {"run", "compare"}
            and is_long(words, self.folder)
        ):
            words = [*words, *SHORT]
        connection = self._start(self.folder)
        try:
            return self._ask(connection, "command", words, block)
        finally:
            connection.send(None)


def commands(line: str) -> Iterator[list[str]]:
    """Commands of a line, without comments."""
    words = shlex.split(line, comments=True)
    while words:
        end = words.index("&&") if "&&" in words else len(words)
        yield words[:end]
        words = words[end + 1 :]


def is_long(words: list[str], folder: Path) -> bool:
    """Whether a run would be one of a shipped scenario, or of a new one, in full."""
    if any("horizon.steps" in word for word in words):
        return False
    own = folder / words[2] / "scenario.yaml"
    return not own.exists() or yaml.safe_load(own.read_text())["horizon"]["steps"] > LONG


def assert_valid_in_a_scenario(block: Block) -> None:
    """A fragment of a scenario: merged into the one that `quartier new` writes, it is valid."""
    template = ROOT / "src/quartier/scenario/template.yaml"
    data = {**yaml.safe_load(template.read_text(encoding="utf-8"))}
    data.pop("default_variant"), data.pop("variants")
    fragment = yaml.safe_load(block.content)
    _, wrong = validated(merged(data, fragment))
    assert wrong == [], f"{block.name}:{block.line}: {wrong}"


@pytest.fixture(scope="module")
def start():
    """Start processes that have imported and compiled what runs need, where the system can fork."""
    can_fork = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if can_fork else "spawn")
    if can_fork:
        context.set_forkserver_preload(["docs_warm"])
    started = []

    def process(folder: Path):
        here, there = context.Pipe()
        named = {"connection": there, "folder": str(folder)}
        keywords = {"init_globals": named, "run_name": "__docs__"}
        one = context.Process(target=runpy.run_path, args=(str(WORKER),), kwargs=keywords)
        one.start()
        there.close()
        started.append((one, here))
        return here

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(WORKER.parent))  # where the server of forks finds docs_warm
        yield process
    for one, here in started:
        if one.is_alive():
            with contextlib.suppress(OSError):
                here.send(None)
            one.join(timeout=10)
            one.kill()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_block_of_a_page_runs(page, start, tmp_path):
    story = Story(tmp_path, start)
    try:
        for block in blocks_of(page):
            if block.runs:
                story.follow(block)
    finally:
        story.end()


def test_few_blocks_are_not_run():
    left_out = [f"{b.name}:{b.line}" for page in PAGES for b in blocks_of(page) if not b.runs]
    assert len(left_out) <= MOST_NOT_RUN, left_out
