"""The snapshot of a sync that was undone is refused, over HTTP and on the console, until it is forced."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from webtest import TestApp

from api import checked, post
from builders import array, gzipped, ndjson, patient_row
from command import Command
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.terms import Terms
from paymentagg.domain.undo import undo
from stores import SqlStore

RIGHT, WRONG = array(patient_row("5")), array(patient_row("5"), patient_row("6"))


def test_over_http_it_is_409(app: TestApp, database_url: str) -> None:
    post(app, "/patients", RIGHT)
    undone(database_url, post(app, "/patients", WRONG).json["id"])
    for query in ("", "?dry_run=true"):
        problem = checked(post(app, f"/patients{query}", WRONG, status=409), "held-snapshot", 409)
        assert "sync 2, which was undone" in problem["detail"]
    assert post(app, "/patients", RIGHT).json["patients"]["unchanged"] == 1
    assert app.get("/syncs").json[1]["undoes"] == 2


def test_on_the_console_it_is_10_and_force_takes_it(tmp_path: Path) -> None:
    script = Command(tmp_path, None)
    for name, content in (("right.json", RIGHT), ("wrong.json", WRONG)):
        script.write(name, content.decode())
        assert script.run("--patients", name).returncode == 0
    undone(f"sqlite:///{tmp_path / 'paymentagg.sqlite'}", 2)

    refused = script.run("--patients", "wrong.json")
    assert refused.returncode == 10
    assert b"sync 2, which was undone" in refused.stderr
    assert b"--force" in refused.stderr
    assert script.run("--patients", "right.json").returncode == 0
    assert script.run("--patients", "wrong.json", "--force").stdout.startswith(b"patients: 1 created")


@pytest.mark.parametrize("content", [WRONG, gzipped(WRONG), ndjson(patient_row("5"), patient_row("6"))])
def test_what_comes_from_a_pipe_is_held_too(tmp_path: Path, content: bytes) -> None:
    script = Command(tmp_path, None)
    for each in (RIGHT, content):
        assert script.run("--patients", "-", stdin=each).returncode == 0
    undone(f"sqlite:///{tmp_path / 'paymentagg.sqlite'}", 2)
    assert script.run("--patients", "-", stdin=content).returncode == 10
    script.write("wrong.json", content)
    assert script.run("--patients", "wrong.json").returncode == 10
    assert script.run("--patients", "-", "--force", stdin=content).returncode == 0


def undone(url: str, sync_id: int) -> None:
    """Undo a sync."""
    store = SqlStore(url)
    with store.transaction() as storage:
        undo(storage, sync_id, Terms(DeletionLimit.parse("0")), lambda: datetime.now(UTC))
    store.close()
