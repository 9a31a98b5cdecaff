"""A process is killed under load: nginx repeats what it may elsewhere, no sync is half done, and the others go on."""

import http.client
import itertools
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from auditlog import AUDIT
from builders import array, patient_row
from deployment.installation import Installation, installation
from server import Answer, until

READERS, SYNCERS = 6, 3
BEFORE, AFTER = 100, 200
"""How many reads are done before the process is killed, and after that."""
SYNCS = 6
"""How many syncs are done before, and after that."""
ROWS = 300

PATHS = ("/patients?q=deckard&limit=20", "/patients/5", "/syncs?limit=5", "/stats", "/health/ready")


class Load:
    """Reads and syncs through nginx until it is stopped, and what became of them."""

    def __init__(self, installed: Installation) -> None:
        self._installed = installed
        self._admin = installed.bearer()
        self._stopped = Event()
        self._numbers = itertools.count()
        self.reads: list[int | str] = []
        self.syncs: dict[str, int | None] = {}
        """The id of the sync for each idempotency key; None if it was refused, or had no answer."""
        self.failed: set[str] = set()
        """The idempotency keys without an answer of paymentagg."""

    def read(self) -> None:
        """Read one path after the other."""
        for path in itertools.cycle(PATHS):
            if self._stopped.is_set():
                return
            try:
                self.reads.append(self._installed.nginx.get(path, self._admin).status)
            except http.client.IncompleteRead:
                self.reads.append("cut off")  # the response had begun, so nginx couldn't repeat the request

    def sync(self) -> None:
        """Send one snapshot after the other."""
        while not self._stopped.is_set():
            self.sync_once()

    def sync_once(self) -> None:
        """Send the next snapshot."""
        key = f"key-{next(self._numbers)}"
        answer = self.send(key)
        assert answer.status in (200, 409, 502), answer.body
        self.syncs[key] = answer.json["id"] if answer.status == 200 else None
        if answer.status == 502:
            self.failed.add(key)

    def send(self, key: str) -> Answer:
        """Send the snapshot of an idempotency key."""
        rows = [patient_row(f"{number}", middleName=key) for number in range(ROWS)]
        return self._installed.nginx.post("/patients", array(*rows), self._admin | {"Idempotency-Key": key})

    def stop(self) -> None:
        """End all threads after what they do now."""
        self._stopped.set()


@contextmanager
def running(load: Load) -> Iterator[None]:
    """Run the load for the block; raise what one of its threads has raised."""
    with ThreadPoolExecutor(READERS + SYNCERS) as threads:
        tasks = [threads.submit(load.read) for _ in range(READERS)]
        tasks += [threads.submit(load.sync) for _ in range(SYNCERS)]
        try:
            yield
        finally:
            load.stop()
    for task in tasks:
        task.result()


def test_a_process_that_is_killed_under_load_costs_no_read_and_no_sync(tmp_path: Path, database_url: str) -> None:
    with installation(tmp_path, database_url) as installed:
        admin = installed.bearer()
        load = Load(installed)
        load.sync_once()
        with running(load):
            until(lambda: len(load.reads) >= BEFORE and done(load) >= SYNCS)
            killed = installed.processes[1]
            killed.process.kill()
            reads, syncs = len(load.reads), done(load)
            until(lambda: len(load.reads) >= reads + AFTER and done(load) >= syncs + SYNCS)
        assert set(load.reads) <= {200, "cut off"}
        assert load.reads.count("cut off") <= READERS
        others = [client for client in installed.direct if client.address != killed.address]
        assert [client.get("/health/ready").status for client in others] == [200] * 3

        kept = [report["id"] for report in installed.nginx.get("/syncs?limit=1000", admin).json]
        answered = [sync for sync in load.syncs.values() if sync is not None]
        again = {key: load.send(key) for key in load.syncs}
        assert {answer.status for answer in again.values()} == {200}
        unheard = [again[key] for key in load.failed if "Idempotent-Replayed" in again[key].headers]
        assert sorted(kept) == sorted(answered + [answer.json["id"] for answer in unheard])
        for key, sync in load.syncs.items():
            if sync is not None:
                assert (again[key].json["id"], again[key].headers["Idempotent-Replayed"]) == (sync, "true")
        assert len(installed.nginx.get("/syncs?limit=1000", admin).json) == len(load.syncs)
        with installed.keys.store.verification() as verification:
            assert list(verification.findings()) == []
        assert not any("deckard" in file.read_text() for file in installed.folder.glob("nginx/*.log"))
        verified = subprocess.run([AUDIT, "verify", installed.audit_log], capture_output=True, check=False)
        assert verified.returncode == 0, verified.stdout


def done(load: Load) -> int:
    """Return how many syncs have been answered with a report."""
    return sum(sync is not None for sync in list(load.syncs.values()))
