"""Damaged snapshots: the databases do with them what the store in memory does, or refuse them."""

import io
from collections.abc import Callable, Iterable
from contextlib import closing
from urllib.parse import urlencode

import msgspec
from webtest import TestApp, TestResponse

from api import JSON, NDJSON, code
from canaries import found
from inputs.posting import post_any
from keyring import Keyring, closed, using
from mutations import Sent, requests
from neighbour import CANARIES, neighbour
from paymentagg.domain.access import Role
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import PaymentAggError
from paymentagg.domain.queries import PatientView, PaymentView
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from paymentagg.entrypoints.http.problem_codes import PROBLEMS
from paymentagg.entrypoints.snapshots.byte_stream import Form, Reading
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments
from postgres import NORTH
from practice import Practice
from stores import SqlStore

HISTORIES = 12
STEPS = 25
"""The number of histories for each engine at scale 1, and of requests in each history."""

OF_MANY = 4
"""One of so many histories is repeated in one of two practices."""

FORMS = {JSON: Form.ARRAY, NDJSON: Form.NDJSON}


def test_damaged_snapshots_do_what_they_do_in_memory_or_nothing(app: TestApp, store: SqlStore, scale: int) -> None:
    compare(app, store, range(HISTORIES * scale))


def test_they_do_the_same_in_one_of_two_practices_and_nothing_in_the_other(practices_url: str, scale: int) -> None:
    keys = Keyring(practices_url, NORTH)
    app = closed(practices_url, practices="many")
    with neighbour(practices_url), closing(SqlStore(practices_url, practice=NORTH)) as store:
        seeds = range(HISTORIES * scale // OF_MANY)
        compare(app, store, seeds, lambda: using(app, keys.key(Role.ADMIN)))
    keys.store.close()


def compare(app: TestApp, store: SqlStore, seeds: Iterable[int], client: Callable[[], TestApp] | None = None) -> None:
    """Send the requests of each seed, and do the same in memory.

    Args:
        client: returns a client of the application with a key, if it needs one.
    """
    for seed in seeds:
        store.empty()
        sender = app if client is None else client()
        reference = Practice()
        practice = Practice(store)
        before: list[object] = []
        for step, sent in enumerate(requests(seed, STEPS)):
            where = f"step {step} of seed {seed}: {sent}"
            expected = in_memory(reference, sent)
            answer = posted(sender, sent)
            assert found(answer.text, CANARIES) == [], where
            if isinstance(expected, PaymentAggError):
                assert (answer.status_int, code(answer)) == (PROBLEMS[expected.code][0], expected.code), where
                assert contents(practice) == before, where
            else:
                assert without_generated(answer.json) == without_generated(msgspec.to_builtins(expected)), where
                before = contents(reference)
                assert contents(practice) == before, where


def posted(app: TestApp, sent: Sent) -> TestResponse:
    """Send the request; return the answer."""
    flags = {"strict": str(sent.strict).lower(), "dry_run": str(sent.dry_run).lower()}
    headers = {"Content-Encoding": "gzip"} if sent.gzipped else {}
    url = f"{sent.path}?{urlencode({'max_delete': sent.limit} | flags)}"
    return post_any(app, url, sent.body, sent.media, headers)


def in_memory(reference: Practice, sent: Sent) -> Report | PaymentAggError:
    """Sync the request's snapshot into the store in memory; return the report or the refusal."""
    reading = Reading(1 << 30, form=FORMS[sent.media], gzipped=sent.gzipped or None)
    stream = io.BytesIO(sent.body)
    if sent.path == "/patients":
        snapshots = Snapshots(patients=read_patients(stream, reading))
    else:
        snapshots = Snapshots(payments=read_payments(stream, reading))
    terms = Terms(DeletionLimit.parse(sent.limit), strict=sent.strict, dry_run=sent.dry_run)
    try:
        with reference.store.transaction() as transaction:
            return synchronize(transaction, snapshots, terms, reference.clock)
    except PaymentAggError as error:
        return error


def contents(practice: Practice) -> list[object]:
    """Return the stored rows without times, which differ between the stores."""
    time = practice.now.min
    views: list[PatientView | PaymentView] = [*practice.patients.values(), *practice.payments.values()]
    return sorted((msgspec.structs.replace(view, id=0, created=time, updated=time) for view in views), key=repr)


def without_generated(report: dict[str, object]) -> dict[str, object]:
    """Return a report without the id and the times that the store generates."""
    return {name: value for name, value in report.items() if name not in ("id", "startedAt", "finishedAt")}
