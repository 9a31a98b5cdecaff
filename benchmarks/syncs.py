"""The sections that measure syncs: workloads, contenders and goals."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import web_servers
from bench import Bench, Goal, Result
from contenders import (
    BENCHMARKS,
    SCRIPTS,
    Contender,
    Dlt,
    FloorOnPostgresql,
    FloorOnSqlite,
    PaymentaggOnPostgresql,
    PaymentaggOnSqlite,
    RunningServer,
)
from measure import Case, Sample

MAX_MEGABYTES = 100


@dataclass(frozen=True)
class Workload:
    """A snapshot to sync into a database in a state, and limits for the time, as multiples of the rival's."""

    name: str
    state: str
    model: str
    variant: str
    limit: float
    server_limit: float | None = None
    """The limit for a POST to a running server; None if that isn't measured."""


def payment_workloads(
    first: float, again: float, bytes_again: float, changed: float, server_limit: float | None = None
) -> list[Workload]:
    """Return the workloads of payments with these limits."""
    return [
        Workload("first load", "patients", "payments", "base", first),
        Workload("the same rows in another order", "payments", "payments", "shuffled", again),
        Workload("the very same bytes", "payments", "payments", "base", bytes_again, server_limit),
        Workload("1 % changed", "payments", "payments", "changed", changed),
    ]


def patient_workloads(
    first: float, again: float, bytes_again: float, server_limit: float | None = None
) -> list[Workload]:
    """Return the workloads of patients with these limits."""
    return [
        Workload("first load of patients", "empty", "patients", "base", first),
        Workload("the same patients in another order", "patients", "patients", "shuffled", again),
        Workload("the very same bytes of patients", "patients", "patients", "base", bytes_again, server_limit),
    ]


def compare(
    bench: Bench,
    paymentagg: Contender,
    rival: Contender,
    workloads: Sequence[Workload],
    server: RunningServer | None = None,
) -> Iterator[Result]:
    """Measure two contenders, and a running server in the workloads that have a limit for it.

    Raises:
        AssertionError: they don't store the same rows and totals.
    """
    for work in workloads:
        contenders = [paymentagg, rival]
        cases = {one.name: one.case(work.state, work.model, work.variant).sample for one in contenders}
        goals = [Goal("seconds", work.limit, below=rival.name), Goal("megabytes", MAX_MEGABYTES)]
        with ExitStack() as stack:
            if server is not None and work.server_limit is not None:
                contenders.append(server)
                cases[server.name] = stack.enter_context(_posting(bench, server, work))
                goals.append(Goal("seconds", work.server_limit, above=server.name, below=rival.name))
            result = bench.sample(work.name, cases, goals)
        yield result
        stored = {one.name: one.checksums() for one in contenders}
        if len(set(stored.values())) > 1:
            raise AssertionError(f"{work.name}: the stored rows differ: {stored}")


@contextmanager
def _posting(bench: Bench, contender: RunningServer, work: Workload) -> Iterator[Callable[[], Sample]]:
    """Start a server; yield a function that sends it the workload's snapshot and returns the seconds that takes."""
    contender.begin(work.state)
    file = contender.snapshots.json(work.model, work.variant)
    # paymentagg-sync without an ini file has no audit log either.
    with web_servers.paymentagg(bench.folder, contender.url, audited=False) as server:
        server.post(f"/{work.model}", file)  # opens the connections to the database
        yield partial(server.post, f"/{work.model}", file)


def sync_postgresql(bench: Bench) -> Iterator[Result]:
    """Yield syncs of payments on PostgreSQL, compared with the floor."""
    snapshots = bench.snapshots(bench.patients, bench.payments)
    paymentagg = PaymentaggOnPostgresql(snapshots, bench.folder, bench.server)
    floor = FloorOnPostgresql(snapshots, bench.folder, bench.server)
    server = RunningServer(snapshots, bench.folder, bench.server)
    yield from compare(bench, paymentagg, floor, payment_workloads(1.3, 1.4, 0.28, 1.4, 0.1), server)


def sync_sqlite(bench: Bench) -> Iterator[Result]:
    """Yield syncs of payments on SQLite, compared with the floor."""
    snapshots = bench.snapshots(bench.patients, bench.payments)
    paymentagg, floor = PaymentaggOnSqlite(snapshots, bench.folder), FloorOnSqlite(snapshots, bench.folder)
    yield from compare(bench, paymentagg, floor, payment_workloads(1.0, 1.0, 1.0, 1.3))


def patients_postgresql(bench: Bench) -> Iterator[Result]:
    """Yield syncs of patients, as many as payments elsewhere, on PostgreSQL, compared with the floor."""
    snapshots = bench.snapshots(bench.payments, 1)
    paymentagg = PaymentaggOnPostgresql(snapshots, bench.folder, bench.server)
    floor = FloorOnPostgresql(snapshots, bench.folder, bench.server)
    server = RunningServer(snapshots, bench.folder, bench.server)
    yield from compare(bench, paymentagg, floor, patient_workloads(1.3, 1.4, 0.28, 0.1), server)


