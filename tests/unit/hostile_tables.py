"""Tables of numbers and grids with random faults, each by its seed."""

from __future__ import annotations

import gzip
import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import pandapower as pp
import yaml

from tests.unit.grid_cases import village
from tests.unit.hostile import CASES, NUMBERS, PATHS, TEXTS, TIMES, copied, folders

# -- CSV ---------------------------------------------------------------------------------------
_CELLS = (
    "", "NaN", "inf", "-inf", "1e400", "-5", "1e308", "x", "1,5", "1.234.567", "0x10", "5 kW", '"',
    "=cmd()", "\u0660", "1" * 400, "9999", "-999", "1e-320", "--", "12:00", "#REF!", "a" * 200_000,
    *map(str, TIMES),
)  # fmt: skip
_RAW = (
    b"", b"\x00", b"\n" * 1_000, b"PK\x03\x04" + bytes(200), bytes(range(256)), b'"', b"time",
    b"time,p\n", b"time,p\n2016-05-02T10:00\n", b"\xff\xfe", b"a;b\n" * 3, b"," * 100_000,
    b"{}", b"\xef\xbb\xbf", b"time,p\r" * 4, "zeit;\u00e4\n".encode("utf-16"), b"\xd0\xcf" * 9,
)  # fmt: skip


def _spoil_row(rows: list[list[str]], k: int, rng: random.Random) -> None:
    what = rng.choice(("cell", "cell", "time", "gone", "twice", "half", "wide"))
    if what == "cell":
        rows[k] = rows[k] or [""]
        rows[k][rng.randrange(len(rows[k]))] = rng.choice(_CELLS)
    elif what == "time":
        rows[k][:1] = [str(rng.choice(TIMES))]
    elif what == "gone" and len(rows) > 1:
        del rows[k]
    elif what == "twice":
        rows[k:k] = [list(rows[k])] * rng.choice((1, 3))
    else:
        rows[k] = rows[k] * rng.choice((2, 50)) if what == "wide" else rows[k][: rng.randrange(3)]


def _spoil_rows(rows: list[list[str]], rng: random.Random) -> None:
    what = rng.choice(("sort", "name", "zone", "far"))
    if what == "sort":
        rows[1:] = rng.sample(rows[1:], len(rows) - 1)
    elif what == "name":
        rows[0] = [rng.choice((*TEXTS, *rows[0])) if rng.random() < 0.5 else n for n in rows[0]]
    elif what == "zone":
        for row in rows:
            row[:1] = [cell + rng.choice(("Z", "+02:00", "")) for cell in row[:1]]
    else:
        year = rng.choice(("1600", "2262", "9999", "0001", "1969", "2016-13"))
        for row in rows:
            row[:1] = [cell.replace("2016", year) for cell in row[:1]]


def _spoilt_rows(rows: list[list[str]], rng: random.Random) -> list[list[str]]:
    rows = [list(row) for row in rows]
    for _ in range(rng.choice((1, 1, 2, 4))):
        if rng.random() < 0.65:
            _spoil_row(rows, rng.randrange(len(rows)), rng)
        else:
            _spoil_rows(rows, rng)
    return rows


def _written(rows: list[list[str]], rng: random.Random) -> bytes:
    separator = rng.choice((",", ",", ",", ";", "\t", "|", " "))
    text = rng.choice(("\n", "\n", "\r\n", "\r")).join(separator.join(row) for row in rows)
    raw = text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252")), "replace")
    what = rng.choice(("as is", "as is", "as is", "gz", "cut", "noise", "head"))
    if what == "gz":
        return gzip.compress(raw)
    if what == "cut":
        return raw[: rng.randrange(len(raw) + 1)]
    if what == "noise":
        at = rng.randrange(len(raw) + 1)
        return raw[:at] + bytes(rng.randrange(256) for _ in range(rng.choice((1, 9)))) + raw[at:]
    return b"# a word\n\n" + raw if what == "head" else raw


