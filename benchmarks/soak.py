"""Load a server for some minutes with mixed reads at a steady rate and one sync a minute, then check its promises.

    python benchmarks/soak.py --engine postgresql --minutes 10 --rate 50

The server is pserve with production.ini, so it requires API keys. The latency of a read counts from the time at which
it was due: if the server stalls, all reads that were due meanwhile count as late. The exit status is 1 if a check
failed. Needs Linux's /proc.
"""

import argparse
import http.client
import os
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
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import web_servers
from contenders import SCRIPTS, PaymentaggOnPostgresql, PaymentaggOnSqlite
from postgresql import running_postgresql
from run import ROOT, stop
from snapshots import Snapshots
from soak_monitor import PaymentaggContender, connections, memory, open_files, sessions
from soak_reads import Read, mix

READERS = 16
TIMEOUT = 60.0
"""Seconds to wait for a response."""
CHUNK = 1 << 16
WARM_UP = 100
"""Requests of each reader before the first minute."""
MAX_GROWTH = 1.1
"""The largest allowed ratio of the memory in the last minute to that in the second."""


@dataclass
class Minute:
    """The requests of one minute, and the most resources that the server held in it."""

    statuses: Counter[int] = field(default_factory=Counter)
    """0 counts requests without a response."""
    wrong: list[str] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """Seconds from when a read was due to the end of its response."""
    sync: float = 0
    """Seconds."""
    rss: float = 0
    """Megabytes."""
    pss: float = 0
    """Megabytes."""
    files: int = 0
    connections: int = 0

    def cells(self) -> list[str]:
        """Return the minute's values in the order of COLUMNS, except the first."""
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
    """A running server with its readers and its one syncer."""

    def __init__(
        self, server: web_servers.WebServer, paymentagg: PaymentaggContender, minutes: int, rate: float
    ) -> None:
        self.server = server
        self.paymentagg = paymentagg
        self.minutes = [Minute() for _ in range(minutes)]
        self.rate = rate
        self.reader_key, self.syncer_key = (create_key(paymentagg, role) for role in ("reader", "syncer"))
        self.begun = 0.0

    def fill_pools(self) -> None:
        """Let all threads of the server read at once, many times, so that each pool opens all the connections it needs.

        A pool opens a connection when more threads need one at the same moment than ever before, which by chance may
        first happen in any minute; it keeps the connection. Only what is opened in addition is a leak.
        """
        reads = mix(self.paymentagg.snapshots.patients)
        lock = threading.Lock()

        def read() -> None:
            connection = http.client.HTTPConnection(urlsplit(self.server.root).netloc, timeout=TIMEOUT)
            for _ in range(WARM_UP):
                with lock:
                    each = next(reads)
                self.send(connection, each, {})
            connection.close()

        with ThreadPoolExecutor(READERS) as pool:
            for one in [pool.submit(read) for _ in range(READERS)]:
                one.result()

    def run(self) -> None:
        """Read, sync and monitor concurrently; print each minute when it is over."""
        self.fill_pools()
        reads = enumerate(mix(self.paymentagg.snapshots.patients))
        lock = threading.Lock()
        self.begun = time.perf_counter()
        with ThreadPoolExecutor(READERS + 1) as pool:
            working = [pool.submit(self.read, reads, lock) for _ in range(READERS)]
            working.append(pool.submit(self.sync_each_minute))
            for number, minute in enumerate(self.minutes):
                self.monitor(minute, until=self.begun + 60 * (number + 1))
                print(f"| {' | '.join([str(number + 1), *minute.cells()])} |", flush=True)
            for one in working:
                one.result()

    def read(self, reads: Iterator[tuple[int, Read]], lock: threading.Lock) -> None:
        """Send the next read when it is due, until the last minute is over. The lock guards ``reads``."""
        connection = http.client.HTTPConnection(urlsplit(self.server.root).netloc, timeout=TIMEOUT)
        tags: dict[str, str] = {}
        while True:
            with lock:
                number, read = next(reads)
            due = self.begun + number / self.rate
            index = int(number / self.rate / 60)
            if index >= len(self.minutes):
                break
            time.sleep(max(0.0, due - time.perf_counter()))
            status = self.send(connection, read, tags)
            minute = self.minutes[index]
            minute.statuses[status] += 1
            minute.late.append(time.perf_counter() - due)
            if status not in read.right:
                minute.wrong.append(f"{read.method} {read.path}: {status or 'no response'}")
        connection.close()

    def send(self, connection: http.client.HTTPConnection, read: Read, tags: dict[str, str]) -> int:
        """Return the status after reading the whole response, or 0 if none came; store its ETag in ``tags``."""
        headers = {"Authorization": f"Bearer {self.reader_key}", "Accept": read.accept}
        if read.conditional and read.path in tags:
            headers["If-None-Match"] = tags[read.path]
        try:
            connection.request(read.method, read.path, headers=headers)
            response = connection.getresponse()
            while response.read(CHUNK):
                pass
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request reconnects
            return 0
        if tag := response.headers["ETag"]:
            tags[read.path] = tag
        return response.status

    def sync_each_minute(self) -> None:
        """Change 1 % of the payments, or change them back, in the middle of each minute."""
        for number, minute in enumerate(self.minutes):
            time.sleep(max(0.0, self.begun + 60 * number + 30 - time.perf_counter()))
            sent = time.perf_counter()
            connection = http.client.HTTPConnection(urlsplit(self.server.root).netloc, timeout=TIMEOUT)
            with self.paymentagg.snapshots.json("payments", ("changed", "base")[number % 2]).open("rb") as body:
                headers = {"Authorization": f"Bearer {self.syncer_key}", "Content-Type": "application/json"}
                connection.request("POST", "/payments", body, headers)
                status = connection.getresponse().status
            connection.close()
            minute.sync = time.perf_counter() - sent
            if status != 200:
                minute.wrong.append(f"POST /payments: {status}")

    def monitor(self, minute: Minute, until: float) -> None:
        """Sample the server's resources each second, and store the largest values."""
        while (left := until - time.perf_counter()) > 0:
            time.sleep(min(1.0, left))
            rss, pss = memory(self.server.process)
            files = open_files(self.server.process)
            minute.rss, minute.pss = max(minute.rss, rss), max(minute.pss, pss)
            minute.files = max(minute.files, len(files))
            minute.connections = max(minute.connections, connections(self.paymentagg, files))

    def checks(self) -> Iterator[tuple[bool, str]]:
        """Yield whether each check passed, and its values. Call this when no reads are running."""
        failed = sum(n for minute in self.minutes for status, n in minute.statuses.items() if not 0 < status < 500)
        yield not failed, f"{failed} reads with 5xx or no response"
        wrong = [each for minute in self.minutes for each in minute.wrong]
        yield not wrong, "; ".join([f"{len(wrong)} responses with a wrong status", *wrong[:5]])
        last, second = self.minutes[-1], self.minutes[min(1, len(self.minutes) - 1)]
        growth = last.pss / second.pss
        yield growth <= MAX_GROWTH, f"memory in the last minute is {growth:.2f} of the second's, at most {MAX_GROWTH}"
        files = open_files(self.server.process)
        yield len(files) <= second.files, f"{len(files)} open files afterwards, {second.files} in the second minute"
        held = connections(self.paymentagg, files)
        yield held <= second.connections, f"{held} connections afterwards, {second.connections} in the second minute"
        if isinstance(self.paymentagg, PaymentaggOnPostgresql):
            busy = sessions(self.paymentagg, "idle")
            yield not busy, f"{busy} of these connections in a transaction"


