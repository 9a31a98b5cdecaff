"""Who is measured: paymentagg and its rivals, each with databases of its own in the states that the work begins in."""

import os
import shutil
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import floor_sqlite
from measure import Case, run
from servers import Postgresql
from snapshots import Snapshots

HERE = Path(__file__).parent
PROGRAMS = Path(sys.executable).parent

BEFORE = {"patients": "empty", "payments": "patients"}
"""Each state is named after the snapshot that was synced last; this is the state before it."""

SUMS = """
    SELECT count(*), sum(amount_cents), sum(amount_cents * CAST(patients.external_id AS {integer})),
        (SELECT sum(total_cents * CAST(external_id AS {integer}))
            FROM payment_totals JOIN patients ON patients.id = patient_id),
        (SELECT sum(payment_count) FROM payment_totals),
        (SELECT count(*) FROM patients), (SELECT sum(length(first_name) + length(last_name)) FROM patients)
    FROM payments JOIN patients ON patients.id = patient_id
"""


class Side(ABC):
    """One who does the work: a name, and how its databases are made, copied and asked."""

    name: str

    def __init__(self, snapshots: Snapshots, folder: Path) -> None:
        self.snapshots = snapshots
        self.folder = folder

    def case(self, state: str, model: str, variant: str) -> Case:
        """Return the work of syncing a snapshot into a database in a state."""
        return Case(
            self.name,
            self.command(model, variant),
            prepare=lambda: self.begin(state),
            environment=self.environment(),
            stdin=self.stdin(model, variant),
            folder=self.folder,
        )

    def begin(self, state: str) -> None:
        """Put the database into a state: empty, with patients, with payments as well."""
        if not self.has(state):
            if state == "empty":
                self.make_empty()
            else:
                self.begin(BEFORE[state])
                self.sync(state, "base")
            self.save(state)
        self.restore(state)

    def sync(self, model: str, variant: str) -> None:
        """Sync a snapshot into the database as it is."""
        run(
            self.command(model, variant),
            environment=self.environment(),
            stdin=self.stdin(model, variant),
            folder=self.folder,
        )

    def environment(self) -> Mapping[str, str]:
        return {}

    def stdin(self, model: str, variant: str) -> Path | None:  # noqa: ARG002  most read their files themselves
        return None

    @abstractmethod
    def command(self, model: str, variant: str) -> Sequence[str | Path]: ...

    @abstractmethod
    def make_empty(self) -> None: ...

    @abstractmethod
    def has(self, state: str) -> bool: ...

    @abstractmethod
    def save(self, state: str) -> None: ...

    @abstractmethod
    def restore(self, state: str) -> None: ...

    @abstractmethod
    def sums(self) -> tuple[int, ...]:
        """Return what all sides must agree on."""


class OnPostgresql(Side):
    """Databases on the server, copied as templates."""

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

    def sums(self) -> tuple[int, ...]:
        return tuple(
            int(str(value or 0)) for value in self.server.execute(SUMS.format(integer="bigint"), self.database)[0]
        )


class OnSqlite(Side):
    """Files, copied. A copy is on the disk before the work begins, or the work would have to wait for it."""

    def __init__(self, snapshots: Snapshots, folder: Path) -> None:
        super().__init__(snapshots, folder)
        size = f"{snapshots.patients}-{snapshots.payments}"
        self.file = folder / f"{self.name.replace(' ', '-')}-{size}.sqlite"

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
            os.fsync(copied.fileno())

    def remove(self) -> None:
        for end in ("", "-wal", "-shm"):
            self.file.with_name(self.file.name + end).unlink(missing_ok=True)

    def sums(self) -> tuple[int, ...]:
        connection = sqlite3.connect(self.file)
        row = connection.execute(SUMS.format(integer="INTEGER")).fetchone()
        connection.close()
        return tuple(value or 0 for value in row)


class Paymentagg(Side):
    """paymentagg, as it is run from a shell."""

    name = "paymentagg"
    url: str

    def command(self, model: str, variant: str) -> Sequence[str | Path]:
        return [PROGRAMS / "paymentagg-sync", f"--{model}", self.snapshots.json(model, variant), "-v0"]

    def environment(self) -> Mapping[str, str]:
        return {"PAYMENTAGG_DATABASE_URL": self.url}

    def migrate(self) -> None:
        upgrade = [PROGRAMS / "alembic", "-c", HERE.parent / "production.ini", "upgrade", "head"]
        subprocess.run(upgrade, env=os.environ | self.environment(), check=True, capture_output=True)


class PaymentaggOnPostgresql(Paymentagg, OnPostgresql):
    def make_empty(self) -> None:
        self.server.create(self.database)
        self.migrate()


class PaymentaggOnSqlite(Paymentagg, OnSqlite):
    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def make_empty(self) -> None:
        self.remove()
        self.migrate()


class FloorOnPostgresql(OnPostgresql):
    """SQL written by hand, and psql."""

    name = "floor"
    scripts = {"payments": HERE / "floor_postgresql.sql", "patients": HERE / "floor_patients.sql"}  # noqa: RUF012  constant

    def command(self, model: str, variant: str) -> Sequence[str | Path]:  # noqa: ARG002  it comes by standard input
        return [self.server.psql, "-X", "-q", "-f", self.scripts[model], self.url]

    def stdin(self, model: str, variant: str) -> Path | None:
        return self.snapshots.tsv(model, variant)

    def make_empty(self) -> None:
        self.server.create(self.database)
        run([self.server.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", HERE / "floor_schema.sql", self.url])


class FloorOnSqlite(OnSqlite):
    """The same with Python's standard library."""

    name = "plain sqlite3"

    def command(self, model: str, variant: str) -> Sequence[str | Path]:
        return [sys.executable, HERE / "floor_sqlite.py", model, self.file, self.snapshots.tsv(model, variant)]

    def make_empty(self) -> None:
        self.remove()
        connection = sqlite3.connect(self.file)
        floor_sqlite.create(connection)
        connection.close()


class Dlt(OnPostgresql):
    """dlt, which takes payments without their patients, and keeps no totals."""

    def __init__(
        self, snapshots: Snapshots, folder: Path, server: Postgresql, disposition: str, python: str | Path
    ) -> None:
        self.disposition = disposition
        self.name = f"dlt {disposition}"
        self.python = python
        super().__init__(snapshots, folder, server)

    def command(self, model: str, variant: str) -> Sequence[str | Path]:
        file = self.snapshots.json(model, variant)
        return [self.python, HERE / "rival_dlt.py", self.disposition, model, file, self.url, self.folder / "dlt"]

    def make_empty(self) -> None:
        self.server.create(self.database)

    def restore(self, state: str) -> None:
        super().restore(state)
        shutil.rmtree(self.folder / "dlt", ignore_errors=True)

    def sums(self) -> tuple[int, ...]:
        return ()
