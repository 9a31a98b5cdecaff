"""The contenders: paymentagg and its rivals, each with databases of its own, saved in every state to start from."""

import os
import shutil
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from floor import sqlite_floor
from measure import Case, run
from postgresql import Postgresql
from snapshots import Snapshots

BENCHMARKS = Path(__file__).parent
PROGRAMS = BENCHMARKS / "programs"
FLOOR = BENCHMARKS / "floor"
SCRIPTS = Path(sys.executable).parent
"""Where the console scripts of this environment are."""

PREVIOUS_STATE = {"patients": "empty", "payments": "patients"}
"""A state is named after the snapshot that was synced last; this maps each to the state before that sync."""

CHECKSUMS = """
    SELECT count(*), sum(amount_cents), sum(amount_cents * CAST(patients.external_id AS {integer})),
        (SELECT sum(total_cents * CAST(external_id AS {integer}))
            FROM payment_totals JOIN patients ON patients.id = patient_id),
        (SELECT sum(payment_count) FROM payment_totals),
        (SELECT count(*) FROM patients), (SELECT sum(length(first_name) + length(last_name)) FROM patients)
    FROM payments JOIN patients ON patients.id = patient_id
"""


class Contender(ABC):
    """A program that syncs snapshots, and how to make, save and restore its database."""

    name: str

    def __init__(self, snapshots: Snapshots, folder: Path) -> None:
        self.snapshots = snapshots
        self.folder = folder

    def case(self, state: str, model: str, variant: str) -> Case:
        """Return the case of syncing a snapshot into the database in this state."""
        return Case(
            self.name,
            self.command(model, variant),
            prepare=lambda: self.begin(state),
            environment=self.environment(),
            stdin=self.stdin(model, variant),
            folder=self.folder,
        )

    def begin(self, state: str) -> None:
        """Bring the database into a state: ``empty``, ``patients`` or ``payments`` (which has both)."""
        if not self.has(state):
            if state == "empty":
                self.make_empty()
            else:
                self.begin(PREVIOUS_STATE[state])
                self.sync(state, "base")
            self.save(state)
        self.restore(state)

    def sync(self, model: str, variant: str) -> None:
        """Sync a snapshot into the database in its present state."""
        run(
            self.command(model, variant),
            environment=self.environment(),
            stdin=self.stdin(model, variant),
            folder=self.folder,
        )

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables to add for the command."""
        return {}

    def stdin(self, model: str, variant: str) -> Path | None:  # noqa: ARG002  overrides need them
        """Return the file for standard input; None, the default, if the command opens the snapshot itself."""
        return None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL of the database."""

    @abstractmethod
    def command(self, model: str, variant: str) -> Sequence[str | Path]:
        """Return the command that syncs a snapshot."""

    @abstractmethod
    def make_empty(self) -> None:
        """Create the database without rows; replace any that exists."""

    @abstractmethod
    def has(self, state: str) -> bool:
        """Return whether the state has been saved."""

    @abstractmethod
    def save(self, state: str) -> None:
        """Save the database as this state."""

    @abstractmethod
    def restore(self, state: str) -> None:
        """Replace the database with a copy of the saved state."""

    @abstractmethod
    def checksums(self) -> tuple[int, ...]:
        """Return counts and sums of the stored rows, which must be the same for all contenders."""


class OnPostgresql(Contender):
    """A contender with a database on the server; saved states are template databases."""

    def __init__(self, snapshots: Snapshots, folder: Path, server: Postgresql) -> None:
        super().__init__(snapshots, folder)
        self.server = server
        words = [*self.name.lower().split(), snapshots.patients, snapshots.payments]
        self.database = "_".join(map(str, words))

    @property
    def url(self) -> str:
        return self.server.url(self.database)

    def has(self, state: str) -> bool:
        return self.server.has(f"{self.database}_{state}")

    def save(self, state: str) -> None:
        self.server.execute("VACUUM ANALYZE", self.database)
        self.server.create(f"{self.database}_{state}", self.database)

    def restore(self, state: str) -> None:
        self.server.create(self.database, f"{self.database}_{state}")

    def checksums(self) -> tuple[int, ...]:
        (row,) = self.server.execute(CHECKSUMS.format(integer="bigint"), self.database)
        return tuple(int(str(value or 0)) for value in row)


