"""``make run``: the demonstration never touches other people's data."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from builders import array, patient_row
from command import Command
from project import PROJECT, SAMPLES


def test_make_run_serves_the_sample_from_a_database_of_its_own(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "samples")
    shutil.copy(PROJECT / "Makefile", tmp_path)
    ini = (PROJECT / "development.ini").read_text()
    (tmp_path / "development.ini").write_text(ini.replace("127.0.0.1:6543", "127.0.0.1:0"))
    own = Command(tmp_path, None)
    exported = Command(tmp_path, f"sqlite:///{tmp_path / 'exported.sqlite'}")
    for database in (own, exported):
        assert database.run("--patients", "-", stdin=array(*map(patient_row, map(str, range(80))))).returncode == 0

    _make_run(exported)

    own.url = f"sqlite:///{tmp_path / 'paymentagg.sqlite'}"
    assert (own.stored("patients"), exported.stored("patients")) == (80, 80)
    assert Command(tmp_path, f"sqlite:///{tmp_path / 'demo.sqlite'}").stored("patients") == 4


def _make_run(command: Command) -> None:
    """Run ``make run`` with the tools of these tests until its server listens, then stop it."""
    tools = Path(sys.executable).parent
    with subprocess.Popen(
        ["make", "-o", "install", "run", f"BIN={tools}"],  # noqa: S607 -- make isn't in one place everywhere
        cwd=command.folder, env=command.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            assert any("Serving on http://" in line for line in process.stderr)
        finally:
            os.killpg(process.pid, signal.SIGINT)
