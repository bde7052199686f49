"""Opens the stage that a scenario asks for, and an agents' process beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from quartier.agents.network.connecting import caller, facts, open_port, token
from quartier.agents.network.hired import Hired, command, end_with_run
from quartier.agents.network.host import Host
from quartier.agents.network.hub import Hub
from quartier.agents.network.letters import Letters
from quartier.agents.network.office import Office
from quartier.agents.network.replay import Replay
from quartier.agents.stage import Stage
from quartier.coordination import Coordination
from quartier.errors import InputError
from quartier.instance import Instance
from quartier.results import Result
from quartier.scenario.load import LoadedScenario


class Opened:
    """A stage, and what is to be told of it afterwards."""

    def __init__(self, stage: Stage | None) -> None:
        self.stage = stage
        self.told: dict[str, Any] = {}
        """For the manifest, once it is closed."""


@contextmanager
def opened_stage(loaded: LoadedScenario, source: str, folder: Path) -> Iterator[Opened]:
    """Open where agents live; close it at the end, whatever happens.

    Parameters
    ----------
    source
        What the scenario was loaded from.
    folder
        The run folder.
    """
    settings = loaded.scenario.communication
    if settings.transport == "simulated":
        yield Opened(None if settings.replay is None else _replay(loaded, settings.replay))
        return
    names = list(loaded.scenario.neighbourhoods)
    port = open_port(settings, loaded.folder)
    office = Office(port, names, facts(loaded), token())
    hired = None
    try:
        if settings.network.start:
            options = _options(loaded)
            commands = {name: command(source, name, port.address, options) for name in names}
            hired = Hired(commands, folder)
        wait_s = settings.network.wait_s
        hub = Hub(office, wait_s) if hired is None else Hub(office, wait_s, hired.trouble)
        opened = Opened(hub)
        yield opened
        opened.told = {
            "transport": settings.transport,
            "address": port.address,
            "dropped": dict(office.dropped),
            "calls": {name: line.calls for name, line in office.lines.items()},
            "restarts": 0 if hired is None else hired.restarts,
        }
    finally:
        office.close()
        port.close()
        if hired is not None:
            hired.close()


def _options(loaded: LoadedScenario) -> list[str]:
    options = [part for text in loaded.overrides for part in ("--set", text)]
    scenario = loaded.scenario
    return [*options, "--seed", str(scenario.seed), "--coordination", scenario.coordination]


def _replay(loaded: LoadedScenario, name: str) -> Replay:
    folder = loaded.folder / name
    if not (folder / "manifest.json").exists():
        folder = Path(name)
    try:
        messages = Result.open(folder).table("messages")
    except (OSError, KeyError, ValueError, InputError) as error:
        raise InputError(
            [
                f"communication.replay: {name} is no run with a table 'messages';"
                " run with record.messages=true"
            ]
        ) from error
    return Replay(messages)


# One thread, as in a run: sums of BLAS depend on their number.
@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def serve(
    loaded: LoadedScenario,
    instance: Instance,
    coordination: Coordination,
    neighbourhood: str,
    address: str,
) -> None:
    """Host the agents of a neighbourhood until the run is over.

    Raises
    ------
    InputError
        If there is no such neighbourhood, or the orchestrator runs something else.
    RunFailed
        If no orchestrator is there for too long.
    """
    end_with_run()
    known: Mapping[str, Any] = loaded.scenario.neighbourhoods
    if neighbourhood not in known:
        raise InputError(
            [f"there is no neighbourhood {neighbourhood!r}; there are: {', '.join(known)}"]
        )
    network = loaded.scenario.communication.network
    call = caller(address, network, loaded.folder, neighbourhood)
    letters = Letters(
        call, neighbourhood, facts(loaded), token(), network.wait_s, network.max_message_bytes
    )
    with closing(letters):
        Host(letters, instance, coordination, neighbourhood).run()
