"""Whatever becomes of a snapshot on its way: the databases do with it what the store in memory does, or refuse it."""

import io
from urllib.parse import urlencode

import msgspec
from webtest import TestApp, TestResponse

from api import JSON, NDJSON, code
from mutations import Sent, requests
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import PaymentAggError
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import Snapshots, Terms, synchronize
from paymentagg.entrypoints.http.problems import PROBLEMS
from paymentagg.entrypoints.snapshots.byte_stream import Form, Reading
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments
from practice import Practice
from stores import SqlStore

HISTORIES = 12
STEPS = 25
"""So many histories of so many requests for each engine, times the scale."""

FORMS = {JSON: Form.ARRAY, NDJSON: Form.NDJSON}


def test_damaged_snapshots_do_what_they_do_in_memory_or_nothing(app: TestApp, store: SqlStore, scale: int) -> None:
    for seed in range(HISTORIES * scale):
        store.empty()
        reference = Practice()
        practice = Practice(store)
        before: list[object] = []
        for step, sent in enumerate(requests(seed, STEPS)):
            where = f"step {step} of seed {seed}: {sent}"
            expected = in_memory(reference, sent)
            answer = posted(app, sent)
            if isinstance(expected, PaymentAggError):
                assert (answer.status_int, code(answer)) == (PROBLEMS[expected.code][0], expected.code), where
                assert contents(practice) == before, where
            else:
                assert told(answer.json) == told(msgspec.to_builtins(expected)), where
                before = contents(reference)
                assert contents(practice) == before, where


def posted(app: TestApp, sent: Sent) -> TestResponse:
    flags = {"strict": str(sent.strict).lower(), "dry_run": str(sent.dry_run).lower()}
    headers = {"Content-Type": sent.media} | ({"Content-Encoding": "gzip"} if sent.gzipped else {})
    url = f"{sent.path}?{urlencode({'max_delete': sent.limit} | flags)}"
    return app.post(url, sent.body, headers=headers, status="*")


def in_memory(reference: Practice, sent: Sent) -> Report | PaymentAggError:
    """Do the same in memory; return what came of it."""
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
    """Return what is stored without times, which are those of each store."""
    when = practice.now.min
    return sorted((msgspec.structs.replace(row, created=when, updated=when) for row in practice.rows), key=repr)


def told(report: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in report.items() if name not in ("id", "startedAt", "finishedAt")}
