"""Requests that try to exhaust a server's time, memory or stack; each is small to send or easy to generate."""

import json
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from api import BOUNDARY, JSON, MULTIPART, NDJSON, PATIENTS, PAYMENTS, multipart, part
from builders import array, gzipped

REFUSED = (400, "invalid-snapshot")
TOO_LARGE = (413, "too-large")
NAMED = (400, "invalid-parameter")
REJECTED = (200, "")
"""Bad rows are rejected, unknown fields are ignored, and the good rows are stored."""

MEGABYTE = 1_000_000
_LONG_TEXT = 1_000_000
"""Length in bytes of a text that just fits into the largest row allowed."""


class Bomb(NamedTuple):
    """A request and the expected status and code. ``body`` takes a number of rows, and the upload limit in bytes."""

    path: str
    media: str
    answer: tuple[int, str]
    body: Callable[[int, int], bytes | Iterable[bytes]]


def beside(rows: list[dict[str, object]], *bombs: bytes) -> bytes:
    """Return an array of these rows, and of others that are given as JSON texts."""
    return b"[" + b",".join([*(json.dumps(row).encode() for row in rows), *bombs]) + b"]"


def with_field(row: dict[str, object], name: bytes, text: bytes) -> bytes:
    """Return a row as JSON, with this JSON text as the value of the field."""
    others = json.dumps({key: value for key, value in row.items() if key.encode() != name}).encode()
    return b'{"' + name + b'": ' + text + b", " + others[1:]


@cache
def expanding(start: bytes, filling: bytes, size: int) -> bytes:
    """Return ``start`` and at least ``size`` bytes of ``filling``, compressed to about a thousandth by gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = filling * (MEGABYTE // len(filling))
    packed = [packer.compress(start), *(packer.compress(piece) for _ in range(size // len(piece) + 1)), packer.flush()]
    return b"".join(packed)


def patients(*bombs: bytes) -> bytes:
    """Return an array of the small practice's patients, and of other rows that are given as JSON texts."""
    return beside(PATIENTS, *bombs)


def payment_with(name: bytes, text: bytes) -> bytes:
    """Return an array of the small practice's payments, the last with this JSON text as the value of the field."""
    return beside(PAYMENTS[1:], with_field(PAYMENTS[0], name, text))


_HEADER = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="patients"\r\n'.encode()
_ALMOST_BOUNDARY = f"\r\n--{BOUNDARY[:-1]}".encode()

