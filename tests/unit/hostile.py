"""Scenario files, tables and grids with random faults, each by its seed; and what reads them."""

from __future__ import annotations

import copy
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from quartier.baseline import check_stage, earlier_baseline
from quartier.errors import InputError
from quartier.instance import build
from quartier.scenario.load import load

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases"
LIMIT_S, LIMIT_BYTES = 60, 3 * 2**30
"""Longest time, and most memory beyond what there is, that reading a scenario may take."""

TIMES = (
    "2016-05-02 10:00",
    "2016-02-30T00:00",
    "2016-03-27T02:30",
    "2016-10-30T02:30",
    "9999-12-31T23:00",
    "0001-01-01T00:00",
    "1600-01-01T00:00",
    "02.05.2016 10:00",
    "2016-W18-1",
    "2016-05-02T10:00+99:00",
    "2016-05-02T10:07:13.123456789Z",
    "now",
    "25:61",
    20160502,
    1e18,
)
NUMBERS = (0, -1, 1, 2.5, -0.0, 1e-320, 1e12, -1e12, 1e308, -1e308, 10**12, 10**30, 2**63, 7)
ODD = float("inf"), float("-inf"), float("nan")
TEXTS = (
    "",
    " ",
    "x",
    "none",
    "null",
    "yes",
    "1",
    "1e5",
    "os:system",
    "a:b",
    ":",
    "no.such.module:Class",
    "\u0000",
    "a\u0000b",
    "Gartenstraße \U0001f3e0",
    "\u202egnirts",
    "\ud800",
    "a" * 50_000,
    "%s %n {0} {x}",
    "{{7*7}}",
    "$(touch harm)",
    "cohda",
    "central",
    "electricity",
    "heat",
    "pv:3",
    "wind:999",
    "try:0",
    "H0",
    "bdew:MFH",
    "simbench",
)
PATHS = (
    "../../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "/proc/self/environ",
    ".",
    "..",
    "~",
    "s.csv/s.csv",
    "no.csv",
    "scenario.yaml",
    "a" * 300 + ".csv",
    "C:\\con",
)


def _deep(levels: int) -> Any:
    found: Any = []
    for level in range(levels):
        found = [found] if level % 2 else {"a": found}
    return found


def value(rng: random.Random) -> Any:
    """A value that hardly anything can be."""
    return rng.choice(
        (
            lambda: rng.choice(NUMBERS),
            lambda: rng.choice(ODD),
            lambda: rng.choice(TEXTS),
            lambda: rng.choice(PATHS),
            lambda: rng.choice(TIMES),
            lambda: rng.choice((None, True, False, [], {}, [[]], [None], {"": None}, {1: 2})),
            lambda: _deep(rng.choice((3, 40))),
            lambda: [rng.choice(NUMBERS) for _ in range(rng.choice((1, 3, 2_000)))],
            lambda: {rng.choice(TEXTS): rng.choice(NUMBERS) for _ in range(3)},
            lambda: {"csv": rng.choice(PATHS), "column": rng.choice(TEXTS)},
            lambda: [{"from": rng.choice(TIMES), "eur_per_kwh": rng.choice(NUMBERS)}],
        )
    )()


# -- data --------------------------------------------------------------------------------------
def _places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    for key, content in inside:
        yield (*at, key)
        if isinstance(content, dict | list):
            yield from _places(content, (*at, key))


def _owner(data: Any, place: tuple[Any, ...]) -> Any:
    for key in place[:-1]:
        data = data[key]
    return data


def _scaled(old: Any, rng: random.Random) -> Any:
    if isinstance(old, int | float) and not isinstance(old, bool):
        return old * rng.choice((-1, 0, 0.5, 1.5, 1e3, 1e9, 1e15, float("nan")))
    return [old] if rng.random() < 0.5 else {"a": old}


def _renamed(key: Any, rng: random.Random) -> Any:
    return rng.choice((f"{key}s", str(key).upper(), "", "é", 0, True, *TEXTS[:12], "a" * 10_000))


def spoilt(data: Any, rng: random.Random) -> Any:
    """Plain data with one to three faults."""
    data = copy.deepcopy(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(data))
        if not places:
            break
        place, other = rng.choice(places), rng.choice(places)
        owner, key, source = _owner(data, place), place[-1], _owner(data, other)
        what = rng.choice(("drop", "rename", "odd", "odd", "odd", "scale", "scale", "copy", "more"))
        if what == "drop":
            del owner[key]
        elif what == "rename" and isinstance(owner, dict):
            owner[_renamed(key, rng)] = owner.pop(key)
        elif what == "odd":
            owner[key] = value(rng)
        elif what == "scale":
            owner[key] = _scaled(owner[key], rng)
        elif what == "copy":
            owner[key] = copy.deepcopy(source[other[-1]])
        elif isinstance(owner, dict):
            owner |= {f"{key}{k}": copy.deepcopy(owner[key]) for k in range(rng.choice((1, 60)))}
        else:
            owner += [copy.deepcopy(owner[key])] * rng.choice((1, 60))
    return data


# -- text --------------------------------------------------------------------------------------
_BITS = (
    "!!python/object/apply:os.system ['touch harm']",
    "!!python/name:os.system",
    "&a [*a]",
    "*b",
    "<<: *a",
    "<<: [1, 2]",
    "? [a]: b",
    "!!binary aGFybQ==",
    "!!set {a, b}",
    "!!float .inf",
    "---\na: 1",
    "%YAML 1.1",
    "\t",
    ": : :",
    "'",
    '"\\x"',
    "{",
    "[[[[[[",
    "|",
    "#",
    "@",
    "9" * 5_000,
    "0x1F",
    "1_000",
    "1:30:00",
)


