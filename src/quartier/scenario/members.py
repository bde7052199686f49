"""Units of the neighbourhoods, made ready for a horizon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quartier.errors import InputError
from quartier.own_code import told
from quartier.quantities import Array, Horizon
from quartier.scenario import sessions
from quartier.scenario.findings import Findings
from quartier.scenario.models import Scenario
from quartier.scenario.problems import suggestion
from quartier.scenario.record import SeriesError
from quartier.scenario.series import SeriesReader, describe
from quartier.units import KINDS
from quartier.units.base import HeatParameters, Session, UnitData, UnitParameters, is_measured
from quartier.units.ev_station import EvStationParameters
from quartier.units.kinds import is_own


@dataclass(frozen=True)
class Members:
    """Reads the units of a scenario.

    Parameters
    ----------
    folder
        Folder that paths are relative to.
    findings
        Where problems are noted.
    """

    scenario: Scenario
    folder: Path
    horizon: Horizon
    seed: int
    reader: SeriesReader
    findings: Findings
    _files: dict[str, sessions.SessionFile] = field(default_factory=dict)

    def units(self, buses: Mapping[str, int]) -> tuple[UnitData, ...]:
        """Return all units in the order of the file; those with problems are left out.

        Parameters
        ----------
        buses
            Bus by neighbourhood.
        """
        items = self.scenario.unit_items()
        shipped = [u for u in items.values() if not is_own(u.kind)]
        requests = [r for u in shipped for r in KINDS[u.kind].requests(u).values()]
        self.reader.preload([request.source for request in requests])
        units = []
        for (place, name), parameters in items.items():
            path = f"neighbourhoods.{place}.units.{name}"
            with self.findings.at(path), self._own_mistakes(path, parameters.kind):
                for problem in KINDS[parameters.kind].problems(parameters):
                    self.findings.add(path, problem)
                units += list(self._described(place, name, parameters, buses.get(place)))
        return tuple(units)

    @contextmanager
    def _own_mistakes(self, path: str, kind: str) -> Iterator[None]:
        """Note what goes wrong in a kind of the user's own: it is wrong input, too."""
        try:
            yield
        except Exception as error:
            if isinstance(error, SeriesError | InputError) or not is_own(kind):
                raise
            self.findings.add(path, f"kind {kind!r} fails: {told(error, KINDS[kind])}")

    def _described(
        self, place: str, name: str, parameters: UnitParameters, bus: int | None
    ) -> Iterator[UnitData]:
        """Make the units of one description."""
        kind = KINDS[parameters.kind]
        series = self._series(parameters)
        self._note_energy(f"neighbourhoods.{place}.units.{name}", parameters)
        state = kind.initial(parameters)
        names = unit_names(place, name, parameters)
        agents = agent_names(place, name, parameters)
        hub = f"{place}.{parameters.hub}" if isinstance(parameters, HeatParameters) else None
        self._check_stations(parameters, names)
        for unit_name, agent in zip(names, agents, strict=True):
            unit = UnitData(
                name=unit_name,
                parameters=parameters,
                neighbourhood=place,
                agent=agent,
                horizon=self.horizon,
                hub=hub,
                bus=bus,
                series=series,
                state=state,
                sessions=self._sessions(parameters, unit_name),
                start_energy_kwh=state.get("energy_kwh", 0.0),
            )
            yield kind.bounded(unit)

    def _series(self, parameters: UnitParameters) -> dict[str, Array]:
        requests = KINDS[parameters.kind].requests(parameters)
        return {
            name: self.reader.series(name, request, self.horizon)
            for name, request in requests.items()
        }

    def _note_energy(self, path: str, parameters: UnitParameters) -> None:
        """Say that a measured series is not scaled to the energy that the user gives, too."""
        profile, key = getattr(parameters, "profile", ""), "energy_kwh_per_year"
        if key in parameters.model_fields_set and is_measured(profile):
            self.findings.note(
                f"{path}.{key}",
                f"not used, for {describe(profile)} is in {profile.unit} and taken as it is; to "
                'scale it, say unit: "1"',
            )

    def _sessions(self, parameters: UnitParameters, unit_name: str) -> tuple[Session, ...]:
        if not isinstance(parameters, EvStationParameters):
            return ()
        if parameters.sessions_csv is None:
            return sessions.drawn(parameters, unit_name, self.horizon, self.seed)
        station = unit_name.partition(".")[2]
        return self._file(parameters.sessions_csv).sessions(
            station, parameters.power_kw, self.horizon
        )

    def _check_stations(self, parameters: UnitParameters, names: list[str]) -> None:
        """Check that a file of sessions speaks of these stations."""
        if not isinstance(parameters, EvStationParameters) or parameters.sessions_csv is None:
            return
        own = [name.partition(".")[2] for name in names]
        stations = self._file(parameters.sessions_csv).stations
        if not set(own) & set(stations):
            raise SeriesError(
                f"{parameters.sessions_csv} has no session of station {own[0]!r}"
                f"{suggestion(own[0], stations)}"
            )

    def _file(self, path: str) -> sessions.SessionFile:
        if path not in self._files:
            self._files[path] = sessions.SessionFile(self.folder / path)
        return self._files[path]


def unit_names(place: str, name: str, parameters: UnitParameters) -> list[str]:
    """Names of the units of a description: ``place.name``, or ``place.name-1``, ..."""
    if parameters.count == 1:
        return [f"{place}.{name}"]
    return [f"{place}.{name}-{k}" for k in range(1, parameters.count + 1)]


def agent_names(place: str, name: str, parameters: UnitParameters) -> list[str]:
    """Name of the agent of each unit; units that share a heat hub share an agent."""
    if isinstance(parameters, HeatParameters):
        return [f"{place}.{parameters.hub}"] * parameters.count
    if parameters.agents == "single":
        return unit_names(place, name, parameters)
    if parameters.agents in {"aggregated", 1}:
        return [f"{place}.{name}"] * parameters.count
    groups = min(int(parameters.agents), parameters.count)
    return [
        f"{place}.{name}-agent-{k * groups // parameters.count + 1}"
        for k in range(parameters.count)
    ]
