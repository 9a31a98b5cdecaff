"""The sections that measure reads: requests a second and latencies, over eight keep-alive connections a process."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from urllib.parse import urlsplit

import web_servers
from bench import Bench, Goal, Result
from contenders import Paymentagg, PaymentaggOnPostgresql, PaymentaggOnSqlite
from measure import Sample
from web_servers import WebServer

PAGE_SIZE = 100
LATE_PAGE = 10_000
RATE = "requests_per_second"
ENGINES = ("SQLite", "PostgreSQL")
UNAUDITED = ", no audit log"
TWO_PROCESSES = ", two processes"
"""These words after an engine name the servers that differ from the usual one, a single process with an audit log.
The constant view and Datasette have no audit log, so the goals compare them with servers that have none either."""
CONNECTIONS_OF_TWO = ("--connections", "16")
"""The kernel chooses a process for each connection by a hash, so with only a few, one process might get nearly all."""


def reads(bench: Bench, *, with_datasette: bool = True) -> Iterator[Result]:
    """Yield a range of totals, a 304, and the first and a late page, on both engines, compared with the rivals.

    The range is also requested from two processes, and the range and the 304 from a server without an audit log.
    """
    with ExitStack() as stack:
        yield from _reads(bench, stack, with_datasette=with_datasette)


def _reads(bench: Bench, stack: ExitStack, *, with_datasette: bool) -> Iterator[Result]:
    servers: dict[str, WebServer] = {}
    low, high = 0, 0
    for engine, paymentagg in contenders(bench).items():
        paymentagg.begin("payments")
        start = partial(web_servers.paymentagg, bench.folder, paymentagg.url)
        servers[engine] = stack.enter_context(start())
        servers[engine + UNAUDITED] = stack.enter_context(start(audited=False))
        servers[engine + TWO_PROCESSES] = stack.enter_context(start(audited=False, processes=2))
        if isinstance(paymentagg, PaymentaggOnSqlite):
            low, high = _range(paymentagg)
            if with_datasette:
                datasette = stack.enter_context(web_servers.datasette(bench.folder, paymentagg.file, bench.rivals))
    constant = stack.enter_context(web_servers.constant_view(bench.folder))
    path = _path(low, high)

    def load(server: WebServer, path: str, *options: str) -> Callable[[], Sample]:
        return partial(server.load, path, bench.seconds, *options)

    cases: dict[str, Callable[[], Sample]] = {}
    goals: list[Goal] = []
    for name, server in servers.items():
        _expect_page(server.get(path)[1])
        cases[name] = load(server, path, *(CONNECTIONS_OF_TWO if name.endswith(TWO_PROCESSES) else ()))
    cases["constant view"] = load(constant, "/")
    for engine in ENGINES:
        goals += [_share(engine + UNAUDITED, 0.18), _share(engine + TWO_PROCESSES, 0.3)]
        goals.append(Goal("p99_ms", 25, above=engine))
    if with_datasette:
        _expect_page(datasette.get(web_servers.datasette_path(low, high))[1])
        cases["Datasette"] = load(datasette, web_servers.datasette_path(low, high))
        goals += [Goal(RATE, 2.5, above=engine + UNAUDITED, below="Datasette", at_least=True) for engine in ENGINES]
    yield bench.sample(f"GET {path} ({PAGE_SIZE} rows)", cases, goals)

    cases = {}
    for name in (engine + words for engine in ENGINES for words in ("", UNAUDITED)):
        tag = servers[name].get(path)[0]["ETag"]
        cases[name] = load(servers[name], path, "--if-none-match", tag, "--expect", "304")
    cases["constant view"] = load(constant, "/")
    yield bench.sample("the same, 304", cases, [_share(engine + UNAUDITED, 0.35) for engine in ENGINES])

    cases = {}
    last = min(LATE_PAGE, bench.payments // PAGE_SIZE)
    for engine in ENGINES:
        server = servers[engine]
        cases[f"{engine}, first"] = load(server, f"/payments?limit={PAGE_SIZE}")
        cases[f"{engine}, late"] = load(server, page(server, last))
    # The limit is for the time a page takes, which is the inverse of the rate: so the first page's rate is ``above``.
    goals = [Goal(RATE, 1.2, above=f"{engine}, first", below=f"{engine}, late") for engine in ENGINES]
    yield bench.sample(f"page {last:,} of /payments, compared with the first", cases, goals)


def reads_during_sync(bench: Bench) -> Iterator[Result]:
    """Yield reads from an idle server, and reads while syncs continuously change 1 % of the rows and change it back."""
    path = ""
    for engine, paymentagg in contenders(bench).items():
        paymentagg.snapshots.json("payments", "changed")  # made before the first load starts
        paymentagg.begin("payments")
        if isinstance(paymentagg, PaymentaggOnSqlite):
            path = _path(*_range(paymentagg))
        with web_servers.paymentagg(bench.folder, paymentagg.url) as server:
            cases: dict[str, Callable[[], Sample]] = {
                "idle": partial(server.load, path, bench.seconds),
                "during syncs": partial(_load_during_syncs, server, paymentagg, path, bench.seconds),
            }
            goals = [Goal("p99_ms", 3, above="during syncs", below="idle"), Goal("failed", 0, above="during syncs")]
            yield bench.sample(f"reads while syncs run, {engine}", cases, goals)


def _load_during_syncs(server: WebServer, paymentagg: Paymentagg, path: str, seconds: float) -> Sample:
    syncs = 0
    with server.loading(path, seconds) as load:
        while load.poll() is None:
            paymentagg.sync("payments", ("changed", "base")[syncs % 2])
            syncs += 1
        return web_servers.load_metrics(load) | {"syncs": syncs}


def page(server: WebServer, number: int) -> str:
    """Return the path of a page of payments; follow the links to find it, in pages of 1,000 rows as far as possible."""
    path, before, size = "/payments?limit=1000", (number - 1) * PAGE_SIZE, 1000
    while before > 0:
        if before < size:
            size = PAGE_SIZE
            path = re.sub(r"limit=\d+", f"limit={size}", path)
        head, _ = server.get(path)
        link = urlsplit(head["Link"].partition("<")[2].partition(">")[0])
        path, before = f"{link.path}?{link.query}", before - size
    return re.sub(r"limit=\d+", f"limit={PAGE_SIZE}", path)


def contenders(bench: Bench) -> dict[str, Paymentagg]:
    """Return paymentagg on each engine, with the snapshots of the run."""
    snapshots = bench.snapshots(bench.patients, bench.payments)
    return {
        "SQLite": PaymentaggOnSqlite(snapshots, bench.folder),
        "PostgreSQL": PaymentaggOnPostgresql(snapshots, bench.folder, bench.server),
    }


def _range(paymentagg: PaymentaggOnSqlite) -> tuple[int, int]:
    """Return a range of totals, in cents, that a page of patients has."""
    connection = sqlite3.connect(paymentagg.file)
    totals = connection.execute(
        "SELECT total_cents FROM payment_totals ORDER BY total_cents, patient_id LIMIT ? OFFSET ?",
        (PAGE_SIZE, paymentagg.snapshots.patients // 3),
    ).fetchall()
    connection.close()
    return totals[0][0], totals[-1][0]


def _path(low: int, high: int) -> str:
    return f"/patients?payment_min={low / 100:.2f}&payment_max={high / 100:.2f}"


def _expect_page(body: bytes) -> None:
    rows = json.loads(body)
    if len(rows) != PAGE_SIZE:
        raise AssertionError(f"expected {PAGE_SIZE} rows, got {len(rows)}")


def _share(case: str, share: float) -> Goal:
    """Return the goal of at least this share of the constant view's rate."""
    return Goal(RATE, share, above=case, below="constant view", at_least=True)