def spoilt_table(seed: int, folder: Path) -> Path:
    """Write a scenario one of whose CSV files has faults; return its folder."""
    rng = random.Random(seed)
    series = [
        d for d in (CASES / "series").iterdir() if d.name.startswith("ev_") and any(d.glob("*.csv"))
    ]
    source = rng.choice([*(f for f in folders() if any(f.glob("*.csv"))), *sorted(series)])
    if source in series:
        _case(source, folder)
    else:
        copied(source, folder)
    path = rng.choice(sorted(folder.glob("*.csv")))
    if rng.random() < 0.12:
        path.write_bytes(rng.choice(_RAW))
        return folder
    lines = path.read_text("utf-8", errors="replace").splitlines()[:400] or [""]
    rows = [line.split(";" if ";" in lines[0] else ",") for line in lines]
    path.write_bytes(_written(_spoilt_rows(rows, rng), rng))
    return folder


def _case(source: Path, folder: Path) -> None:
    """Write a case of ``tests/cases/series`` as a scenario without a grid."""
    folder.mkdir(parents=True)
    told = yaml.safe_load((source / "case.yaml").read_text("utf-8"))
    asked = {k: v for k, v in told["scenario"].items() if k in {"horizon"}}
    horizon = {"start": "2016-05-02T10:00", "steps": 8} | asked.get("horizon", {})
    scenario = {
        "name": "case",
        "grid": "none",
        "problem": "sharing",
        "coordination": "central",
        "horizon": horizon,
        "signals": {"export_eur_per_kwh": 0.08, "import_eur_per_kwh": 0.3},
        "neighbourhoods": {"farm": {"units": told["units"]}},
    }
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    for file in source.glob("*.csv"):
        shutil.copy(file, folder)


# -- grids -------------------------------------------------------------------------------------
_VALUES = (*NUMBERS, math.inf, -math.inf, math.nan, None, "x", "", True, [], {}, "-1", 99, 3)
_MODULES = (
    ("os", "system"), ("subprocess", "Popen"), ("builtins", "exec"), ("builtins", "eval"),
    ("antigravity", "x"), ("harm", "Harm"), ("this", "s"), ("pandas", "read_pickle"),
    ("pandas.core.frame", "DataFrame"), ("numpy", "load"), ("", ""), (1, None),
    ("pandapower.auxiliary", "pandapowerNet"), ("pandapower.control", "ConstControl"),
    ("pandapower.file_io", "from_pickle"),
)  # fmt: skip
_HARM = "raise SystemExit('imported')\n"


def _base(rng: random.Random) -> dict[str, Any]:
    net = village()
    if rng.random() < 0.5:
        pp.create_bus(net, 0.4)
        pp.create_transformer(net, 2, 4, "0.4 MVA 20/0.4 kV", name="T2")
        pp.create_gen(net, 3, 0.1, vm_pu=1.0, name="gen")
        pp.create_shunt(net, 2, 0.01)
        pp.create_switch(net, 1, 0, et="l")
        pp.create_storage(net, 2, 0.1, 1.0)
    found: dict[str, Any] = json.loads(pp.to_json(net))
    return found


def _table(
    data: dict[str, Any], rng: random.Random, *, filled: bool = True
) -> tuple[str, dict[str, Any]]:
    """A table of a grid by its name, its content as plain data."""
    inside = data["_object"]
    names = [k for k, v in inside.items() if isinstance(v, dict) and v.get("_class") == "DataFrame"]
    main = [
        n
        for n in names
        if not filled or (not n.startswith("res_") and '"data":[]' not in inside[n]["_object"])
    ]
    name = rng.choice(main or names)
    return name, json.loads(inside[name]["_object"])


_DTYPES = ("object", "bool", "float64", "int64", "x", "uint8", "datetime64[ns]")


def _spoil_cells(table: dict[str, Any], rng: random.Random) -> None:
    columns, rows = table["columns"], table["data"]
    if not columns:
        return
    k, what = rng.randrange(len(columns)), rng.choice(("cell", "cell", "column", "drop", "rename"))
    if what == "cell" and rows:
        rng.choice(rows)[k] = rng.choice(_VALUES)
    elif what == "column":
        value = rng.choice(_VALUES)
        for row in rows:
            row[k] = value
    elif what == "rename":
        columns[k] = rng.choice(("", "x", columns[0], 1, None))
    else:
        for row in (columns, *rows):
            del row[k]


