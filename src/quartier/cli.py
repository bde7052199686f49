"""The command line: ``quartier run``, ``validate``, ``list``, ``new``.

Exit codes: 0 complete, 2 the input is wrong, 3 the run failed, 4 the run finished but degraded,
130 cancelled. Results go to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import re
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quartier import progress
from quartier.errors import InputError, QuartierError

if TYPE_CHECKING:
    from rich.table import Table

    from quartier.results import Result
    from quartier.scenario.load import LoadedScenario

EXIT_CODES = {"complete": 0, "degraded": 4}
"""Exit code by the status of a finished run; any other status is a failure."""
WRONG_INPUT, FAILED, CANCELLED = 2, 3, 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Co-simulate neighbourhoods and the distribution grid above them.",
)

ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A shipped name with an optional variant (fliegerhorst:max-load), a folder,"
        " or a YAML file.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a key, e.g. horizon.steps=96."),
]
SeedOption = Annotated[int | None, typer.Option(help="Seed of every random draw.", min=0)]
CoordinationOption = Annotated[
    str | None,
    typer.Option(
        "--coordination",
        "-c",
        metavar="NAME",
        help="Mechanism: a name that 'quartier list coordinations' shows, or module:Class"
        " of your own.",
    ),
]


class Listed(StrEnum):
    """What ``quartier list`` can list."""

    SCENARIOS = "scenarios"
    COORDINATIONS = "coordinations"
    UNITS = "units"


def main() -> None:
    """Run the command line; SIGTERM cancels a run as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()


@app.callback(invoke_without_command=True)
def _program(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        import quartier

        typer.echo(f"quartier {quartier.__version__}")
        raise typer.Exit


@app.command()
def run(
    scenario: ScenarioArgument,
    coordination: CoordinationOption = None,
    overrides: SetOption = None,
    seed: SeedOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Run folder (default: runs/<scenario>/<coordination>-<time>)."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Run a scenario, print its KPIs, and leave a run folder."""
    with _exit_codes(), _progress(quiet=quiet) as shown:
        import quartier

        result = quartier.run(
            scenario,
            coordination=coordination,
            seed=seed,
            overrides=overrides or (),
            out=out,
            progress=shown,
        )
    _print_kpis(result)
    typer.echo(f"Run folder: {result.dir}")
    if result.status != "complete":
        _complain(f"The run is {result.status}: {result.manifest['error']}")
    raise typer.Exit(EXIT_CODES.get(result.status, FAILED))


@app.command()
def validate(
    scenario: ScenarioArgument,
    coordination: CoordinationOption = None,
    overrides: SetOption = None,
    seed: SeedOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Read everything a run would read, run nothing, and list every problem."""
    with _exit_codes(), _progress(quiet=quiet):
        from quartier.scenario.load import load

        loaded = load(scenario, overrides or ())
        _read_all(loaded, coordination, seed)
    horizon = loaded.scenario.horizon
    typer.echo(
        f"{scenario} is valid: {horizon.steps} steps of {horizon.step_minutes} min"
        f" from {horizon.start:%Y-%m-%d %H:%M}."
    )


@app.command("list")
def list_(
    what: Annotated[Listed | None, typer.Argument(help="What to list (default: all).")] = None,
) -> None:
    """List scenarios, coordination mechanisms and kinds of units."""
    rows = {
        Listed.SCENARIOS: _scenarios,
        Listed.COORDINATIONS: _coordinations,
        Listed.UNITS: _units,
    }
    with _exit_codes():
        for kind in [what] if what else list(Listed):
            _print_rows(kind.value, rows[kind]())


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Folder to make.")],
) -> None:
    """Make a folder with a commented scenario to start from."""
    with _exit_codes():
        path = _write_template(Path(name))
    typer.echo(f"Wrote {path}. Next: quartier validate {name}, then quartier run {name}.")


def _read_all(loaded: LoadedScenario, coordination: str | None, seed: int | None) -> None:
    """Read what a run would read, and raise one error with all problems."""
    from quartier.coordination import resolve
    from quartier.instance import build

    problems: list[str] = []
    try:
        build(loaded, loaded.scenario.seed if seed is None else seed)
    except InputError as error:
        problems += error.problems
    try:
        resolve(coordination or loaded.scenario.coordination)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems, loaded.scenario.name)


def _write_template(folder: Path) -> Path:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", folder.name):
        raise InputError(
            [f"{folder.name!r} is no name: use a letter, then letters, digits, _ or -"]
        )
    if folder.exists():
        raise InputError([f"{folder} exists already: choose another name, or delete it"])
    template = resources.files("quartier.scenario").joinpath("template.yaml").read_text("utf-8")
    text = re.sub(r"^name:.*$", f"name: {folder.name}", template, count=1, flags=re.MULTILINE)
    folder.mkdir(parents=True)
    path = folder / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# -- lists ----------------------------------------------------------------------------------------
def _scenarios() -> Iterator[tuple[str, str]]:
    from quartier.scenario.load import shipped

    for name, (title, variants) in shipped().items():
        yield name, title
        for variant in variants:
            yield f"{name}:{variant}", ""


def _coordinations() -> Iterator[tuple[str, str]]:
    from quartier.coordination import COORDINATIONS

    for name, path in COORDINATIONS.items():
        yield name, _class_summary(path)


def _units() -> Iterator[tuple[str, str]]:
    from quartier.units import KINDS

    for name, kind in KINDS.items():
        yield name, _summary(type(kind).__doc__)


def _class_summary(path: str) -> str:
    """First line of a class's docstring, read without importing what the class needs."""
    module, _, name = path.partition(":")
    spec = importlib.util.find_spec(module)
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _summary(ast.get_docstring(node))
    return ""


def _summary(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]


# -- output ---------------------------------------------------------------------------------------
def _print_rows(title: str, rows: Iterable[tuple[str, str]]) -> None:
    table = _table(title, "", "")
    for row in rows:
        table.add_row(*row)
    _print(table)


def _print_kpis(result: Result) -> None:
    table = _table("KPI", "value", "unit", "meaning")
    table.columns[1].justify = "right"
    kpis = result.kpi_table
    for row in zip(
        kpis.index, kpis["value"].map(_figure), kpis["unit"], kpis["label"], strict=True
    ):
        table.add_row(*map(str, row))
    _print(table)


def _figure(value: float) -> str:
    """Four significant digits or all whole ones; a dash for what is undefined."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _table(*headings: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(*headings, box=SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = True
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console(markup=False, highlight=False).print(table)


def _complain(text: str) -> None:
    typer.secho(text, err=True, fg="red")


# -- what happens around a command ----------------------------------------------------------------
@contextmanager
def _progress(*, quiet: bool) -> Iterator[progress.Progress]:
    shown = progress.choose(quiet=quiet)
    with progress.log_as_notes(shown):
        try:
            yield shown
        finally:
            shown.done()


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn errors into messages and exit codes; only our own mistakes show a traceback."""
    try:
        yield
    except InputError as error:
        _complain(str(error))
        sys.exit(WRONG_INPUT)
    except QuartierError as error:
        _complain(str(error))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        _complain("Cancelled.")
        sys.exit(CANCELLED)
    except (typer.Exit, typer.Abort):
        raise
    except Exception:
        traceback.print_exc()
        _complain("This is an error in Quartier, or in a class of yours; please see above.")
        sys.exit(FAILED)
