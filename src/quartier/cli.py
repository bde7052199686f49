"""The command line: ``quartier run``, ``compare``, ``sweep``, ``report``, ``validate``, ...

Exit codes: 0 complete, 2 the input is wrong, 3 the run failed, 4 the run finished but degraded,
130 cancelled. Results go to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quartier.catalogue import BRIEF, CATALOGUE, headings
from quartier.comparison_table import print_comparison
from quartier.errors import InputError
from quartier.terminal import (
    DEGRADED,
    FAILED,
    complain,
    exit_codes,
    print_kpis,
    print_notes,
    print_rows,
    reporting,
)

if TYPE_CHECKING:
    from quartier.results import Result
    from quartier.scenario.findings import Note
    from quartier.scenario.load import LoadedScenario

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Co-simulate neighbourhoods and the distribution grid above them.",
)

GARBAGE = (20_000, 20, 20)
"""When Python looks for garbage: modules and tables are no garbage, and to look through them again
and again while they are made takes a tenth of a short run."""
SCHEMA = "scenario.schema.json"
"""What editors check a scenario with as it is typed."""

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


def main() -> None:
    """Run the command line."""
    gc.set_threshold(*GARBAGE)
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
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCENARIO]",
            help="A shipped name with an optional variant (fliegerhorst:max-load), a folder,"
            " or a YAML file.",
        ),
    ] = None,
    coordination: CoordinationOption = None,
    overrides: SetOption = None,
    seed: SeedOption = None,
    resumed: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="RUN_DIR",
            help="Go on with a run that was killed, failed or was cancelled, from its last"
            " checkpoint; or with a finished one, to more --steps.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="With --resume: a longer horizon.", min=1)
    ] = None,
    repeated: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN_DIR",
            help="Run once more what a run's manifest says, and say what has changed since.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Run folder (default: runs/<scenario>/<coordination>-<time>)."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Run a scenario, print its KPIs, and leave a run folder."""
    with exit_codes(), reporting(quiet=quiet) as shown:
        import quartier

        given: dict[str, object] = {
            "SCENARIO": scenario,
            "--coordination": coordination,
            "--set": overrides,
            "--seed": seed,
            "--out": out,
            "--steps": steps,
        }
        if resumed is not None:
            _only({**given, "--from": repeated}, "--resume", "--steps")
            result = quartier.resume(resumed, steps=steps, progress=shown)
        elif repeated is not None:
            _only(given, "--from", "--out")
            result = quartier.repeat(repeated, out=out, progress=shown)
        elif scenario is None or steps is not None:
            what = "--steps needs --resume RUN_DIR" if steps else "name a SCENARIO"
            raise InputError([f"{what}; see quartier run --help"])
        else:
            result = quartier.run(
                scenario,
                coordination=coordination,
                seed=seed,
                overrides=overrides or (),
                out=out,
                progress=shown,
            )
    for line in _history(result):
        typer.echo(line, err=True)
    print_kpis(result)
    print_notes(result.manifest.get("notes", ()))  # absent in older folders
    for warning in result.manifest.get("warnings", ()):  # absent in older folders
        complain(f"Warning: {warning}")
    typer.echo(f"Run folder: {result.dir}")
    if (result.dir / "report.html").exists():
        typer.echo(f"Report: {result.dir / 'report.html'}")
    if result.status != "complete":
        complain(f"The run is {result.status}: {result.manifest['error']}")
        raise typer.Exit(DEGRADED if result.status == "degraded" else FAILED)


@app.command()
def compare(
    scenario: ScenarioArgument,
    coordinations: Annotated[
        str | None,
        typer.Option(
            "--coordination",
            "-c",
            metavar="A,B,...",
            help="Mechanisms (default: all that 'quartier list coordinations' shows for the"
            " scenario's problem).",
        ),
    ] = None,
    overrides: SetOption = None,
    seed: SeedOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the comparison, also an earlier one"
            " (default: runs/<scenario>/compare-<time>).",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Run a scenario under several mechanisms, and print their KPIs side by side.

    Finished runs of the same scenario and seed are not run again.
    """
    with exit_codes(), reporting(quiet=quiet) as shown:
        import quartier

        comparison = quartier.compare(
            scenario,
            coordinations,
            seed=seed,
            overrides=overrides or (),
            out=out,
            progress=shown,
        )
    print_comparison(comparison)
    print_notes(comparison.manifest.get("notes", ()))  # absent in older folders
    typer.echo(f"Comparison folder: {comparison.dir}")
    if (comparison.dir / "report.html").exists():
        typer.echo(f"Report: {comparison.dir / 'report.html'}")
    else:
        complain(f"There is no report; {comparison.dir / 'log.txt'} says why.")
    for name, run in comparison.runs.items():
        if run.status != "complete":
            complain(f"{name} is {run.status}: {run.error}")
    if comparison.status != "complete":
        raise typer.Exit(DEGRADED if comparison.status == "degraded" else FAILED)


@app.command()
def sweep(
    scenario: ScenarioArgument,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=V1,V2,...",
            help="Vary a key, e.g. communication.loss=0,0.1,0.3; one value changes it.",
        ),
    ] = None,
    coordinations: Annotated[
        str | None,
        typer.Option(
            "--coordination",
            "-c",
            metavar="A,B,...",
            help="Mechanisms (default: all that suit the scenario's problem).",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Seeds 1 to N.", min=1)] = 1,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Runs at a time (default: one a core).", min=1),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask cluster in place of this machine."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the study, also an earlier one to go on with"
            " (default: runs/<scenario>/sweep-<time>).",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Run a scenario over values of its keys, mechanisms and seeds.

    What has been run in the folder is not run again.
    """
    with exit_codes(), reporting(quiet=quiet) as shown:
        import quartier

        study = quartier.sweep(
            scenario,
            values or (),
            coordinations,
            seeds=seeds,
            out=out,
            workers=workers,
            scheduler=scheduler,
            progress=shown,
        )
    typer.echo(f"{len(study.runs)} runs; KPIs: {study.dir / 'kpis.csv'}")
    typer.echo(f"Report: {study.dir / 'report.html'}")
    for runs in (study.failed, study.degraded):
        for _, run in runs.iterrows():
            complain(f"{run['folder']} is {run['status']}: {run['error']}")
    for _, run in study.uncompared.iterrows():
        complain(f"{run['folder']}: {run['remark']}")
    if len(study.failed) == len(study.runs):
        raise typer.Exit(FAILED)
    if len(study.failed) or len(study.degraded) or len(study.uncompared):
        raise typer.Exit(DEGRADED)


@app.command()
def agents(
    scenario: ScenarioArgument,
    neighbourhood: Annotated[
        str, typer.Option("--neighbourhood", "-n", metavar="NAME", help="Whose agents to host.")
    ],
    connect: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Where the run is: tcp://HOST:PORT, or mqtt://HOST:PORT."
        ),
    ],
    coordination: CoordinationOption = None,
    overrides: SetOption = None,
    seed: SeedOption = None,
) -> None:
    """Host the agents of a neighbourhood for a run over a network, until that is over.

    It may start before the run. Scenario, seed and mechanism must be those of the run.
    """
    with exit_codes():
        from quartier.run import host

        host(scenario, neighbourhood, connect, coordination, seed, overrides or ())
    typer.echo("The run is over.")


