"""Canaries in the data of patients and in keys go through all of paymentagg, and no log may show any of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from auditlog import events
from canaries import IDS, OF_PATIENTS, found
from functional.confidentiality.calls import breakdowns, broken_commands, commands, requests
from functional.confidentiality.installation import Practice
from functional.confidentiality.rows import EVERYTHING, ID
from paymentagg.adapters.sql import schema
from paymentagg.entrypoints.http.routes import PUBLIC_PATHS, ROUTES
from postgres import connect
from server import Answer, serving


def test_no_log_and_no_problem_has_data_of_patients_or_keys(practice: Practice) -> None:
    asked = list(requests(practice))
    statuses = {answer.status for answer in asked}
    assert statuses == {200, 304, 400, 401, 403, 404, 405, 406, 409, 415, 422}
    for status, answer in breakdowns(practice):
        assert answer.status == status
        asked.append(answer)
    for answer in asked:
        if answer.status >= 400:
            assert found(without_values(answer), (*OF_PATIENTS, *practice.secrets)) == []
            assert b"DETAIL" not in answer.body
            if answer.status != 422:  # lists the rejected rows for the client that sent them
                assert found(answer.body, IDS) == []
    practice.stop()
    log = "".join(practice.server.whole_log())
    assert "internal error" in log
    assert "the database can't be used" in log
    assert found(log, (*EVERYTHING, *practice.secrets)) == []
    assert "DETAIL" not in log
    lines = events(practice.audit)
    assert {line.get("code") for line in lines} >= {None, "internal", "disconnected", "unauthorized", "deletion-guard"}
    asked_for = {path.replace(":.+", "") for path in ROUTES.keys() - PUBLIC_PATHS - {"/openapi.json"}}
    assert {line.get("route") for line in lines} >= asked_for
    assert found(practice.audit.read_bytes(), (*EVERYTHING, *practice.secrets)) == []


def test_the_console_script_shows_ids_and_no_other_data_of_patients(practice: Practice) -> None:
    said = [*commands(practice), *broken_commands(practice)]
    for verbosity, text in said:
        assert found(text, (*OF_PATIENTS, *practice.secrets)) == []
        assert "DETAIL" not in text
        assert verbosity != "0" or found(text, IDS) == []
    everything = "".join(text for _, text in said)
    assert "unexpected error" in everything
    assert found(everything, IDS) == [ID]
    lines = events(practice.audit)
    assert {line.get("code") for line in lines} >= {None, "internal", "rejected-rows", "invalid-snapshot"}
    assert found(practice.audit.read_bytes(), (*EVERYTHING, *practice.secrets)) == []


def without_values(answer: Answer) -> bytes:
    """Return the body without the values of rejected rows, which only the client sees that has just sent them."""
    if answer.status != 422:
        return answer.body
    problem = json.loads(answer.body)
    for error in problem.get("errors", []):
        del error["value"]
    return json.dumps(problem).encode()


@pytest.fixture(params=["sqlite", "postgresql"])
def practice(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    def overwrite() -> None:
        file.write_bytes(bytes(file.stat().st_size))

    def close() -> None:
        server: sa.URL = request.getfixturevalue("postgres_server")
        name = sa.make_url(url).database
        with connect(server) as connection:
            connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            gone = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            connection.execute(gone, {"name": name})

    if request.param == "sqlite":
        url = request.getfixturevalue("sqlite_url")
        file = Path(url.removeprefix("sqlite:///"))
    else:
        url = request.getfixturevalue("new_postgres_url")
        engine = sa.create_engine(url)
        schema.upgrade(engine)
        engine.dispose()
    monkeypatch.setenv("PAYMENTAGG_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    monkeypatch.setenv("PAYMENTAGG_ACCESS", "keys")
    with serving(tmp_path / "server", url) as server:
        yield Practice(tmp_path, url, server, overwrite if request.param == "sqlite" else close)
