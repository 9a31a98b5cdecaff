"""Good snapshots, and what may become of them on their way: made up from a seed, so that each can be made again."""

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
_SCRAPS = [
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
    """One request: the snapshot of a model, and what is said of it."""

    path: str
    body: bytes
    media: str
    gzipped: bool
    limit: str
    strict: bool
    dry_run: bool


def requests(seed: int, count: int) -> list[Sent]:
    """Return a history of requests, most of which carry a good snapshot that something has happened to."""
    chance = random.Random(seed)  # noqa: S311  nothing here is a secret
    return [_request(chance) for _ in range(count)]


def _request(chance: random.Random) -> Sent:
    path = chance.choice(["/patients", "/patients", "/payments", "/payments", "/payments"])
    media = chance.choice([JSON, JSON, NDJSON])
    body = _written(chance, _rows(chance, path), media)
    zipped = chance.random() < 0.2
    before = 0 if zipped and chance.random() < 0.5 else chance.choice([0, 0, 1, 1, 1, 2, 3])
    for _ in range(before):
        body = _mutated(chance, body)
    if zipped:
        body = gzip.compress(body, mtime=0)
        if not before:
            body = _mutated(chance, body)
    return Sent(
        path,
        body,
        media,
        gzipped=zipped and chance.random() < 0.5,
        limit=chance.choice(["100%", "100%", "50%", "2"]),
        strict=chance.random() < 0.1,
        dry_run=chance.random() < 0.1,
    )


def _rows(chance: random.Random, path: str) -> list[Any]:
    ids = chance.sample(_IDS, chance.randint(0, len(_IDS)))
    if path == "/patients":
        rows: list[Any] = [
            patient_row(
                each,
                firstName=chance.choice(_NAMES),
                middleName=chance.choice([None, "", *_NAMES]),
                dateOfBirth=chance.choice(_DATES),
            )
            for each in ids
        ]
    else:
        rows = [payment_row(each, chance.choice(_IDS), chance.choice(_AMOUNTS)) for each in ids]
    if rows and chance.random() < 0.3:
        row = chance.choice(rows)
        row[chance.choice([*row, "note"])] = chance.choice(_BAD)
    if rows and chance.random() < 0.1:
        rows.append(chance.choice(rows))
    return rows


def _written(chance: random.Random, rows: list[Any], media: str) -> bytes:
    ascii_only = chance.random() < 0.5
    if media == NDJSON:
        return b"".join(json.dumps(row, ensure_ascii=ascii_only).encode() + b"\n" for row in rows)
    return json.dumps(rows, ensure_ascii=ascii_only, indent=chance.choice([None, None, 1])).encode()


def _mutated(chance: random.Random, body: bytes) -> bytes:
    mutation = chance.choice(_MUTATIONS)
    return mutation(chance, body)


def _flip(chance: random.Random, body: bytes) -> bytes:
    if not body:
        return body
    place = chance.randrange(len(body))
    return body[:place] + bytes([body[place] ^ 1 << chance.randrange(8)]) + body[place + 1 :]


def _cut(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randint(0, len(body))]


def _lose(chance: random.Random, body: bytes) -> bytes:
    start, end = _slice(chance, body)
    return body[:start] + body[end:]


def _duplicate(chance: random.Random, body: bytes) -> bytes:
    start, end = _slice(chance, body)
    return body[:end] + body[start:]


def _insert(chance: random.Random, body: bytes) -> bytes:
    place = chance.randint(0, len(body))
    return body[:place] + chance.choice(_SCRAPS) + body[place:]


def _swap(chance: random.Random, body: bytes) -> bytes:
    tokens = _TOKEN.findall(body)
    if len(tokens) < 2:
        return body
    one, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return b"".join(tokens)


def _replace(chance: random.Random, body: bytes) -> bytes:
    tokens = _TOKEN.findall(body)
    if not tokens:
        return body
    tokens[chance.randrange(len(tokens))] = chance.choice([*_SCRAPS, *(json.dumps(bad).encode() for bad in _BAD)])
    return b"".join(tokens)


def _recode(chance: random.Random, body: bytes) -> bytes:
    return body.decode("utf-8", "replace").encode(chance.choice(_ENCODINGS), "replace")


def _wrap(chance: random.Random, body: bytes) -> bytes:
    start, end = chance.choice([(b'{"rows": ', b"}"), (b"[", b"]"), (b"", b"\n" + body), (b"callback(", b")")])
    return start + body + end


def _slice(chance: random.Random, body: bytes) -> tuple[int, int]:
    start = chance.randint(0, len(body))
    return start, min(len(body), start + chance.choice([1, 2, 5, 50, 500]))


_MUTATIONS = [_flip, _cut, _lose, _duplicate, _insert, _swap, _replace, _recode, _wrap]