def _spoil_index(table: dict[str, Any], rng: random.Random) -> None:
    rows, index = table["data"], table["index"]
    if not rows:
        return
    what = rng.choice(("gone", "twice", "empty", "index"))
    if what == "gone":
        del rows[-1], index[-1]
    elif what == "twice":
        rows.append(list(rows[0]))
        index.append(rng.choice((index[0], 10**6, -1, 2**40)))
    elif what == "empty":
        table["data"], table["index"] = [], []
    else:
        index[0] = rng.choice((-1, 1.5, "a", None, 10**9))


def _spoil_table(data: dict[str, Any], rng: random.Random) -> None:
    name, table = _table(data, rng)
    inside, what = data["_object"][name], rng.random()
    if what < 0.1:
        del data["_object"][name]
        return
    if what < 0.2 and inside.get("dtype"):
        inside["dtype"][rng.choice(list(inside["dtype"]))] = rng.choice(_DTYPES)
    (_spoil_cells if what < 0.75 else _spoil_index)(table, rng)
    inside["_object"] = json.dumps(table)


def _spoil_frame(data: dict[str, Any], rng: random.Random) -> None:
    """Faults of the file around the tables, objects of other modules among them."""
    inside = data["_object"]
    what = rng.choice(("module", "module", "table", "key", "path", "text", "version", "cell"))
    module, name = rng.choice(_MODULES)
    harm: Any = {
        "_module": module,
        "_class": name,
        "_object": rng.choice(("touch harm", [], {}, "{}")),
    }
    if what == "module":
        inside[rng.choice(("controller", "name", "bus", "user"))] = harm
    elif what == "table":
        inside[rng.choice(list(inside))] = rng.choice((*_VALUES, [[1]], {"a": 1}))
    elif what == "key":
        inside[rng.choice(("f_hz", "sn_mva", "std_types", "format_version", "name"))] = rng.choice(
            _VALUES
        )
    elif what == "path":
        table = rng.choice([v for v in inside.values() if isinstance(v, dict) and "_object" in v])
        table["_object"] = rng.choice((*PATHS, "/etc/machine-id.json", "http://localhost:9/x.json"))
    elif what == "text":
        data["_object"] = json.dumps(inside)
    elif what == "version":
        inside["version"] = rng.choice(("1.0.0", "99.0", "", "x", None, 3))
    else:
        at, table = _table(data, rng)
        if table["data"] and table["columns"]:
            table["data"][0][0] = rng.choice((harm, json.dumps(harm)))
        inside[at]["_object"] = json.dumps(table)


def spoilt_grid(seed: int, folder: Path) -> Path:
    """Write a scenario whose own grid has faults; return its folder."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    scenario = {
        "name": "village",
        "grid": {"json": "grid.json"},
        "horizon": {"start": "2016-05-02T10:00", "steps": 2},
        "signals": {"export_eur_per_kwh": 0.08, "import_eur_per_kwh": 0.3},
        "neighbourhoods": {
            "farm": {"bus": 2, "units": {"pv": {"kind": "pv", "power_kw": 50, "profile": "PV3"}}}
        },
    }
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    (folder / "harm.py").write_text(_HARM, encoding="utf-8")
    data = _base(rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if isinstance(data["_object"], dict):
            (_spoil_table if rng.random() < 0.65 else _spoil_frame)(data, rng)
    text = json.dumps(data)
    raw = text.encode()
    what = rng.choice(("as is", "as is", "as is", "as is", "cut", "noise", "list", "deep", "gz"))
    if what == "cut":
        raw = raw[: rng.randrange(len(raw))]
    elif what == "noise":
        at = rng.randrange(len(raw))
        raw = raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
    elif what in {"list", "deep"}:
        raw = f"[{text}]".encode() if what == "list" else b"[" * 50_000
    elif what == "gz":
        raw = gzip.compress(raw)
    (folder / "grid.json").write_bytes(raw)
    return folder
