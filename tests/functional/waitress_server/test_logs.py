"""The server's log: each line of a request has its id, which the response has too, as text or as JSON lines."""

import json
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api import PATIENTS
from builders import array
from keyring import Keyring
from paymentagg.domain.access import Role
from server import Server, serving


@dataclass(frozen=True)
class Proxied:
    """A server behind a trusted proxy, a header with a key, and the file of the audit log."""

    server: Server
    key: dict[str, str]
    audit: Path


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxied")
    url = f"sqlite:///{shutil.copy(migrated_sqlite, folder / 'proxied.sqlite')}"
    keys = Keyring(url)
    header = {"Authorization": f"Bearer {keys.key(Role.READER)}"}
    keys.store.close()
    audit = folder / "audit.jsonl"
    settings = {"paymentagg.access": "keys", "paymentagg.audit_file": str(audit)}
    with serving(folder, url, settings, trusted_proxy="127.0.0.1") as server:
        yield Proxied(server, header, audit)


def test_a_line_of_text_has_the_id_of_its_request(tmp_path: Path, sqlite_url: str) -> None:
    with serving(tmp_path, sqlite_url) as server:
        answer = server.post("/patients", array(*PATIENTS), X_Request_Id="chosen-by-the-client")
        request = answer.headers["X-Request-Id"]
        assert uuid.UUID(request).version == 4
        assert server.get("/health/live").headers["X-Request-Id"] != request
    (line,) = [line for line in server.whole_log() if "sync 1" in line]
    assert f"] [{request}] sync 1: patients: 3 created" in line


def test_json_lines_have_the_same_facts(tmp_path: Path, sqlite_url: str) -> None:
    with serving(tmp_path, sqlite_url, {"paymentagg.log": "json"}) as server:
        answer = server.post("/patients", array(*PATIENTS))
    lines = [json.loads(line) for line in server.whole_log() if line.startswith("{")]
    (line,) = [line for line in lines if line["message"].startswith("sync 1: patients: 3 created")]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    del line["message"]
    assert line == {
        "level": "INFO",
        "logger": "paymentagg.entrypoints.sync_log",
        "request": answer.headers["X-Request-Id"],
    }
    assert any("Serving on" in line["message"] for line in lines)


@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [
        ("4bf92f3577b34da6a3ce929d0e0e4736", True),
        ("a.b-c_D", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("Rick Deckard", False),
        ("", False),
    ],
)
def test_the_id_of_a_trusted_proxy_is_taken_if_it_is_plain(proxied: Proxied, sent: str, *, is_taken: bool) -> None:
    answer = proxied.server.get("/patients", {"X-Request-Id": sent, **proxied.key})
    assert (answer.headers["X-Request-Id"] == sent) is is_taken
    last = json.loads(proxied.audit.read_text().splitlines()[-1])
    assert last["request"] == answer.headers["X-Request-Id"]
