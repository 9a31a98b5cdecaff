"""Data of patients and keys, unmistakable, go through everything that paymentagg does: no log may have any of them."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api import BOUNDARY, MULTIPART, NDJSON, multipart, part
from auditlog import events
from builders import array, gzipped, ndjson
from canaries import AMOUNTS, BIRTHS, IDS, NAMES, OF_PATIENTS, SECRETS, found
from command import Command
from keyring import Keyring
from paymentagg.adapters.sql import schema
from paymentagg.domain.access import Role
from postgres import connect
from server import Answer, Server, serving, until

NAME, BORN, AMOUNT, ID, SECRET, VALUE = NAMES[-1], BIRTHS[-1], AMOUNTS[-1], IDS[0], *SECRETS
EVERYTHING = (*OF_PATIENTS, *IDS, *SECRETS)

UPLOADS = ("/patients", "/payments", "/snapshot")


def patient(number: int = 0, **fields: Any) -> dict[str, Any]:
    names = {"firstName": NAME, "lastName": f"{NAME} {number}"}
    return {"externalId": f"{ID}-{number}", **names, "dateOfBirth": BORN} | fields


def payment(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"externalId": f"{ID}-{number}", "patientId": f"{ID}-{number}", "amount": AMOUNT} | fields


PATIENTS = [patient(number) for number in range(200)]
PAYMENTS = [payment(number) for number in range(200)]

TWINS = [patient(number, lastName=NAME) for number in (301, 302)]

BAD_ROWS = [
    *({**patient(), name: value} for name in patient() for value in (None, 5, "", f"{NAME}\x00", NAME * 40, [NAME])),
    patient(dateOfBirth=f"{BORN}T00:00"),
    patient(externalId=f" {ID}"),
    patient(1),
    patient(1, lastName=f"{NAME} the other"),
    [NAME],
    NAME,
]
BAD_PAYMENTS = [
    *({**payment(), name: value} for name in payment() for value in (None, True, "", f"{AMOUNT}\x00", [AMOUNT])),
    payment(amount=f"{AMOUNT}1"),
    payment(amount=f"9{AMOUNT}e9"),
    payment(amount=f"x{AMOUNT}"),
    payment(patientId=f"{ID}-nobody"),
]
UNREADABLE = [
    array(*PATIENTS)[:-1],
    array(*PATIENTS)[:-30],
    array(*PATIENTS) + NAME.encode(),
    json.dumps({"patients": PATIENTS}).encode(),
    json.dumps(NAME).encode(),
    NAME.encode(),
    array(*PATIENTS).replace(NAME.encode(), NAME.encode() + b"\xff"),
    array(*PATIENTS).decode().encode("utf-16"),
    array(patient(nested="[" * 100_000)).replace(b'"[', b"[").replace(b'["', b"["),
    gzipped(array(*PATIENTS))[:-4],
    gzipped(array(*PATIENTS)) + NAME.encode(),
]


def requests(practice: "Practice") -> Iterator[Answer]:
    """Ask for everything that there is, rightly and wrongly, and yield the answers."""
    ask, admin = practice.server.request, practice.headers(Role.ADMIN)
    json_type = {"Content-Type": "application/json"}
    # Syncs, and every way in which one is refused.
    for path, good, bad in (("/patients", PATIENTS, BAD_ROWS), ("/payments", PAYMENTS, BAD_PAYMENTS)):
        for query in ("?dry_run=true", "", "", "?taken_at=2026-01-02T00:00:00Z", "?taken_at=2026-01-01T00:00:00Z"):
            yield ask("POST", path + query, array(*good), admin | json_type)
        yield ask("POST", path, array(*good, *bad), admin | json_type)
        yield ask("POST", f"{path}?strict=true", array(*good, *bad), admin | json_type)
        yield ask("POST", path, array(*bad), admin | json_type)
        yield ask("POST", path, b"[]", admin | json_type)
        for body in UNREADABLE:
            for media in ("application/json", NDJSON, f"text/{NAME}"):
                yield ask("POST", path, body, admin | {"Content-Type": media})
        for body in (array(*good), array(*good[1:])):
            yield ask("POST", path, body, admin | json_type | {"Idempotency-Key": VALUE})
        yield ask("POST", path, array(*good), admin | json_type | {"Idempotency-Key": f"{VALUE} {NAME}"})
        yield ask("POST", path, array(*good), admin | json_type | {"Content-Encoding": NAME})
        for query in (f"?{VALUE}={VALUE}", f"?max_delete={NAME}", f"?taken_at={BORN}", f"?strict={VALUE}"):
            yield ask("POST", path + query, array(*good), admin | json_type)
        yield ask("POST", f"{path}?max_delete=100%25", array(*good), practice.headers(Role.SYNCER) | json_type)
    forms = [
        multipart(part("patients", array(*PATIENTS, *BAD_ROWS)), part("payments", ndjson(*PAYMENTS), NDJSON)),
        multipart(part(VALUE, array(*PATIENTS))),
        multipart(part("patients", array(*PATIENTS), filename=f"{NAME}.json")),
        multipart(part("patients", array(*PATIENTS), media=f"text/{NAME}")),
        multipart(part("patients", array(*PATIENTS)))[:-20],
        NAME.encode(),
    ]
    for form in forms:
        yield ask("POST", "/snapshot", form, admin | {"Content-Type": MULTIPART})
    yield ask("POST", "/snapshot", forms[0], admin | {"Content-Type": MULTIPART.replace(BOUNDARY, NAME)})
    # Reads.
    for path in ("/patients", "/payments", "/syncs", f"/patients/{ID}-1", "/syncs/1"):
        answer = ask("GET", path, None, admin)
        yield answer
        yield ask("GET", path, None, admin | {"If-None-Match": answer.headers.get("ETag", NAME)})
        yield ask("HEAD", path, None, admin)
        for name in (VALUE, "limit", "after", "sort", "payment_min"):
            yield ask("GET", f"{path}?{name}={VALUE}", None, admin)
        for media in (NDJSON, "text/csv", f"text/{NAME}"):
            yield ask("GET", path, None, admin | {"Accept": media})
        yield ask(NAME.upper(), path, None, admin)
        yield ask("DELETE", path, None, admin)
    for path in (
        f"/{NAME}",
        f"/patients/{NAME}",
        f"/patients/{ID}%ff",
        f"/patients/{ID}%00",
        f"/syncs/{NAME}",
        f"/payments?external_id={ID}-1",
        f"/payments?external_id={ID}%00",
        f"/patients?payment_min={AMOUNT}&payment_max={AMOUNT}&sort=-lastName&limit=1",
        f"/patients?payment_min=9{AMOUNT}&payment_max={AMOUNT}",
        f"/patients?{VALUE};{VALUE}={NAME}",
        "/health/live",
        f"/health/{NAME}",
    ):
        yield ask("GET", path, None, admin)
    # Keys that are none, or not enough, or in the wrong place.
    right = practice.keys[Role.READER]
    wrong = (f"Bearer {SECRET}", f"Basic {SECRET}", f"Bearer {right[:-1]}", right, f"Bearer {right} {SECRET}")
    for headers in ({"Authorization": header} for header in wrong):
        yield ask("GET", f"/patients/{ID}-1", None, headers)
        for path in UPLOADS:
            yield ask("POST", path, array(*PATIENTS), headers | json_type)
    yield ask("GET", f"/patients?key={right}", None)
    yield ask("POST", "/patients", array(*PATIENTS), practice.headers(Role.READER) | json_type)
    # What is no HTTP.
    practice.send(f"GET /{NAME}\r\n\r\n")
    practice.send(f"{NAME} / HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {VALUE}\r\n\r\n")
    practice.send(f"POST /patients HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {NAME}\r\n\r\n")
    practice.send(f"GET / HTTP/1.1\r\n{NAME}\r\n\r\n")


def breakdowns(practice: "Practice") -> Iterator[tuple[int, Answer]]:
    """Let things fail in the middle, and yield the answers that there still are, with the status each should have."""
    admin = practice.headers(Role.ADMIN)

    def post(*rows: dict[str, Any]) -> Answer:
        path, headers = "/patients?max_delete=100%25", admin | {"Content-Type": "application/json"}
        return practice.server.request("POST", path, array(*rows), headers)

    with practice.one_of_a_name():
        yield 500, post(*TWINS)
    # An export that the client leaves, of more than the server keeps for a client that doesn't read.
    long = f"{NAME:x<250}"
    yield 200, post(*(patient(number, firstName=long, middleName=long) for number in range(40_000)))
    practice.leave("/patients", admin | {"Accept": NDJSON})
    with connect(practice.url) as connection:
        connection.execute(sa.text("UPDATE syncs SET report = :report"), {"report": json.dumps({NAME: AMOUNT})})
    yield 500, practice.server.get("/syncs", admin)
    practice.destroy()
    yield 503, practice.server.get("/patients", admin)
    yield 503, post(*PATIENTS)


def commands(practice: "Practice") -> Iterator[tuple[str, str]]:
    """Run paymentagg-sync, rightly and wrongly, and yield how verbose it was, and what it said on standard error."""
    command = practice.command
    good, bad = command.write("good.json", array(*PATIENTS)), command.write("bad.json", array(*PATIENTS, *BAD_ROWS))
    payments = command.write("payments.json", ndjson(*PAYMENTS, *BAD_PAYMENTS))
    unreadable = [command.write(f"unreadable{number}", body) for number, body in enumerate(UNREADABLE)]
    for verbosity, *arguments in (
        ("0", "--patients", bad, "--payments", payments),
        ("1", "--patients", bad, "--payments", payments),
        ("1", "--patients", good, "--force"),
        ("1", "--patients", bad, "--strict", "--rejects", "rejects.ndjson"),
        ("1", "--payments", good),
        ("1", "--patients", command.write("empty.json", b"[]")),
        *(("1", "--patients", file) for file in unreadable[::3]),
    ):
        yield verbosity, practice.run(*arguments, "-v", verbosity)


def broken_commands(practice: "Practice") -> Iterator[tuple[str, str]]:
    """Let paymentagg-sync fail in the middle."""
    new = practice.command.write("new.json", array(*PATIENTS, *TWINS))
    with practice.one_of_a_name():
        yield "1", practice.run("--patients", new)
    practice.destroy()
    yield "1", practice.run("--patients", new)


def test_no_log_and_no_problem_has_data_of_patients_or_keys(practice: "Practice") -> None:
    asked = list(requests(practice))
    statuses = {answer.status for answer in asked}
    assert statuses == {200, 304, 400, 401, 403, 404, 405, 406, 409, 415, 422}
    for status, answer in breakdowns(practice):
        assert answer.status == status
        asked.append(answer)
    for answer in asked:
        if answer.status >= 400:
            assert found(answer.body, (*OF_PATIENTS, *practice.secrets)) == []
            assert b"DETAIL" not in answer.body
            if answer.status != 422:  # which lists the rejected rows for who has just sent them
                assert found(answer.body, IDS) == []
    practice.stop()
    log = "".join(practice.server.whole_log())
    assert "internal error" in log
    assert "the database can't be used" in log
    assert found(log, (*EVERYTHING, *practice.secrets)) == []
    assert "DETAIL" not in log
    lines = events(practice.audit)
    assert {line.get("code") for line in lines} >= {None, "internal", "disconnected", "unauthorized", "deletion-guard"}
    assert found(practice.audit.read_bytes(), (*EVERYTHING, *practice.secrets)) == []


def test_the_console_script_shows_ids_to_who_has_them_and_nothing_else(practice: "Practice") -> None:
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


class Practice:
    """A server process that needs keys, and the console script, over a database that can be destroyed."""

    def __init__(self, folder: Path, url: str, server: Server, destroy: Callable[[], None]) -> None:
        self.url = url
        self.server = server
        self.destroy = destroy
        self.audit = folder / "audit.jsonl"
        self.command = Command(folder, url)
        ring = Keyring(url)
        self.keys = {role: ring.key(role) for role in Role}
        ring.store.close()
        self.secrets = tuple(key[len("pagg_") + 9 :] for key in self.keys.values())

    def headers(self, role: Role) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def run(self, *arguments: str) -> str:
        """Run paymentagg-sync, and return what it said on standard error."""
        done = self.command.run(*arguments, "--traceback", PAYMENTAGG_AUDIT_FILE=str(self.audit))
        return done.stderr.decode()

    @contextmanager
    def one_of_a_name(self) -> Iterator[None]:
        """Let the database refuse a second patient of a name: PostgreSQL's words for that quote it."""
        with connect(self.url) as connection:
            connection.execute(sa.text("CREATE UNIQUE INDEX one_of_a_name ON patients (last_name)"))
        yield
        with connect(self.url) as connection:
            connection.execute(sa.text("DROP INDEX one_of_a_name"))

    def send(self, text: str) -> None:
        """Send what may be no request, and read what comes back."""
        host, _, port = self.server.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def leave(self, path: str, headers: dict[str, str]) -> None:
        """Ask, read the beginning of the answer, leave, and wait until the server has seen that."""
        connection = self.server.connect()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert response.status == 200
        response.read(1000)
        response.close()
        connection.close()
        until(lambda: b"disconnected" in self.audit.read_bytes())

    def stop(self) -> None:
        self.server.process.terminate()
        self.server.process.wait(60)


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
