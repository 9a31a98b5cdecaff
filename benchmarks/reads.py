"""What is measured of reading: requests a second and how long they take, over eight connections kept alive."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from urllib.parse import urlsplit

import web
from measure import Sample, in_turns
from sides import Paymentagg, PaymentaggOnPostgresql, PaymentaggOnSqlite
from web import Website
from works import Bench, Goal, Result, result

PAGE = 100
DEEPEST = 10_000
RATE = "requests_per_second"
ENGINES = ("SQLite", "PostgreSQL")


def reads(bench: Bench, *, with_datasette: bool = True) -> Iterator[Result]:
    """Yield the range of totals, 304 and the first and a late page, on both engines, beside the rivals."""
    with ExitStack() as stack:
        yield from _reads(bench, stack, with_datasette=with_datasette)


def _reads(bench: Bench, stack: ExitStack, *, with_datasette: bool) -> Iterator[Result]:
    sites: dict[str, Website] = {}
    low, high = 0, 0
    for engine, side in _sides(bench).items():
        side.begin("payments")
        sites[engine] = stack.enter_context(web.paymentagg(bench.folder, side.url))
        if isinstance(side, PaymentaggOnSqlite):
            low, high = _range(side)
            if with_datasette:
                datasette = stack.enter_context(web.datasette(bench.folder, side.file, bench.rivals))
    constant = stack.enter_context(web.constant_view(bench.folder))
    path = _path(low, high)

    def load(site: Website, path: str, *options: str) -> Callable[[], Sample]:
        return partial(site.load, path, bench.seconds, *options)

    cases = {name: load(site, path) for name, site in sites.items()} | {"constant view": load(constant, "/")}
    for site in sites.values():
        _expect_page(site.get(path)[1])
    goals = [goal for engine in ENGINES for goal in (_share(engine, 0.25), Goal("p99_ms", 25, above=engine))]
    if with_datasette:
        _expect_page(datasette.get(web.datasette_path(low, high))[1])
        cases["Datasette"] = load(datasette, web.datasette_path(low, high))
        goals += [Goal(RATE, 5, above=engine, below="Datasette", at_least=True) for engine in ENGINES]
    yield _measure(bench, f"GET {path} ({PAGE} rows)", cases, goals)

    cases = {}
    for engine, site in sites.items():
        tag = site.get(path)[0]["ETag"]
        cases[engine] = load(site, path, "--if-none-match", tag, "--expect", "304")
    cases["constant view"] = load(constant, "/")
    yield _measure(bench, "the same, 304", cases, [_share(engine, 0.6) for engine in ENGINES])

    cases = {}
    last = min(DEEPEST, bench.payments // PAGE)
    for engine, site in sites.items():
        cases[f"{engine}, first"] = load(site, f"/payments?limit={PAGE}")
        cases[f"{engine}, late"] = load(site, page(site, last))
    # How many times as long a page takes is how many times as few there are.
    goals = [Goal(RATE, 1.2, above=f"{engine}, first", below=f"{engine}, late") for engine in ENGINES]
    yield _measure(bench, f"page {last:,} of /payments beside the first", cases, goals)


def reads_during_sync(bench: Bench) -> Iterator[Result]:
    """Yield reads of an idle server beside reads while one sync after another changes 1 % and changes it back."""
    path = ""
    for engine, side in _sides(bench).items():
        side.snapshots.json("payments", "changed")  # made before a load begins
        side.begin("payments")
        if isinstance(side, PaymentaggOnSqlite):
            path = _path(*_range(side))
        with web.paymentagg(bench.folder, side.url) as site:
            cases = {
                "idle": partial(site.load, path, bench.seconds),
                "during syncs": partial(_busy, site, side, path, bench.seconds),
            }
            goals = [Goal("p99_ms", 3, above="during syncs", below="idle"), Goal("failed", 0, above="during syncs")]
            yield _measure(bench, f"reads while syncs run, {engine}", cases, goals)


def _busy(site: Website, side: Paymentagg, path: str, seconds: float) -> Sample:
    syncs = 0
    with site.loading(path, seconds) as load:
        while load.poll() is None:
            side.sync("payments", ("changed", "base")[syncs % 2])
            syncs += 1
        return web.found(load) | {"syncs": syncs}


def page(site: Website, number: int) -> str:
    """Return the path of a page of payments, found by following the links; large pages get there sooner."""
    path, before, size = "/payments?limit=1000", (number - 1) * PAGE, 1000
    while before > 0:
        if before < size:
            size = PAGE
            path = re.sub(r"limit=\d+", f"limit={size}", path)
        head, _ = site.get(path)
        link = urlsplit(head["Link"].partition("<")[2].partition(">")[0])
        path, before = f"{link.path}?{link.query}", before - size
    return re.sub(r"limit=\d+", f"limit={PAGE}", path)


def _sides(bench: Bench) -> dict[str, Paymentagg]:
    snapshots = bench.snapshots(bench.patients, bench.payments)
    return {
        "SQLite": PaymentaggOnSqlite(snapshots, bench.folder),
        "PostgreSQL": PaymentaggOnPostgresql(snapshots, bench.folder, bench.server),
    }


def _range(side: PaymentaggOnSqlite) -> tuple[int, int]:
    """Return a range of cents in which a page of patients lies."""
    connection = sqlite3.connect(side.file)
    totals = connection.execute(
        "SELECT total_cents FROM payment_totals ORDER BY total_cents, patient_id LIMIT ? OFFSET ?",
        (PAGE, side.snapshots.patients // 3),
    ).fetchall()
    connection.close()
    return totals[0][0], totals[-1][0]


def _path(low: int, high: int) -> str:
    return f"/patients?payment_min={low / 100:.2f}&payment_max={high / 100:.2f}"


def _expect_page(body: bytes) -> None:
    rows = json.loads(body)
    if len(rows) != PAGE:
        raise AssertionError(f"{len(rows)} rows, not {PAGE}")


def _share(engine: str, share: float) -> Goal:
    return Goal(RATE, share, above=engine, below="constant view", at_least=True)


def _measure(bench: Bench, work: str, cases: dict[str, Callable[[], Sample]], goals: list[Goal]) -> Result:
    print(work, flush=True)
    return result(work, in_turns(cases, bench.rounds), goals)