def patients_sqlite(bench: Bench) -> Iterator[Result]:
    """Yield syncs of patients, as many as payments elsewhere, on SQLite, compared with the floor."""
    snapshots = bench.snapshots(bench.payments, 1)
    paymentagg, floor = PaymentaggOnSqlite(snapshots, bench.folder), FloorOnSqlite(snapshots, bench.folder)
    yield from compare(bench, paymentagg, floor, patient_workloads(1.0, 1.0, 1.0))


def dlt(bench: Bench) -> Iterator[Result]:
    """Yield syncs of payments on PostgreSQL, compared with dlt, which needs no patients for a first load."""
    snapshots = bench.snapshots(bench.patients, bench.payments)
    paymentagg = PaymentaggOnPostgresql(snapshots, bench.folder, bench.server)
    for name, disposition, state, rival_state, variant, times in (
        ("first load", "replace", "patients", "empty", "base", 5),
        ("1 % changed", "merge", "payments", "payments", "changed", 10),
    ):
        rival = Dlt(snapshots, bench.folder, bench.server, disposition, bench.rivals / "python")
        cases = [paymentagg.case(state, "payments", variant), rival.case(rival_state, "payments", variant)]
        yield bench.measure(name, cases, [_slower(rival, times)])


def patients_dlt(bench: Bench) -> Iterator[Result]:
    """Yield a first load of patients on PostgreSQL, compared with dlt."""
    snapshots = bench.snapshots(bench.payments, 1)
    paymentagg = PaymentaggOnPostgresql(snapshots, bench.folder, bench.server)
    rival = Dlt(snapshots, bench.folder, bench.server, "replace", bench.rivals / "python")
    cases = [contender.case("empty", "patients", "base") for contender in (paymentagg, rival)]
    yield bench.measure("first load of patients", cases, [_slower(rival, 5)])


def _slower(rival: Contender, times: float) -> Goal:
    """Return the goal that the rival takes at least so many times as long as paymentagg."""
    return Goal("seconds", times, above=rival.name, below="paymentagg", at_least=True)


def scale(bench: Bench) -> Iterator[Result]:
    """Yield syncs of ten times the rows, compared with the usual size, on both engines."""
    for engine, make, limit in (("PostgreSQL", _on_postgresql, 11.5), ("SQLite", _on_sqlite, 12.5)):
        contenders = {f"{times} x": make(bench, times) for times in (1, 10)}
        for work in payment_workloads(0, 0, 0, 0)[::3]:  # the first load and the changes; these limits aren't used
            cases = []
            for name, contender in contenders.items():
                case = contender.case(work.state, work.model, work.variant)
                case.name = name
                cases.append(case)
            goals = [Goal("seconds", limit, above="10 x", below="1 x"), Goal("megabytes", MAX_MEGABYTES, above="10 x")]
            yield bench.measure(f"{work.name}, {engine}", cases, goals)


def _on_postgresql(bench: Bench, times: int) -> Contender:
    return PaymentaggOnPostgresql(
        bench.snapshots(bench.patients * times, bench.payments * times), bench.folder, bench.server
    )


def _on_sqlite(bench: Bench, times: int) -> Contender:
    return PaymentaggOnSqlite(bench.snapshots(bench.patients * times, bench.payments * times), bench.folder)


def history(bench: Bench) -> Iterator[Result]:
    """Yield a sync of changes that keeps the rows that it changes as they were, compared with one that doesn't."""
    for engine, make in (("PostgreSQL", _on_postgresql), ("SQLite", _on_sqlite)):
        contender = make(bench, 1)
        cases = []
        for name, days in (("with history", "90"), ("without history", "0")):
            case = contender.case("payments", "payments", "changed")
            case.name = name
            case.environment = {**case.environment, "PAYMENTAGG_HISTORY_DAYS": days}
            cases.append(case)
        goals = [
            Goal("seconds", 1.1, above="with history", below="without history"),
            Goal("megabytes", 120, above="with history"),
        ]
        yield bench.measure(f"1 % changed, {engine}", cases, goals)


def shell(bench: Bench) -> Iterator[Result]:
    """Yield short commands, whose time a user at a shell notices."""
    script, samples, file = SCRIPTS / "paymentagg-sync", BENCHMARKS.parent / "samples", bench.folder / "sample.sqlite"
    url = {"PAYMENTAGG_DATABASE_URL": f"sqlite:///{file}"}
    files: list[str | Path] = ["--patients", samples / "patients.json", "--payments", samples / "payments.json"]

    def remove() -> None:
        for old in bench.folder.glob("sample.sqlite*"):
            old.unlink()

    yield bench.measure("paymentagg-sync --help", [Case("paymentagg", [script, "--help"])], [Goal("seconds", 0.25)])
    sample = Case("paymentagg", [script, *files], prepare=remove, environment=url, folder=bench.folder)
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
    "history": history,
    "shell": shell,
}