class OnSqlite(Contender):
    """A contender with an SQLite file; saved states are copies of it."""

    def __init__(self, snapshots: Snapshots, folder: Path) -> None:
        super().__init__(snapshots, folder)
        size = f"{snapshots.patients}-{snapshots.payments}"
        self.file = folder / f"{self.name.replace(' ', '-')}-{size}.sqlite"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def has(self, state: str) -> bool:
        return self.file.with_suffix(f".{state}").exists()

    def save(self, state: str) -> None:
        with sqlite3.connect(self.file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        shutil.copy(self.file, self.file.with_suffix(f".{state}"))

    def restore(self, state: str) -> None:
        self.remove()
        shutil.copy(self.file.with_suffix(f".{state}"), self.file)
        with self.file.open("rb+") as copied:
            os.fsync(copied.fileno())  # otherwise the measured command would wait for the copy to reach the disk

    def remove(self) -> None:
        """Delete the file, its write-ahead log and its shared memory, where they exist."""
        for end in ("", "-wal", "-shm"):
            self.file.with_name(self.file.name + end).unlink(missing_ok=True)

    def checksums(self) -> tuple[int, ...]:
        connection = sqlite3.connect(self.file)
        row = connection.execute(CHECKSUMS.format(integer="INTEGER")).fetchone()
        connection.close()
        return tuple(value or 0 for value in row)


class Paymentagg(Contender):
    """paymentagg-sync, run as from a shell."""

    name = "paymentagg"

    def command(self, model: str, variant: str) -> Sequence[str | Path]:
        return [SCRIPTS / "paymentagg-sync", f"--{model}", self.snapshots.json(model, variant), "-v0"]

    def environment(self) -> Mapping[str, str]:
        return {"PAYMENTAGG_DATABASE_URL": self.url}

    def migrate(self) -> None:
        """Create the schema with alembic."""
        upgrade: list[str | Path] = [SCRIPTS / "alembic", "-c", BENCHMARKS.parent / "production.ini", "upgrade", "head"]
        subprocess.run(upgrade, env=os.environ | self.environment(), check=True, capture_output=True)


class PaymentaggOnPostgresql(Paymentagg, OnPostgresql):
    """paymentagg-sync on PostgreSQL."""

    def make_empty(self) -> None:
        self.server.create(self.database)
        self.migrate()


class RunningServer(PaymentaggOnPostgresql):
    """paymentagg on PostgreSQL, for a database of its own: a server that uses it keeps running between the rounds."""

    name = "running server"


class PaymentaggOnSqlite(Paymentagg, OnSqlite):
    """paymentagg-sync on SQLite."""

    def make_empty(self) -> None:
        self.remove()
        self.migrate()


class FloorOnPostgresql(OnPostgresql):
    """SQL written by hand, run by psql."""

    name = "floor"
    scripts = {"payments": FLOOR / "payments.sql", "patients": FLOOR / "patients.sql"}  # noqa: RUF012  constant

    def command(self, model: str, variant: str) -> Sequence[str | Path]:  # noqa: ARG002  stdin() has the variant
        return [self.server.psql, "-X", "-q", "-f", self.scripts[model], self.url]

    def stdin(self, model: str, variant: str) -> Path | None:
        return self.snapshots.tsv(model, variant)

    def make_empty(self) -> None:
        self.server.create(self.database)
        run([self.server.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", FLOOR / "schema.sql", self.url])


class FloorOnSqlite(OnSqlite):
    """SQL written by hand, run by Python's sqlite3 module."""

    name = "plain sqlite3"

    def command(self, model: str, variant: str) -> Sequence[str | Path]:
        return [sys.executable, FLOOR / "sqlite_floor.py", model, self.file, self.snapshots.tsv(model, variant)]

    def make_empty(self) -> None:
        self.remove()
        connection = sqlite3.connect(self.file)
        sqlite_floor.create(connection)
        connection.close()


class Dlt(OnPostgresql):
    """dlt, which loads payments without their patients and keeps no totals."""

    def __init__(
        self, snapshots: Snapshots, folder: Path, server: Postgresql, disposition: str, python: str | Path
    ) -> None:
        self.disposition = disposition
        self.name = f"dlt {disposition}"
        self.python = python
        super().__init__(snapshots, folder, server)

    def command(self, model: str, variant: str) -> Sequence[str | Path]:
        file = self.snapshots.json(model, variant)
        return [self.python, PROGRAMS / "rival_dlt.py", self.disposition, model, file, self.url, self.folder / "dlt"]

    def make_empty(self) -> None:
        self.server.create(self.database)

    def restore(self, state: str) -> None:
        super().restore(state)
        shutil.rmtree(self.folder / "dlt", ignore_errors=True)

    def checksums(self) -> tuple[int, ...]:
        return ()
