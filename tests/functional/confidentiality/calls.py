"""Valid and invalid requests and commands whose data are canaries, for every function of paymentagg."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from api import BOUNDARY, MULTIPART, NDJSON, XLSX, multipart, part
from builders import array, ndjson
from command import DIFF_SCRIPT, HISTORY_SCRIPT, VERIFY_SCRIPT
from functional.confidentiality.installation import Practice
from functional.confidentiality.rows import (
    AMOUNT,
    BAD_PAYMENTS,
    BAD_ROWS,
    BORN,
    ID,
    NAME,
    PATIENTS,
    PAYMENTS,
    SECRET,
    TWINS,
    UNREADABLE,
    VALUE,
    patient,
)
from paymentagg.domain.access import Role
from postgres import connect
from server import Answer

UPLOADS = ("/patients", "/payments", "/snapshot")


def requests(practice: Practice) -> Iterator[Answer]:
    """Send valid and invalid requests to every route, and yield the responses."""
    send, admin = practice.server.request, practice.headers(Role.ADMIN)
    json_type = {"Content-Type": "application/json"}
    # Syncs, and all reasons to refuse one.
    for path, good, bad in (("/patients", PATIENTS, BAD_ROWS), ("/payments", PAYMENTS, BAD_PAYMENTS)):
        for query in ("?dry_run=true", "", "", "?taken_at=2026-01-02T00:00:00Z", "?taken_at=2026-01-01T00:00:00Z"):
            yield send("POST", path + query, array(*good), admin | json_type)
        yield send("POST", path, array(*good, *bad), admin | json_type)
        yield send("POST", f"{path}?strict=true", array(*good, *bad), admin | json_type)
        yield send("POST", path, array(*bad), admin | json_type)
        yield send("POST", path, b"[]", admin | json_type)
        for body in UNREADABLE:
            for media in ("application/json", NDJSON, f"text/{NAME}"):
                yield send("POST", path, body, admin | {"Content-Type": media})
        for body in (array(*good), array(*good[1:])):
            yield send("POST", path, body, admin | json_type | {"Idempotency-Key": VALUE})
        yield send("POST", path, array(*good), admin | json_type | {"Idempotency-Key": f"{VALUE} {NAME}"})
        yield send("POST", path, array(*good), admin | json_type | {"Content-Encoding": NAME})
        for query in (f"?{VALUE}={VALUE}", f"?max_delete={NAME}", f"?taken_at={BORN}", f"?strict={VALUE}"):
            yield send("POST", path + query, array(*good), admin | json_type)
        yield send("POST", f"{path}?max_delete=100%25", array(*good), practice.headers(Role.SYNCER) | json_type)
    forms = [
        multipart(part("patients", array(*PATIENTS, *BAD_ROWS)), part("payments", ndjson(*PAYMENTS), NDJSON)),
        multipart(part(VALUE, array(*PATIENTS))),
        multipart(part("patients", array(*PATIENTS), filename=f"{NAME}.json")),
        multipart(part("patients", array(*PATIENTS), media=f"text/{NAME}")),
        multipart(part("patients", array(*PATIENTS)))[:-20],
        NAME.encode(),
    ]
    for form in forms:
        yield send("POST", "/snapshot", form, admin | {"Content-Type": MULTIPART})
    yield send("POST", "/snapshot", forms[0], admin | {"Content-Type": MULTIPART.replace(BOUNDARY, NAME)})
    # Reads.
    one = (f"/patients/{ID}-1", f"/payments/{ID}-1", "/syncs/1", "/syncs/1/changes", "/syncs/3/rejections")
    for path in ("/patients", "/payments", "/syncs", *one):
        answer = send("GET", path, None, admin)
        yield answer
        yield send("GET", path, None, admin | {"If-None-Match": answer.headers.get("ETag", NAME)})
        yield send("HEAD", path, None, admin)
        for name in (VALUE, "limit", "after", "sort", "payment_min"):
            yield send("GET", f"{path}?{name}={VALUE}", None, admin)
        for media in (NDJSON, XLSX, "text/csv", f"text/{NAME}"):
            yield send("GET", path, None, admin | {"Accept": media})
        yield send(NAME.upper(), path, None, admin)
        yield send("DELETE", path, None, admin)
    for path in (
        f"/{NAME}",
        f"/patients/{NAME}",
        f"/patients/{ID}%ff",
        f"/patients/{ID}%00",
        f"/syncs/{NAME}",
        f"/syncs/{NAME}/changes",
        f"/syncs/1/changes?kind={NAME}",
        f"/payments/{NAME}",
        f"/history?patient={ID}-1",
        f"/history?patient={NAME}&limit=1",
        f"/history?payment={ID}-1",
        f"/history?payment={ID}-1&patient={ID}-1",
        f"/history?payment={ID}%00",
        f"/history?{VALUE}={VALUE}",
        f"/payments?external_id={ID}-1",
        f"/payments?external_id={ID}%00",
        f"/patients?payment_min={AMOUNT}&payment_max={AMOUNT}&sort=-lastName&limit=1",
        f"/patients?payment_min=9{AMOUNT}&payment_max={AMOUNT}",
        f"/patients?{VALUE};{VALUE}={NAME}",
        f"/patients?q={NAME}+{ID}&count=exact",
        f"/patients?q={NAME}%00",
        f"/patients?q={NAME * 10}",
        f"/patients?updated_since={NAME}",
        "/stats",
        f"/stats/histogram?payment_min={AMOUNT}&payments_max=9{AMOUNT}",
        f"/stats/histogram?bins={NAME}",
        f"/stats/syncs?days={VALUE}",
        "/metrics",
        f"/metrics?{VALUE}={NAME}",
        "/health/live",
        f"/health/{NAME}",
    ):
        yield send("GET", path, None, admin)
    last = json.loads(send("GET", "/syncs?limit=1", None, admin).body)[0]["id"]
    for path, headers in (
        (f"/syncs/{NAME}/undo", {}),
        (f"/syncs/{last}/undo?dry_run={NAME}", {}),
        (f"/syncs/{last}/undo?{VALUE}={VALUE}", {}),
        *((f"/syncs/{sync}/undo", {"Idempotency-Key": f"{VALUE} {sync}"}) for sync in range(last, 0, -1)),
    ):
        yield send("POST", path, b"", admin | headers)
    # Keys that are wrong, in the wrong place, or of a role that doesn't suffice.
    right = practice.keys[Role.READER]
    wrong = (f"Bearer {SECRET}", f"Basic {SECRET}", f"Bearer {right[:-1]}", right, f"Bearer {right} {SECRET}")
    for headers in ({"Authorization": header} for header in wrong):
        yield send("GET", f"/patients/{ID}-1", None, headers)
        for path in UPLOADS:
            yield send("POST", path, array(*PATIENTS), headers | json_type)
    yield send("GET", f"/patients?key={right}", None)
    yield send("POST", "/patients", array(*PATIENTS), practice.headers(Role.READER) | json_type)
    # Bytes that aren't HTTP.
    practice.send(f"GET /{NAME}\r\n\r\n")
    practice.send(f"{NAME} / HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {VALUE}\r\n\r\n")
    practice.send(f"POST /patients HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {NAME}\r\n\r\n")
    practice.send(f"GET / HTTP/1.1\r\n{NAME}\r\n\r\n")


def breakdowns(practice: Practice) -> Iterator[tuple[int, Answer]]:
    """Cause failures during requests, and yield each response with the status that it should have."""
    admin = practice.headers(Role.ADMIN)

    def post(*rows: dict[str, Any]) -> Answer:
        path, headers = "/patients?max_delete=100%25", admin | {"Content-Type": "application/json"}
        return practice.server.request("POST", path, array(*rows), headers)

    with practice.one_of_a_name():
        yield 500, post(*TWINS)
    # The client leaves during an export that is larger than the server's output buffer.
    long = f"{NAME:x<250}"
    yield 200, post(*(patient(number, firstName=long, middleName=long) for number in range(40_000)))
    practice.leave("/patients", admin | {"Accept": NDJSON})
    with connect(practice.url) as connection:
        connection.execute(sa.text("UPDATE syncs SET report = :report"), {"report": json.dumps({NAME: AMOUNT})})
    yield 500, practice.server.get("/syncs", admin)
    practice.destroy()
    yield 503, practice.server.get("/patients", admin)
    yield 503, post(*PATIENTS)


def commands(practice: Practice) -> Iterator[tuple[str, str]]:
    """Run paymentagg-sync with valid and invalid snapshots; yield each verbosity and standard error."""
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
    for given in ((), ("--patients", good, "--payments", payments), ("--patients", unreadable[0])):
        yield "1", practice.run(*given, script=VERIFY_SCRIPT)
    for old in (good, unreadable[0]):
        yield "1", practice.run(old, bad, "--model-name", "patient", "-v", "1", script=DIFF_SCRIPT)
    for sync in ("9999", "1", "2"):
        yield "0", practice.run("--undo", sync, "-v", "0")
    for forgotten in (f"{ID}-1", f"{ID}-nobody", f"{NAME}\x01"):
        yield "0", practice.run("forget", forgotten, script=HISTORY_SCRIPT)
    yield "0", practice.run("prune", script=HISTORY_SCRIPT)


def broken_commands(practice: Practice) -> Iterator[tuple[str, str]]:
    """Make paymentagg-sync fail during a sync; yield each verbosity and standard error."""
    new = practice.command.write("new.json", array(*PATIENTS, *TWINS))
    with practice.one_of_a_name():
        yield "1", practice.run("--patients", new)
    practice.destroy()
    yield "1", practice.run("--patients", new)
