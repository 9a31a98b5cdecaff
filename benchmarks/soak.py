"""Let a server work for a while: reads of all kinds at a steady rate, and a sync each minute. Tell what became of it.

    python benchmarks/soak.py --engine postgresql --minutes 10 --rate 50

The server is pserve with production.ini, so it wants keys. A read is timed from when it is due: a server that stands
still is charged with all reads of that time. The exit status is 1 where a promise was broken. Needs Linux's /proc.
"""

import argparse
import http.client
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import servers
import web
from run import ROOT, stop
from sides import PROGRAMS, Paymentagg, PaymentaggOnPostgresql, PaymentaggOnSqlite
from snapshots import Snapshots

READERS = 16
PATIENCE = 60.0
CHUNK = 1 << 16
GROWTH = 1.1
"""How much more memory the last minute may take than the second."""

PAGES = ["/patients", "/patients?sort=-paymentTotal", "/patients?sort=lastName&limit=20", "/payments"]


@dataclass(frozen=True)
class Read:
    """A request, and the statuses that are right for it."""

    path: str
    right: tuple[int, ...] = (200,)
    method: str = "GET"
    accept: str = "*/*"
    conditional: bool = False


MISTAKES = [
    Read("/patients?payment_mim=1", (400,)),
    Read("/patients/nobody", (404,)),
    Read("/patients", (405,), method="DELETE"),
    Read("/payments", (406,), accept="text/html"),
    Read("/payments", (403,), method="POST"),  # with the key of one who only reads
]


def mix(patients: int) -> Iterator[Read]:
    """Yield reads of all kinds, the same ones in each run."""
    chance = random.Random(0)
    while True:
        someone, low = chance.randrange(patients), chance.randrange(4000)
        ranged, page = f"/patients?payment_min={low}&payment_max={low + 50}", chance.choice(PAGES)
        yield from chance.choices(
            [
                Read(ranged),
                Read(page),
                Read(page, (200, 304), conditional=True),
                Read(f"/patients/{someone}"),
                Read(f"/payments?external_id={someone}"),
                Read("/health/ready"),
                Read(ranged, accept="text/csv"),
                Read("/patients", (200, 429), accept="application/x-ndjson"),  # a fourth one at once is refused
                chance.choice(MISTAKES),
            ],
            weights=[25, 20, 15, 15, 14, 3, 2, 0.5, 5.5],
        )


