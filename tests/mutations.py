"""Valid snapshots and random damage to them, generated from a seed so that each can be reproduced."""

import gzip
import json
import random
import re
from typing import Any, NamedTuple

from api import JSON, NDJSON
from builders import patient_row, payment_row

_IDS = ["5", "6", "8", "05", "a", "A", "é", "e\u0301", "\U0001f600", "x\\N", "%", "'; DROP TABLE patients;--"]
_NAMES = ["Rick", "Roy", "Zoë", "Ri\\ck", '"', "},{", "\u202eRick", "x" * 250]
_AMOUNTS: list[Any] = ["4.46", "7.1", 7.1, 0, -5, "-0", "1e2", "9999999999.99"]
_DATES = ["2094-02-01", "0001-01-01", None]
_BAD: list[Any] = [None, "", " ", 5, True, [], {}, "x" * 251, "a\x00b", "NaN", 1.005, 1e300, "2023-02-29"]
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.0-9eE]+|[\[\]{},:]|\w+|\s+')
_FRAGMENTS = [
    *(
        b"",
        b",",
        b"]",
        b"[",
        b"{",
        b"}",
        b'"',
        b":",
        b" ",
        b"\n",
        b"}\n{",
        b"},{",
        b"\\",
        b"\\u12",
        b"\\ud800",
        b"\x00",
    ),
    *(b"NaN", b"null", b"1e400", b"1" * 5000, b"-", b".", b"\x7f", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    *(b"[" * 2000, b'{"a":' * 2000, b"]" * 2000, b"//", b"'", b"\x1f\x8b", b"externalId", b'"externalId":"5",'),
]
_ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-7", "utf-8-sig"]


class Sent(NamedTuple):
    """One request: the snapshot of a model, how it is declared, and the parameters of its sync."""

    path: str
    body: bytes
    media: str
    gzipped: bool
    limit: str
    strict: bool
    dry_run: bool


def requests(seed: int, count: int) -> list[Sent]:
    """Return requests to send one after the other; most of them carry a valid snapshot that was damaged."""
    rng = random.Random(seed)  # noqa: S311  no secret depends on it
    return [_request(rng) for _ in range(count)]


def _request(rng: random.Random) -> Sent:
    path = rng.choice(["/patients", "/patients", "/payments", "/payments", "/payments"])
    media = rng.choice([JSON, JSON, NDJSON])
    body = _encoded(rng, _rows(rng, path), media)
    zipped = rng.random() < 0.2
    before = 0 if zipped and rng.random() < 0.5 else rng.choice([0, 0, 1, 1, 1, 2, 3])
    for _ in range(before):
        body = _mutated(rng, body)
    if zipped:
        body = gzip.compress(body, mtime=0)
        if not before:
            body = _mutated(rng, body)
    return Sent(
        path,
        body,
        media,
        gzipped=zipped and rng.random() < 0.5,
        limit=rng.choice(["100%", "100%", "50%", "2"]),
        strict=rng.random() < 0.1,
        dry_run=rng.random() < 0.1,
    )


def _rows(rng: random.Random, path: str) -> list[Any]:
    ids = rng.sample(_IDS, rng.randint(0, len(_IDS)))
    if path == "/patients":
        rows: list[Any] = [
            patient_row(
                each,
                firstName=rng.choice(_NAMES),
                middleName=rng.choice([None, "", *_NAMES]),
                dateOfBirth=rng.choice(_DATES),
            )
            for each in ids
        ]
    else:
        rows = [payment_row(each, rng.choice(_IDS), rng.choice(_AMOUNTS)) for each in ids]
    if rows and rng.random() < 0.3:
        row = rng.choice(rows)
        row[rng.choice([*row, "note"])] = rng.choice(_BAD)
    if rows and rng.random() < 0.1:
        rows.append(rng.choice(rows))
    return rows


def _encoded(rng: random.Random, rows: list[Any], media: str) -> bytes:
    ascii_only = rng.random() < 0.5
    if media == NDJSON:
        return b"".join(json.dumps(row, ensure_ascii=ascii_only).encode() + b"\n" for row in rows)
    return json.dumps(rows, ensure_ascii=ascii_only, indent=rng.choice([None, None, 1])).encode()


def _mutated(rng: random.Random, body: bytes) -> bytes:
    mutation = rng.choice(_MUTATIONS)
    return mutation(rng, body)


def _flip(rng: random.Random, body: bytes) -> bytes:
    if not body:
        return body
    place = rng.randrange(len(body))
    return body[:place] + bytes([body[place] ^ 1 << rng.randrange(8)]) + body[place + 1 :]


def _cut(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randint(0, len(body))]


def _lose(rng: random.Random, body: bytes) -> bytes:
    start, end = _slice(rng, body)
    return body[:start] + body[end:]


def _duplicate(rng: random.Random, body: bytes) -> bytes:
    start, end = _slice(rng, body)
    return body[:end] + body[start:]


def _insert(rng: random.Random, body: bytes) -> bytes:
    place = rng.randint(0, len(body))
    return body[:place] + rng.choice(_FRAGMENTS) + body[place:]


def _swap(rng: random.Random, body: bytes) -> bytes:
    tokens = _TOKEN.findall(body)
    if len(tokens) < 2:
        return body
    one, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return b"".join(tokens)


def _replace(rng: random.Random, body: bytes) -> bytes:
    tokens = _TOKEN.findall(body)
    if not tokens:
        return body
    tokens[rng.randrange(len(tokens))] = rng.choice([*_FRAGMENTS, *(json.dumps(bad).encode() for bad in _BAD)])
    return b"".join(tokens)


def _recode(rng: random.Random, body: bytes) -> bytes:
    return body.decode("utf-8", "replace").encode(rng.choice(_ENCODINGS), "replace")


def _wrap(rng: random.Random, body: bytes) -> bytes:
    start, end = rng.choice([(b'{"rows": ', b"}"), (b"[", b"]"), (b"", b"\n" + body), (b"callback(", b")")])
    return start + body + end


def _slice(rng: random.Random, body: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(body))
    return start, min(len(body), start + rng.choice([1, 2, 5, 50, 500]))


_MUTATIONS = [_flip, _cut, _lose, _duplicate, _insert, _swap, _replace, _recode, _wrap]