def create_key(paymentagg: PaymentaggContender, role: str) -> str:
    """Create an API key with this role; return it."""
    command: list[str | Path] = [SCRIPTS / "paymentagg-keys", "-c", web_servers.INI]
    command += ["create", "--role", role, "--name", "soak"]
    # The server logs to a file in its own folder; this process would write one next to production.ini.
    environment = os.environ | paymentagg.environment() | {"PAYMENTAGG_AUDIT_FILE": ""}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Run the soak test; return the exit status."""
    options = parsed()
    signal.signal(signal.SIGTERM, stop)
    with tempfile.TemporaryDirectory(prefix="soak") as name, ExitStack() as stack:
        folder = Path(name)
        snapshots = Snapshots(options.store.absolute(), options.patients, options.payments)
        snapshots.json("payments", "changed")  # made before the measurement starts
        paymentagg: PaymentaggContender = (
            PaymentaggOnPostgresql(snapshots, folder, stack.enter_context(running_postgresql()))
            if options.engine == "postgresql"
            else PaymentaggOnSqlite(snapshots, folder)
        )
        paymentagg.begin("payments")
        server = stack.enter_context(web_servers.paymentagg(folder, paymentagg.url, access="keys"))
        soak = Soak(server, paymentagg, options.minutes, options.rate)
        size = f"{options.patients:,} patients, {options.payments:,} payments"
        print(f"\n{options.engine}, {size}, {options.rate:g} reads a second\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{' ---: |' * len(COLUMNS)}")
        soak.run()
        print()
        checks = list(soak.checks())
        for passed, values in checks:
            print(f"- {'passed' if passed else 'FAILED'}: {values}")
        return 0 if all(passed for passed, _ in checks) else 1


def parsed() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--engine", choices=["postgresql", "sqlite"], default="postgresql")
    add("--minutes", type=int, default=10, metavar="N")
    add("--rate", type=float, default=50, metavar="N", help="reads a second")
    add("--patients", type=int, default=10_000, metavar="N")
    add("--payments", type=int, default=100_000, metavar="N")
    add("--store", type=Path, default=ROOT / "build" / "snapshots", metavar="FOLDER", help="where to keep snapshots")
    options = parser.parse_args()
    if options.minutes < 1 or not 1 <= options.rate <= 1000:
        parser.error("--minutes must be at least 1, and --rate from 1 to 1000")
    return options


if __name__ == "__main__":
    sys.exit(main())
