"""Snapshots damaged by accident: a practice would lose its data if one were taken for the whole state."""

import csv
import gzip
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

from api import JSON, NDJSON
from builders import array, gzipped, ndjson, patient_row, payment_row

PATIENTS = [
    patient_row(f"p{number}a", firstName="Zoë", lastName=f"Nr {number}", middleName=None) for number in range(2_000)
]
PAYMENTS = [
    payment_row(f"z{number}b", f"p{number % 100 if number < 4_000 else number % 2_000}a", f"{number}.50")
    for number in range(8_000)
]
"""Half of all payments belong to the first hundred patients."""

Rows = list[dict[str, Any]]


class Outcome(NamedTuple):
    """The status and code of the HTTP response, and the exit status of the console script."""

    status: int
    code: str
    exit_status: int


UNREADABLE = Outcome(400, "invalid-snapshot", 7)
GUARDED = Outcome(409, "deletion-guard", 4)
REJECTED = Outcome(200, "", 3)
"""Rows are rejected, and deletions suspended: there are too many of them, or their ids can't be read."""


class Accident(NamedTuple):
    """A snapshot of the model that the path names, and the expected outcome."""

    path: str
    body: bytes
    outcome: Outcome
    media: str = JSON


def patients(body: bytes, outcome: Outcome, media: str = JSON) -> Accident:
    """Return an accident with a snapshot of patients."""
    return Accident("/patients", body, outcome, media)


def payments(body: bytes, outcome: Outcome, media: str = JSON) -> Accident:
    """Return an accident with a snapshot of payments."""
    return Accident("/payments", body, outcome, media)


def every(rows: Rows, **changes: Callable[[str], object]) -> bytes:
    """Return the rows as an array, with the values of these fields changed in each."""
    return array(*(row | {name: change(row[name]) for name, change in changes.items()} for row in rows))


def as_csv(rows: Rows) -> bytes:
    """Return the rows as CSV with a header; without rows, a header of one column."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0] if rows else ["externalId"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_zip(body: bytes) -> bytes:
    """Return a zip archive with the snapshot as its only file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("patients.json", body)
    return file.getvalue()


_BODY = array(*PATIENTS)
_LINES = ndjson(*PATIENTS)
_ZIPPED = gzipped(_BODY)
_TEXT = json.dumps(PATIENTS, ensure_ascii=False)
_HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
_ERROR = {"status": 502, "error": "Bad Gateway"}

