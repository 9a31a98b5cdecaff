"""What is measured of syncing, section by section: the work, who does it, and the goals."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import servers
from measure import Case, Sample, in_turns, ratio, spread
from sides import (
    HERE,
    PROGRAMS,
    Dlt,
    FloorOnPostgresql,
    FloorOnSqlite,
    PaymentaggOnPostgresql,
    PaymentaggOnSqlite,
    Side,
)
from snapshots import Snapshots

Result = dict[str, Any]
"""One work's samples by who did it, and its goals, as they are kept in the file of results."""


@dataclass(frozen=True)
class Goal:
    """A limit for the ratio of two in each round, or for one alone."""

    metric: str
    limit: float
    above: str = "paymentagg"
    below: str = ""
    at_least: bool = False

    def result(self, samples: dict[str, list[Sample]]) -> Result:
        """Return the goal with what was reached."""
        if self.below:
            reached = ratio(self.metric, samples[self.above], samples[self.below])
        else:
            reached = spread(samples[self.above], self.metric)
        met = reached[0] >= self.limit if self.at_least else reached[0] <= self.limit
        return asdict(self) | {"reached": reached, "met": met}


@dataclass
class Bench:
    """What all sections need."""

    patients: int
    payments: int
    rounds: int
    seconds: float
    rivals: Path
    store: Path
    folder: Path
    stack: ExitStack
    _server: servers.Postgresql | None = None

    @property
    def server(self) -> servers.Postgresql:
        """The PostgreSQL of this run, brought up when it is first needed."""
        if self._server is None:
            self._server = self.stack.enter_context(servers.postgresql())
        return self._server

    def snapshots(self, patients: int, payments: int) -> Snapshots:
        return Snapshots(self.store, patients, payments)

    def measure(self, work: str, cases: Sequence[Case], goals: Sequence[Goal]) -> Result:
        """Do the work in turns."""
        print(work, flush=True)
        samples = in_turns({case.name: case.sample for case in cases}, self.rounds)
        return result(work, samples, goals)


def result(work: str, samples: dict[str, list[Sample]], goals: Sequence[Goal]) -> Result:
    """Return a work as it is kept."""
    return {"work": work, "samples": samples, "goals": [goal.result(samples) for goal in goals]}


@dataclass(frozen=True)
class Work:
    """A snapshot that is synced into a database in a state, and how long it may take, by the rival's time."""

    name: str
    state: str
    model: str
    variant: str
    limit: float


def works(first: float, again: float, bytes_again: float, changed: float) -> list[Work]:
    return [
        Work("first load", "patients", "payments", "base", first),
        Work("the same rows in another order", "payments", "payments", "shuffled", again),
        Work("the very same bytes", "payments", "payments", "base", bytes_again),
        Work("1 % changed", "payments", "payments", "changed", changed),
    ]


def patient_works(first: float, again: float, bytes_again: float) -> list[Work]:
    return [
        Work("first load of patients", "empty", "patients", "base", first),
        Work("the same patients in another order", "patients", "patients", "shuffled", again),
        Work("the very same bytes of patients", "patients", "patients", "base", bytes_again),
    ]


def side_by_side(bench: Bench, ours: Side, rival: Side, todo: Sequence[Work]) -> Iterator[Result]:
    """Measure two who must come to the same rows, sums and totals."""
    for work in todo:
        cases = [side.case(work.state, work.model, work.variant) for side in (ours, rival)]
        goals = [Goal("seconds", work.limit, below=rival.name), Goal("megabytes", 120)]
        yield bench.measure(work.name, cases, goals)
        if ours.sums() != rival.sums():
            raise AssertionError(f"{work.name}: {ours.name} has {ours.sums()}, {rival.name} has {rival.sums()}")


def sync_postgresql(bench: Bench) -> Iterator[Result]:
    snapshots = bench.snapshots(bench.patients, bench.payments)
    ours = PaymentaggOnPostgresql(snapshots, bench.folder, bench.server)
    floor = FloorOnPostgresql(snapshots, bench.folder, bench.server)
    yield from side_by_side(bench, ours, floor, works(1.3, 1.3, 0.15, 1.15))


def sync_sqlite(bench: Bench) -> Iterator[Result]:
    snapshots = bench.snapshots(bench.patients, bench.payments)
    ours, floor = PaymentaggOnSqlite(snapshots, bench.folder), FloorOnSqlite(snapshots, bench.folder)
    yield from side_by_side(bench, ours, floor, works(1.0, 1.0, 1.0, 1.0))