@app.command()
def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_DIR...",
            help="Run folder, also of a killed run; several finished runs; or a comparison.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Folder or .html file to write (default: report.html in the folder; for several"
            " runs side-by-side-<time>.html beside the first).",
        ),
    ] = None,
) -> None:
    """Write the report of a run or a comparison anew, or show several runs side by side.

    The page needs neither a server nor a network.
    """
    with exit_codes():
        from quartier.report.anew import report_anew

        path, remark = report_anew(folders, out)
    typer.echo(f"Report: {path}")
    if remark:
        complain(remark)


@app.command()
def validate(
    scenario: ScenarioArgument,
    coordination: CoordinationOption = None,
    overrides: SetOption = None,
    seed: SeedOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Read everything a run would read, run nothing, and list every problem."""
    with exit_codes(), reporting(quiet=quiet):
        from quartier.scenario.load import load

        loaded = load(scenario, overrides or (), seed)
        notes = _read_all(loaded, coordination, seed)
    horizon = loaded.scenario.horizon
    print_notes([asdict(note) for note in notes])
    typer.echo(
        f"{scenario} is valid: {horizon.steps} steps of {horizon.step_minutes} min"
        f" from {horizon.start:%Y-%m-%d %H:%M}."
    )


@app.command("list")
def list_(
    what: Annotated[
        Literal["scenarios", "coordinations", "units", "kpis"] | None,
        typer.Argument(help="What to list (default: all but KPIs)."),
    ] = None,
) -> None:
    """List scenarios, coordination mechanisms, kinds of units and KPIs."""
    with exit_codes():
        for title in [what] if what else BRIEF:
            print_rows(title, CATALOGUE[title](), headings(title))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Folder to make.")],
) -> None:
    """Make a folder with a commented scenario to start from."""
    with exit_codes():
        path = _write_template(Path(name))
    typer.echo(f"Wrote {path}. Next: quartier validate {name}, then quartier run {name}.")


def _only(given: dict[str, object], option: str, allowed: str) -> None:
    """Refuse what has no meaning beside an option."""
    wrong = [name for name, value in given.items() if value is not None and name != allowed]
    if wrong:
        raise InputError([f"{option} takes all from the run: leave out {', '.join(wrong)}"])


def _history(result: Result) -> Iterator[str]:
    """Where a run went on, or what has changed since the run that it repeats."""
    for once in result.manifest.get("resumed", ())[-1:]:
        yield f"Resumed at step {once['from_step']} of {result.manifest['steps_expected']}."
    told = result.manifest.get("repeats")
    if told is not None:
        changed = told["changed"]
        yield f"Repeats {told['folder']}; " + (
            "since then:" if changed else "nothing that its figures follow from has changed."
        )
        yield from (f"  - {change}" for change in changed)


def _read_all(
    loaded: LoadedScenario, coordination: str | None, seed: int | None
) -> tuple[Note, ...]:
    """Read what a run would read, and raise one error with all problems; else return the notes."""
    from quartier.baseline import check_stage, earlier_baseline
    from quartier.instance import build
    from quartier.scenario.files import shown

    problems: list[str] = []
    notes: tuple[Note, ...] = ()
    try:
        notes = build(loaded, loaded.scenario.seed if seed is None else seed).notes
    except InputError as error:
        problems += error.problems
    asked = coordination or loaded.scenario.coordination
    checks: list[Callable[[], object]] = [
        lambda: check_stage(asked, loaded.scenario.problem.kind, loaded.scenario.communication),
        lambda: earlier_baseline(loaded),
    ]
    for check in checks:
        try:
            check()
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems, shown(loaded.path))
    return notes


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
    schema = resources.files("quartier.scenarios").joinpath(SCHEMA)  # what the template names
    (folder / SCHEMA).write_text(schema.read_text("utf-8"), encoding="utf-8")
    return path
