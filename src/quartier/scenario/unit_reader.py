"""Units of the neighbourhoods, made ready for a horizon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from quartier.errors import InputError
from quartier.own_code import told
from quartier.quantities import Array, Horizon
from quartier.scenario import sessions
from quartier.scenario.findings import Findings
from quartier.scenario.models import Scenario
from quartier.scenario.nodes import NodeReader, agents_of, problems, supplied, unit_names
from quartier.scenario.problems import suggestion
from quartier.scenario.record import SeriesError
from quartier.scenario.series import SeriesReader, describe
from quartier.scenario.session_file import SessionFile
from quartier.scenario.sessions import Fitted
from quartier.units import KINDS
from quartier.units.base import ELECTRICITY, CsvColumn, UnitData, UnitParameters, is_measured
from quartier.units.ev_station import EvStationParameters
from quartier.units.kinds import is_own
from quartier.units.stays import Stays

_CROWDED = 0.1
"""Share of the hours of all stays, cut by the next vehicle, above which that is said."""


@dataclass(frozen=True)
class UnitReader:
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
    _files: dict[str, SessionFile] = field(default_factory=dict)
    _known: dict[str, set[str]] = field(default_factory=dict)
    """Stations that units stand for, by file of sessions."""

    @cached_property
    def _agents(self) -> Mapping[tuple[str, str], list[str]]:
        return agents_of(self.scenario)

    @cached_property
    def _nodes(self) -> NodeReader:
        return NodeReader(self.scenario, self.horizon, self.reader, self.findings)

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
        for (neighbourhood, name), parameters in items.items():
            path = f"neighbourhoods.{neighbourhood}.units.{name}"
            with self.findings.at(path), self._own_mistakes(path, parameters.kind):
                found = problems(self.scenario.neighbourhoods[neighbourhood], parameters)
                wrong = [*KINDS[parameters.kind].problems(parameters), *found]
                for problem in wrong:
                    self.findings.add(path, problem)
                made = list(
                    self._described(neighbourhood, name, parameters, buses.get(neighbourhood))
                )
                if is_own(parameters.kind) and not wrong:
                    self._check_flows(path, made[0])
                if not wrong and not self.reader.offhand:
                    for shortfall in KINDS[parameters.kind].shortfalls(made[0]):
                        self.findings.add(path, shortfall)
                units += made
        self._note_strangers()
        return tuple(units)

    def _check_flows(self, path: str, unit: UnitData) -> None:
        """A carrier that a kind does not name has no node: it would be lost."""
        kind = KINDS[unit.kind]
        nothing = dict.fromkeys((control.name for control in kind.controls), 0.0)
        flow = kind.flow(unit.parameters, nothing, unit.series, unit.horizon.dt_h)
        unsaid = [c for c in flow.power_kw if c not in {ELECTRICITY, *kind.carriers}]
        if unsaid:
            said = "its class does not say so; add it to `gives` or `takes`"
            self.findings.add(path, f"has to do with {', '.join(unsaid)}, but {said}")

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
        self, neighbourhood: str, name: str, parameters: UnitParameters, bus: int | None
    ) -> Iterator[UnitData]:
        """Make the units of one description."""
        kind = KINDS[parameters.kind]
        series = self._series(parameters)
        self._note_energy(f"neighbourhoods.{neighbourhood}.units.{name}", parameters)
        state = kind.initial(parameters)
        names = unit_names(neighbourhood, name, parameters)
        agents = self._agents[neighbourhood, name]
        nodes = self._nodes.of_unit(neighbourhood, parameters)
        stays = self._stays(f"neighbourhoods.{neighbourhood}.units.{name}", parameters, names)
        for unit_name, agent, of_unit in zip(names, agents, stays, strict=True):
            unit = UnitData(
                name=unit_name,
                parameters=supplied(self.scenario.neighbourhoods[neighbourhood], parameters),
                neighbourhood=neighbourhood,
                agent=agent,
                horizon=self.horizon,
                nodes=nodes,
                bus=bus,
                series=series,
                state=state,
                sessions=Stays.of(of_unit.sessions),
                start_energy_kwh=state.get("energy_kwh", 0.0),
                end_eur_per_kwh=self.scenario.stores.worth(kind.holds) if kind.holds else None,
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
        if (
            key in parameters.model_fields_set
            and isinstance(profile, CsvColumn)
            and is_measured(profile)
        ):
            self.findings.note(
                f"{path}.{key}",
                f"not used, for {describe(profile)} is in {profile.unit} and taken as it is; to "
                'scale it, say unit: "1"',
            )

    def _stays(self, path: str, parameters: UnitParameters, names: list[str]) -> list[Fitted]:
        """Return the sessions of the units of one description; what they leave out is noted."""
        if not isinstance(parameters, EvStationParameters):
            return [Fitted() for _ in names]
        if parameters.sessions_csv is None:
            found = [sessions.drawn(parameters, n, self.horizon, self.seed) for n in names]
            self._note_crowding(path, parameters, found)
        else:
            found = self._read_sessions(path, parameters, names)
        total = sum(found, start=Fitted())
        if total.said:
            self.findings.note(path, total.said, "sessions", total.left_out_kwh, "kWh")
        return found

    def _note_crowding(self, path: str, u: EvStationParameters, found: list[Fitted]) -> None:
        """Say that drawn stays are cut by much, as more vehicles come than have room."""
        days = self.horizon.steps * self.horizon.dt_h / 24
        hours = u.stay_h_mean * max(u.sessions_per_day * days, 1.0) * len(found)
        gone_h = sum(part.gone_h for part in found)
        if gone_h > _CROWDED * hours:
            self.findings.note(
                path,
                f"{u.sessions_per_day:g} sessions a day of {u.stay_h_mean:g} h crowd a point: a "
                "vehicle leaves when the next one comes, so stays are shorter than that",
            )

    def _read_sessions(self, path: str, u: EvStationParameters, names: list[str]) -> list[Fitted]:
        file = self._file(str(u.sessions_csv))
        own = [name.partition(".")[2] for name in names]
        if not set(own) & set(file.stations):
            raise SeriesError(
                f"{u.sessions_csv} has no session of station {own[0]!r}"
                f"{suggestion(own[0], file.stations)}"
            )
        for name in own:
            if name not in file.stations:
                near = suggestion(name, file.stations)
                self.findings.note(path, f"{u.sessions_csv} has no session of {name!r}{near}")
        known = self._known.setdefault(str(u.sessions_csv), set())
        if twice := sorted(known & set(own) & set(file.stations)):
            self.findings.note(
                path, f"sessions of {', '.join(twice)} count again: another unit has them, too"
            )
        known.update(own)
        return [file.sessions(name, u.power_kw, self.horizon) for name in own]

    def _note_strangers(self) -> None:
        """Say which stations of the files are no unit's."""
        for path, known in self._known.items():
            file = self._file(path)
            strangers = [name for name in file.stations if name not in known]
            if strangers:
                due_kwh = sum(file.due_kwh(name, self.horizon) for name in strangers)
                self.findings.note(
                    path,
                    f"no unit is called {', '.join(strangers)}: {due_kwh:.4g} kWh of their "
                    "sessions are left out",
                    "sessions",
                    due_kwh,
                    "kWh",
                )

    def _file(self, path: str) -> SessionFile:
        if path not in self._files:
            self._files[path] = SessionFile(self.folder / path)
            if said := self._files[path].said:
                self.findings.note(path, "; ".join(said))
        return self._files[path]