ACCIDENTS = {
    # Empty, or almost empty.
    "an empty file": patients(b"", UNREADABLE),
    "line ends alone": patients(b"\r\n", UNREADABLE, NDJSON),
    "no patients": patients(b"[]", GUARDED),
    "no payments": payments(b"[]", GUARDED),
    "no patients after a byte order mark": patients(b"\xef\xbb\xbf[]", GUARDED),
    "no payments, gzipped": payments(gzipped(b"[]"), GUARDED),
    "null": patients(b"null", UNREADABLE),
    "an empty object": payments(b"{}", UNREADABLE),
    "one patient": patients(array(PATIENTS[0]), GUARDED),
    "one payment": payments(array(PAYMENTS[0]), GUARDED),
    "zeros after a power cut": patients(b"\0" * len(_BODY), UNREADABLE),
    # Incomplete.
    "cut in the middle": patients(_BODY[: len(_BODY) // 2], UNREADABLE),
    "cut after a row": patients(_BODY[: _BODY.index(b"}, {", len(_BODY) // 2) + 1], UNREADABLE),
    "the last bracket is missing": patients(_BODY[:-1], UNREADABLE),
    "lines cut within a row": patients(_LINES[: len(_LINES) // 2], UNREADABLE, NDJSON),
    "lines cut after a row": patients(ndjson(*PATIENTS[:1_000]), GUARDED, NDJSON),
    "gzip cut": patients(_ZIPPED[:-20], UNREADABLE),
    "gzip damaged": patients(_ZIPPED[:-8] + b"\0\0\0\0" + _ZIPPED[-4:], UNREADABLE),
    "half of the patients": patients(array(*PATIENTS[::2]), GUARDED),
    "half of the payments": payments(array(*PAYMENTS[::2]), GUARDED),
    "the first page alone": payments(array(*PAYMENTS[:1_000]), GUARDED),
    "a fifth and one patient are missing": patients(array(*PATIENTS[401:]), GUARDED),
    "the patients with most payments are missing": patients(array(*PATIENTS[100:]), GUARDED),
    "half of the patients, then an error": patients(array(*PATIENTS[::2], _ERROR), REJECTED),
    # Another format, or another document.
    "a wrapper": patients(b'{"patients": ' + _BODY + b"}", UNREADABLE),
    "an empty wrapper": payments(b'{"data": [], "total": 8000}', UNREADABLE),
    "an error in JSON": patients(json.dumps(_ERROR).encode(), UNREADABLE),
    "an error in an array": patients(array(_ERROR), REJECTED),
    "an error page": patients(_HTML, UNREADABLE),
    "a log line before it": patients(b"export started\n" + _BODY, UNREADABLE),
    "a callback": patients(b"callback(" + _BODY + b")", UNREADABLE),
    "JSON in a string": patients(json.dumps(_BODY.decode()).encode(), UNREADABLE),
    "an array in an array": patients(b"[" + _BODY + b"]", REJECTED),
    "ids alone": patients(array(*(row["externalId"] for row in PATIENTS)), REJECTED),
    "a table": patients(as_csv(PATIENTS), UNREADABLE),
    "the header of a table": patients(as_csv([]), UNREADABLE),
    "the header of a table in JSON": patients(
        array({name: name for name in PATIENTS[0]} | {"dateOfBirth": None}), GUARDED
    ),
    "a zip file": patients(as_zip(_BODY), UNREADABLE),
    "gzip twice": patients(gzip.compress(_ZIPPED), UNREADABLE),
    "base64": patients(b64encode(_BODY), UNREADABLE),
    "two exports in one file": patients(_BODY + _BODY, UNREADABLE),
    "every row twice": patients(array(*PATIENTS, *PATIENTS), REJECTED),
    "two exports that differ": patients(
        ndjson(*PATIENTS, *(row | {"lastName": "Other"} for row in PATIENTS)), REJECTED, NDJSON
    ),
    # The wrong rows.
    "patients as payments": payments(_BODY, REJECTED),
    "payments as patients": patients(array(*PAYMENTS), REJECTED),
    "another practice's patients": patients(every(PATIENTS, externalId="x{}".format), GUARDED),
    "another practice's payments": payments(every(PAYMENTS, externalId="x{}".format, patientId="x{}".format), REJECTED),
    "all ids have changed": payments(every(PAYMENTS, externalId="0{}".format), GUARDED),
    "all ids in capitals": patients(every(PATIENTS, externalId=str.upper), GUARDED),
    "all patients' ids in capitals": payments(every(PAYMENTS, patientId=str.upper), REJECTED),
    "all ids are numbers": patients(every(PATIENTS, externalId=len), REJECTED),
    "all ids have a space before them": patients(every(PATIENTS, externalId=" {}".format), REJECTED),
    "another name for the id": patients(_BODY.replace(b"externalId", b"external_id"), REJECTED),
    "all names are lost": patients(every(PATIENTS, lastName=lambda _: None), REJECTED),
    "all amounts are lost": payments(every(PAYMENTS, amount=lambda _: None), REJECTED),
    "amounts with a comma": payments(every(PAYMENTS, amount=lambda amount: amount.replace(".", ",")), REJECTED),
    "amounts of binary fractions": payments(every(PAYMENTS, amount=lambda _: 0.1 + 0.2), REJECTED),
    "amounts that are no numbers": payments(every(PAYMENTS, amount=lambda _: float("nan")), UNREADABLE),
    "dates of another country": patients(every(PATIENTS, dateOfBirth=lambda _: "01.02.2094"), REJECTED),
    # The wrong encoding.
    "UTF-16": patients(_TEXT.encode("utf-16"), UNREADABLE),
    "UTF-16 without a mark": patients(_TEXT.encode("utf-16-le"), UNREADABLE),
    "UTF-32": patients(_TEXT.encode("utf-32"), UNREADABLE),
    "Latin-1": patients(_TEXT.encode("latin-1"), UNREADABLE),
    "CESU-8": patients(_TEXT.replace("ë", "\ud83d\ude00").encode("utf-8", "surrogatepass"), UNREADABLE),
}