@dataclass
class Minute:
    """What was asked in one minute, and the most that the server held."""

    statuses: Counter[int] = field(default_factory=Counter)
    """0 where no answer came."""
    wrong: list[str] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """Seconds from when a read was due to the end of its answer."""
    sync: float = 0
    """Seconds."""
    rss: float = 0
    """Megabytes."""
    pss: float = 0
    files: int = 0
    connections: int = 0

    def cells(self) -> list[str]:
        kinds = Counter(status // 100 for status in self.statuses.elements())
        cuts = statistics.quantiles(self.late, n=100)
        return [
            *(f"{count:,}" for count in (len(self.late), kinds[2], kinds[3], kinds[4], kinds[5], len(self.wrong))),
            *(f"{seconds * 1000:.0f}" for seconds in (cuts[49], cuts[98])),
            *(f"{value:.1f}" for value in (self.sync, self.rss, self.pss)),
            *(f"{count}" for count in (self.files, self.connections)),
        ]


COLUMNS = ["minute", "reads", "2xx", "3xx", "4xx", "5xx", "wrong", "p50 ms", "p99 ms"]
COLUMNS += ["sync s", "RSS MB", "PSS MB", "files", "connections"]


class Soak:
    """A running server, who reads from it and who syncs."""

    def __init__(self, site: web.Website, side: Paymentagg, minutes: int, rate: float) -> None:
        self.site = site
        self.side = side
        self.minutes = [Minute() for _ in range(minutes)]
        self.rate = rate
        self.reader_key, self.syncer_key = (key(side, role) for role in ("reader", "syncer"))
        self.begun = 0.0

    def run(self) -> None:
        """Do all of it at once, and print each minute when it is over."""
        reads = enumerate(mix(self.side.snapshots.patients))
        turn = threading.Lock()
        self.begun = time.perf_counter()
        with ThreadPoolExecutor(READERS + 1) as pool:
            working = [pool.submit(self.read, reads, turn) for _ in range(READERS)]
            working.append(pool.submit(self.sync_each_minute))
            for number, minute in enumerate(self.minutes):
                self.watch(minute, until=self.begun + 60 * (number + 1))
                print(f"| {' | '.join([str(number + 1), *minute.cells()])} |", flush=True)
            for one in working:
                one.result()

    def read(self, reads: Iterator[tuple[int, Read]], turn: threading.Lock) -> None:
        """Ask for whatever is due next, as long as there are minutes."""
        connection = http.client.HTTPConnection(urlsplit(self.site.root).netloc, timeout=PATIENCE)
        tags: dict[str, str] = {}
        while True:
            with turn:
                number, read = next(reads)
            due = self.begun + number / self.rate
            place = int(number / self.rate / 60)
            if place >= len(self.minutes):
                break
            time.sleep(max(0.0, due - time.perf_counter()))
            status = self.ask(connection, read, tags)
            minute = self.minutes[place]
            minute.statuses[status] += 1
            minute.late.append(time.perf_counter() - due)
            if status not in read.right:
                minute.wrong.append(f"{read.method} {read.path}: {status or 'no answer'}")
        connection.close()

    def ask(self, connection: http.client.HTTPConnection, read: Read, tags: dict[str, str]) -> int:
        """Return the status of an answer once all of it is there, 0 where none came; keep its tag."""
        headers = {"Authorization": f"Bearer {self.reader_key}", "Accept": read.accept}
        if read.conditional and read.path in tags:
            headers["If-None-Match"] = tags[read.path]
        try:
            connection.request(read.method, read.path, headers=headers)
            answer = connection.getresponse()
            while answer.read(CHUNK):
                pass
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request opens it anew
            return 0
        if tag := answer.headers["ETag"]:
            tags[read.path] = tag
        return answer.status

    def sync_each_minute(self) -> None:
        """Change 1 % of the payments, and change them back, in the middle of each minute."""
        for number, minute in enumerate(self.minutes):
            time.sleep(max(0.0, self.begun + 60 * number + 30 - time.perf_counter()))
            sent = time.perf_counter()
            connection = http.client.HTTPConnection(urlsplit(self.site.root).netloc, timeout=PATIENCE)
            with self.side.snapshots.json("payments", ("changed", "base")[number % 2]).open("rb") as body:
                headers = {"Authorization": f"Bearer {self.syncer_key}", "Content-Type": "application/json"}
                connection.request("POST", "/payments", body, headers)
                status = connection.getresponse().status
            connection.close()
            minute.sync = time.perf_counter() - sent
            if status != 200:
                minute.wrong.append(f"POST /payments: {status}")

    def watch(self, minute: Minute, until: float) -> None:
        """Look at the server each second, and note the most that it holds."""
        while (left := until - time.perf_counter()) > 0:
            time.sleep(min(1.0, left))
            rss, pss = memory(self.site.process)
            files = open_files(self.site.process)
            minute.rss, minute.pss = max(minute.rss, rss), max(minute.pss, pss)
            minute.files = max(minute.files, len(files))
            minute.connections = max(minute.connections, connections(self.side, files))

    def verdict(self) -> Iterator[tuple[bool, str]]:
        """Yield for each promise whether it was kept, and how. To be asked when nobody reads any more."""
        failed = sum(n for minute in self.minutes for status, n in minute.statuses.items() if not 0 < status < 500)
        yield not failed, f"{failed} x 5xx or no answer"
        wrong = [each for minute in self.minutes for each in minute.wrong]
        yield not wrong, "; ".join([f"{len(wrong)} answers of a wrong status", *wrong[:5]])
        last, second = self.minutes[-1], self.minutes[min(1, len(self.minutes) - 1)]
        growth = last.pss / second.pss
        yield growth <= GROWTH, f"memory in the last minute {growth:.2f} of the second's, at most {GROWTH}"
        files = open_files(self.site.process)
        yield len(files) <= second.files, f"{len(files)} open files afterwards, {second.files} in the second minute"
        held = connections(self.side, files)
        yield held <= second.connections, f"{held} connections afterwards, {second.connections} in the second minute"
        if isinstance(self.side, PaymentaggOnPostgresql):
            busy = sessions(self.side, "idle")
            yield not busy, f"{busy} of them in a transaction"


def key(side: Paymentagg, role: str) -> str:
    """Make an API key."""
    command = [PROGRAMS / "paymentagg-keys", "-c", web.INI, "create", "--role", role, "--name", "soak"]
    environment = os.environ | side.environment() | {"PAYMENTAGG_AUDIT_FILE": ""}  # the server's stands elsewhere
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def memory(process: int) -> tuple[float, float]:
    """Return the megabytes that a process has in memory, and its share of them where others have them too."""
    sizes = dict(line.split(":") for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:])
    return tuple(int(sizes[name].split()[0]) / 1024 for name in ("Rss", "Pss"))