def noisy(text: str, rng: random.Random) -> bytes:
    """A text with faults of single lines or bytes."""
    lines = text.split("\n")
    for _ in range(rng.choice((1, 2, 5))):
        k = rng.randrange(len(lines))
        what = rng.choice(("twice", "gone", "shift", "bit", "after", "cut"))
        if what == "twice":
            lines.insert(k, lines[k])
        elif what == "gone":
            del lines[k]
        elif what == "shift":
            lines[k] = " " * rng.randrange(1, 9) + lines[k].lstrip()
        elif what == "bit":
            lines.insert(k, rng.choice(_BITS))
        elif what == "after":
            lines[k] = f"{lines[k].partition(': ')[0]}: {rng.choice(_BITS)}"
        else:
            lines[k] = lines[k][: rng.randrange(len(lines[k]) + 1)]
        lines = lines or [""]
    return _bytes("\n".join(lines), rng)


def _bytes(text: str, rng: random.Random) -> bytes:
    raw = bytearray(text.encode("utf-8", errors="surrogatepass"))
    what = rng.choice(
        ("as is", "as is", "as is", "noise", "utf-16", "cut", "bom", "crlf", "cp1252")
    )
    if what == "noise":
        for _ in range(rng.choice((1, 5, 50))):
            raw[rng.randrange(len(raw) or 1) : 0] = bytes([rng.randrange(256)])
    if what in {"utf-16", "cp1252"}:
        return text.encode(what, errors="replace")
    if what == "cut":
        return bytes(raw[: rng.randrange(len(raw) + 1)])
    if what == "bom":
        return b"\xef\xbb\xbf" + bytes(raw)
    return bytes(raw).replace(b"\n", b"\r\n") if what == "crlf" else bytes(raw)


def _dumped(data: Any) -> str:
    return yaml.dump(data, allow_unicode=True, sort_keys=False, width=1_000)


# -- scenarios ---------------------------------------------------------------------------------
def folders() -> list[Path]:
    """Folders of scenarios to begin with: shipped ones, and cases of all problems."""
    names = ("upper-cost/battery-at-noon", "sharing", "market", "zones", "pricing", "blend")
    more = ("bundles", "network", "resume", "short-of-heat", "two-boilers", "bad-input/files")
    shipped = [ROOT / "scenarios" / name for name in ("mep", "bundles", "germany", "aachen")]
    found = [CASES / name for name in (*names, *more)]
    return [*found, *shipped, ROOT / "scenarios" / "fliegerhorst"]


def copied(source: Path, folder: Path) -> Path:
    """Copy a scenario's folder, with the grid that lies beside it, for it to be spoilt."""
    shutil.copytree(source, folder)
    grid = source.parent / "grid.json"
    if grid.is_file():
        shutil.copy(grid, folder / "grid.json")
        path = folder / "scenario.yaml"
        text = path.read_text("utf-8").replace("../grid.json", "grid.json")
        path.write_text(text, encoding="utf-8")
    return folder


def spoilt_scenario(seed: int, folder: Path) -> Path:
    """Write the scenario of a seed, with faults in its file; return the folder."""
    rng = random.Random(seed)
    path = copied(rng.choice(folders()), folder) / "scenario.yaml"
    text = path.read_text("utf-8")
    if rng.random() < 0.75:
        data = spoilt(
            yaml.load(text, yaml.BaseLoader if rng.random() < 0.1 else yaml.SafeLoader), rng
        )
        text = _dumped(data)
        path.write_bytes(_bytes(text, rng) if rng.random() < 0.2 else _plain(text))
    else:
        path.write_bytes(noisy(text, rng))
    return folder


def _plain(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


# -- reading -----------------------------------------------------------------------------------
class Hung(BaseException):
    """Reading took too long."""


_WATCHED: list[list[str]] = []
_HARM = (
    "os.system",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "shutil.rmtree",
    "socket.connect",
)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _WATCHED:
        return
    if event == "open" and isinstance(args[0], str | bytes) and isinstance(args[2], int):
        path, flags = os.fsdecode(args[0]), args[2]
        ours = ("/.cache/", "__pycache__", "/dev/null", "cache")
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not any(o in path for o in ours):
            _WATCHED[-1].append(f"writes {path}")
    elif event in _HARM:
        _WATCHED[-1].append(f"{event} {args[:1]}")


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect what is written or started meanwhile, within limits of time and memory."""

    def late(*_: Any) -> None:
        raise Hung(f"not done after {LIMIT_S} s")

    before, (soft, hard) = (
        signal.signal(signal.SIGALRM, late),
        resource.getrlimit(resource.RLIMIT_AS),
    )
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    harm: list[str] = []
    _WATCHED.append(harm)
    signal.alarm(LIMIT_S)
    resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT_BYTES, hard))
    try:
        yield harm
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        _WATCHED.pop()


def read(folder: Path) -> list[str]:
    """Read what ``quartier validate`` reads; return the problems found, none if it is valid."""
    try:
        loaded = load(folder / "scenario.yaml")
        build(loaded)
        asked = loaded.scenario
        check_stage(asked.coordination, asked.problem.kind, asked.communication)
        earlier_baseline(loaded)
    except InputError as error:
        return _shown(error)
    return []


def _shown(error: InputError) -> list[str]:
    """The problems, which a terminal must be able to show."""
    assert error.problems
    assert all(problem.strip() for problem in error.problems)
    str(error).encode("utf-8", errors="strict")
    return list(error.problems)