BOMBS = {
    "gzip past the limit": Bomb("/patients", JSON, TOO_LARGE, lambda _, limit: expanding(b"[", b" ", limit)),
    "gzip of members past the limit": Bomb(
        "/patients", NDJSON, TOO_LARGE, lambda _, limit: gzipped(b"\n" * MEGABYTE) * (limit // MEGABYTE + 1)
    ),
    "gzip in gzip": Bomb("/patients", JSON, REFUSED, lambda *_: gzipped(expanding(b"[", b" ", 100 * MEGABYTE))),
    "a million empty members": Bomb("/patients", JSON, REFUSED, lambda rows, _: gzipped(b"") * rows),
    "gzip past the limit in a part": Bomb(
        "/snapshot", MULTIPART, TOO_LARGE, lambda _, limit: multipart(part("patients", expanding(b"[", b" ", limit)))
    ),
    "one row without end in gzip": Bomb(
        "/patients", JSON, TOO_LARGE, lambda _, limit: expanding(b'[{"externalId": "', b"x", limit)
    ),
    "arrays 100,000 deep": Bomb("/patients", JSON, REFUSED, lambda *_: b"[" * 100_000),
    "objects 100,000 deep": Bomb("/patients", NDJSON, REFUSED, lambda *_: b'{"a":' * 100_000),
    "many rows that are deep": Bomb(
        "/patients",
        JSON,
        REJECTED,
        lambda rows, _: patients(*[b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"] * (rows // 100)),
    ),
    **{
        f"{field} of {digits:,} digits": Bomb(
            "/payments",
            JSON,
            REJECTED,
            lambda *_, field=field, digits=digits: payment_with(field.encode(), b"1" * digits),
        )
        for field in ("amount", "patientId", "note")
        for digits in (5_000, 1_000_000)
    },
    "amounts of a million decimals": Bomb(
        "/payments",
        JSON,
        REJECTED,
        lambda *_: beside(PAYMENTS, *[b'{"externalId":"x","amount":0.' + b"1" * 1_000_000 + b"}"] * 50),
    ),
    "a number without end": Bomb("/patients", JSON, REFUSED, lambda *_: b"[" + b"1" * 50 * MEGABYTE + b"]"),
    "one row of 100 MB": Bomb(
        "/patients", JSON, REFUSED, lambda *_: patients(b'{"note": [' + b"{}," * (33 * MEGABYTE) + b"0]}")
    ),
    "a string of 50 MB": Bomb(
        "/patients", NDJSON, REFUSED, lambda *_: b'{"externalId": "' + b"x" * 50 * MEGABYTE + b'"}'
    ),
    "strings of brackets": Bomb(
        "/patients", JSON, REJECTED, lambda *_: patients(*[b'{"externalId": "' + b"}" * _LONG_TEXT + b'"}'] * 50)
    ),
    "strings of escapes": Bomb(
        "/patients", JSON, REJECTED, lambda *_: patients(*[b'{"lastName": "' + b"\\u0041" * 160_000 + b'"}'] * 50)
    ),
    "rows of nothing": Bomb("/patients", JSON, REJECTED, lambda rows, _: patients(*[b"{}"] * rows)),
    "lines of nothing": Bomb("/patients", NDJSON, REJECTED, lambda rows, _: b"{}\n" * rows),
    "rows that are numbers": Bomb("/payments", JSON, REJECTED, lambda rows, _: beside(PAYMENTS, *[b"1"] * rows)),
    "rows of nothing in gzip": Bomb("/patients", JSON, REJECTED, lambda rows, _: gzipped(patients(*[b"{}"] * rows))),
    "rejected rows": Bomb(
        "/payments",
        JSON,
        REJECTED,
        lambda rows, _: beside(
            PAYMENTS, *(b'{"externalId":"x%d","patientId":"5","amount":0.001}' % row for row in range(rows // 3))
        ),
    ),
    "unknown patients": Bomb(
        "/payments",
        JSON,
        REJECTED,
        lambda rows, _: beside(
            PAYMENTS, *(b'{"externalId":"x%d","patientId":"x","amount":1}' % row for row in range(rows // 3))
        ),
    ),
    "copies of a row": Bomb("/patients", JSON, REJECTED, lambda rows, _: array(*PATIENTS, *PATIENTS[:1] * (rows // 3))),
    "rows that contradict one another": Bomb(
        "/payments",
        JSON,
        REJECTED,
        lambda rows, _: beside(
            PAYMENTS, *(b'{"externalId":"x","patientId":"5","amount":%d}' % row for row in range(rows // 3))
        ),
    ),
    "100,000 unknown fields": Bomb(
        "/patients",
        JSON,
        REJECTED,
        lambda *_: beside(
            PATIENTS[1:],
            b"{" + b",".join(b'"%x":0' % n for n in range(100_000)) + b"," + json.dumps(PATIENTS[0]).encode()[1:],
        ),
    ),
    "a row with one field 100,000 times": Bomb(
        "/patients", JSON, REJECTED, lambda *_: patients(b"{" + b",".join([b'"a":0'] * 100_000) + b"}")
    ),
    "keys of a megabyte": Bomb(
        "/patients", JSON, REJECTED, lambda *_: patients(*[b'{"' + b"k" * _LONG_TEXT + b'":1}'] * 20)
    ),
    "keys with the same hash end": Bomb(
        "/patients",
        JSON,
        REJECTED,
        lambda *_: patients(b"{" + b",".join(b'"%07d":0' % (n * 1024) for n in range(80_000)) + b"}"),
    ),
    "empty lines": Bomb("/patients", NDJSON, REFUSED, lambda rows, _: b"\n" * (10 * rows)),
    "empty lines of blanks": Bomb("/patients", NDJSON, REFUSED, lambda rows, _: b" \t\r\n" * rows + b"x"),
    "white space": Bomb("/patients", JSON, REFUSED, lambda *_: b"[" + b" " * 50 * MEGABYTE + b"x"),
    "commas": Bomb("/patients", JSON, REFUSED, lambda rows, _: b"[" + b"," * rows),
    "10,000 parts": Bomb("/snapshot", MULTIPART, NAMED, lambda *_: multipart(*[part("patients", b"[]")] * 10_000)),
    "10,000 strange parts": Bomb(
        "/snapshot", MULTIPART, NAMED, lambda *_: multipart(*(part(f"p{n}", b"[]") for n in range(10_000)))
    ),
    "header lines without end": Bomb(
        "/snapshot", MULTIPART, REFUSED, lambda rows, _: _HEADER + b"X-More: and more\r\n" * rows
    ),
    "a header line without end": Bomb("/snapshot", MULTIPART, REFUSED, lambda *_: _HEADER + b"X: " + b"x" * MEGABYTE),
    "a part without end": Bomb("/snapshot", MULTIPART, REFUSED, lambda *_: _HEADER + b"\r\n[" + b" " * 50 * MEGABYTE),
    "lines that are almost a boundary": Bomb(
        "/snapshot", MULTIPART, REFUSED, lambda rows, _: multipart(part("patients", b"[" + _ALMOST_BOUNDARY * rows))
    ),
    "line ends before the first boundary": Bomb("/snapshot", MULTIPART, REFUSED, lambda rows, _: b"\r\n" * (3 * rows)),
    "a boundary of 200 characters": Bomb(
        "/snapshot", f"multipart/form-data; boundary={'b' * 200}", REFUSED, lambda *_: b"--" + b"b" * 20 * MEGABYTE
    ),
    "many parameters": Bomb(f"/patients?{'&'.join(['a'] * 5000)}", JSON, NAMED, lambda *_: b"[]"),
    "a chunked body past the limit": Bomb(
        "/patients",
        JSON,
        TOO_LARGE,
        lambda _, limit: (b"[" + b" " * MEGABYTE for _ in range(min(limit, 300 * MEGABYTE) // MEGABYTE + 1)),
    ),
}
