"""The console scripts, run as a user runs them: in a process and a folder of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from canaries import BIRTHS, NAMES, found

SCRIPT = Path(sys.executable).with_name("paymentagg-sync")
KEYS_SCRIPT = SCRIPT.with_name("paymentagg-keys")
HISTORY_SCRIPT = SCRIPT.with_name("paymentagg-history")
VERIFY_SCRIPT = SCRIPT.with_name("paymentagg-verify")
PRACTICES_SCRIPT = SCRIPT.with_name("paymentagg-practices")
INIT_SCRIPT = SCRIPT.with_name("paymentagg-init")
SERVE_SCRIPT = SCRIPT.with_name("paymentagg-serve")
DIFF_SCRIPT = SCRIPT.with_name("paymentagg-diff")


class Command:
    """A console script, with the folder that it runs in and the URL of its database (None: that of the settings)."""

    shows_patients = False
    """Whether the test asks for output that has data of patients: that of ``-v 2``."""

    def __init__(self, folder: Path, database_url: str | None, script: Path = SCRIPT) -> None:
        self.script = script
        self.folder = folder
        self.url = database_url

    def write(self, name: str, content: bytes | str) -> str:
        """Write a file into the folder; return its name."""
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment of the process, in which only ``variables`` can be settings besides the URL."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PAYMENTAGG_")}
        kept.pop("NO_COLOR", None)
        url = {} if self.url is None else {"PAYMENTAGG_DATABASE_URL": self.url}
        return kept | url | {"TERM": "xterm", "PYTHONPATH": str(self.folder)} | variables

    def run(self, *arguments: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        """Run the script until it exits, and check that standard error shows no data of patients."""
        done = subprocess.run(
            [self.script, *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert self.shows_patients or found(done.stderr, (*NAMES, *BIRTHS)) == []
        return done

    @contextmanager
    def reading(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the script for the block, which begins when it holds the lock and reads standard input."""
        process = subprocess.Popen(
            [self.script, *arguments, "-v", "3"],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            try:
                assert process.stderr is not None
                for line in process.stderr:
                    if line.startswith(b"reading standard input"):
                        break
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def stored(self, table: str) -> int:
        """Return the number of rows in a table."""
        assert self.url is not None
        engine = sa.create_engine(self.url.replace("postgresql://", "postgresql+psycopg2://"), poolclass=sa.NullPool)
        with engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) or 0


def finish(process: subprocess.Popen[bytes], number: signal.Signals | None = None) -> tuple[int, bytes, bytes]:
    """Send the signal, if any; return the exit status, and what wasn't read of standard output and standard error."""
    assert process.stdout is not None
    assert process.stderr is not None
    if number is not None:
        process.send_signal(number)
    status = process.wait(timeout=60)
    return status, process.stdout.read(), process.stderr.read()