def open_files(process: int) -> list[str]:
    """Return what the file descriptors of a process stand for."""
    names = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            names.append(str(descriptor.readlink()))
    return names


def connections(side: Paymentagg, files: list[str]) -> int:
    """Return how many connections to the database a server with these files has."""
    return sessions(side) if isinstance(side, PaymentaggOnPostgresql) else files.count(str(side.file))


def sessions(side: PaymentaggOnPostgresql, *states: str) -> int:
    """Return how many sessions of paymentagg PostgreSQL has, but for those in one of the states."""
    found = side.server.execute("SELECT state FROM pg_stat_activity WHERE application_name = 'paymentagg'")
    return sum(state not in states for (state,) in found)


def main() -> int:
    options = parsed()
    signal.signal(signal.SIGTERM, stop)
    with tempfile.TemporaryDirectory(prefix="soak") as name, ExitStack() as stack:
        folder = Path(name)
        snapshots = Snapshots(options.store.absolute(), options.patients, options.payments)
        snapshots.json("payments", "changed")  # made before the server is watched
        side: Paymentagg = (
            PaymentaggOnPostgresql(snapshots, folder, stack.enter_context(servers.postgresql()))
            if options.engine == "postgresql"
            else PaymentaggOnSqlite(snapshots, folder)
        )
        side.begin("payments")
        site = stack.enter_context(web.paymentagg(folder, side.url, access="keys"))
        soak = Soak(site, side, options.minutes, options.rate)
        size = f"{options.patients:,} patients, {options.payments:,} payments"
        print(f"\n{options.engine}, {size}, {options.rate:g} reads a second\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{' ---: |' * len(COLUMNS)}")
        soak.run()
        print()
        verdict = list(soak.verdict())
        for kept, words in verdict:
            print(f"- {'kept' if kept else 'BROKEN'}: {words}")
        return 0 if all(kept for kept, _ in verdict) else 1


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--engine", choices=["postgresql", "sqlite"], default="postgresql")
    add("--minutes", type=int, default=10, metavar="N")
    add("--rate", type=float, default=50, metavar="N", help="reads a second")
    add("--patients", type=int, default=10_000, metavar="N")
    add("--payments", type=int, default=100_000, metavar="N")
    add("--store", type=Path, default=ROOT / "build" / "snapshots", metavar="FOLDER", help="snapshots are kept here")
    options = parser.parse_args()
    if options.minutes < 1 or not 1 <= options.rate <= 1000:
        parser.error("for a minute at least, and from 1 to 1000 reads a second")
    return options


if __name__ == "__main__":
    sys.exit(main())