def patients_postgresql(bench: Bench) -> Iterator[Result]:
    snapshots = bench.snapshots(bench.payments, 1)
    ours = PaymentaggOnPostgresql(snapshots, bench.folder, bench.server)
    floor = FloorOnPostgresql(snapshots, bench.folder, bench.server)
    yield from side_by_side(bench, ours, floor, patient_works(1.3, 1.3, 0.15))


def patients_sqlite(bench: Bench) -> Iterator[Result]:
    snapshots = bench.snapshots(bench.payments, 1)
    ours, floor = PaymentaggOnSqlite(snapshots, bench.folder), FloorOnSqlite(snapshots, bench.folder)
    yield from side_by_side(bench, ours, floor, patient_works(1.0, 1.0, 1.0))


def dlt(bench: Bench) -> Iterator[Result]:
    snapshots = bench.snapshots(bench.patients, bench.payments)
    ours = PaymentaggOnPostgresql(snapshots, bench.folder, bench.server)
    for name, disposition, ready, limit in (
        ("first load", "replace", "patients", 5),
        ("1 % changed", "merge", "payments", 10),
    ):
        variant = "changed" if ready == "payments" else "base"
        rival = Dlt(snapshots, bench.folder, bench.server, disposition, bench.rivals / "python")
        rival_state = "payments" if ready == "payments" else "empty"
        cases = [ours.case(ready, "payments", variant), rival.case(rival_state, "payments", variant)]
        yield bench.measure(name, cases, [_slower(rival, limit)])


def patients_dlt(bench: Bench) -> Iterator[Result]:
    snapshots = bench.snapshots(bench.payments, 1)
    ours = PaymentaggOnPostgresql(snapshots, bench.folder, bench.server)
    rival = Dlt(snapshots, bench.folder, bench.server, "replace", bench.rivals / "python")
    cases = [side.case("empty", "patients", "base") for side in (ours, rival)]
    yield bench.measure("first load of patients", cases, [_slower(rival, 5)])


def _slower(rival: Side, times: float) -> Goal:
    return Goal("seconds", times, above=rival.name, below="paymentagg", at_least=True)


def scale(bench: Bench) -> Iterator[Result]:
    """Ten times the rows."""
    for engine, make in (("PostgreSQL", _on_postgresql), ("SQLite", _on_sqlite)):
        sides = {f"{times} x": make(bench, times) for times in (1, 10)}
        for work in works(0, 0, 0, 0)[::3]:
            cases = []
            for name, side in sides.items():
                case = side.case(work.state, work.model, work.variant)
                case.name = name
                cases.append(case)
            goals = [Goal("seconds", 11, above="10 x", below="1 x"), Goal("megabytes", 120, above="10 x")]
            yield bench.measure(f"{work.name}, {engine}", cases, goals)


def _on_postgresql(bench: Bench, times: int) -> Side:
    return PaymentaggOnPostgresql(
        bench.snapshots(bench.patients * times, bench.payments * times), bench.folder, bench.server
    )


def _on_sqlite(bench: Bench, times: int) -> Side:
    return PaymentaggOnSqlite(bench.snapshots(bench.patients * times, bench.payments * times), bench.folder)


def shell(bench: Bench) -> Iterator[Result]:
    """What a person in front of a shell waits for."""
    program, samples, file = PROGRAMS / "paymentagg-sync", HERE.parent / "samples", bench.folder / "sample.sqlite"
    url = {"PAYMENTAGG_DATABASE_URL": f"sqlite:///{file}"}
    pair = ["--patients", samples / "patients.json", "--payments", samples / "payments.json"]

    def remove() -> None:
        for left in bench.folder.glob("sample.sqlite*"):
            left.unlink()

    yield bench.measure("paymentagg-sync --help", [Case("paymentagg", [program, "--help"])], [Goal("seconds", 0.25)])
    sample = Case("paymentagg", [program, *pair], prepare=remove, environment=url, folder=bench.folder)
    nothing = Case("python -c pass", [sys.executable, "-c", "pass"])
    yield bench.measure("the sample into a new SQLite file", [sample, nothing], [Goal("seconds", 1.0)])


SECTIONS: dict[str, Callable[[Bench], Iterator[Result]]] = {
    "sync-postgresql": sync_postgresql,
    "sync-sqlite": sync_sqlite,
    "patients-postgresql": patients_postgresql,
    "patients-sqlite": patients_sqlite,
    "dlt": dlt,
    "patients-dlt": patients_dlt,
    "scale": scale,
    "shell": shell,
}
