"""Concurrent syncs from servers and the console script: they run one after the other, and none is lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import msgspec

from api import MULTIPART
from builders import array, patient_row, payment_row
from command import Command, finish
from paymentagg.domain.model import Patient, Payment
from paymentagg.domain.queries import PatientView, PaymentView
from paymentagg.domain.report import Report
from practice import Practice
from server import Answer, Server
from together.states import State

T = TypeVar("T")
V = TypeVar("V", PatientView, PaymentView)

ROUNDS = 2
"""How many syncs each client does at scale 1."""

CONSOLE = "console script"
TARGETS = ["/snapshot", "/patients", "/payments", CONSOLE, "/snapshot"]
"""Where each of the concurrent clients sends its snapshots; the console script syncs payments."""

UNLIMITED = "?max_delete=100%25"


def test_syncs_at_once_are_done_one_after_the_other_and_none_is_lost(
    servers: list[Server], command: Command, scale: int
) -> None:
    def sync(client: int) -> None:
        for turn in range(ROUNDS * scale):
            number = turn * len(TARGETS) + client
            done = None
            while done is None:  # another sync was running
                done = sync_once(servers[client % 2], command, TARGETS[client], State(number, number))
            synced.append((done, number, TARGETS[client]))

    synced: list[tuple[Report, int, str]] = []
    with ThreadPoolExecutor(len(TARGETS)) as pool:
        list(pool.map(sync, range(len(TARGETS))))

    synced.sort(key=lambda sync: sync[0].id or 0)
    reports = [report for report, _, _ in synced]
    assert recorded_reports(servers[0]) == reports
    assert all(report.started_at <= report.finished_at for report in reports)
    assert all(one.finished_at <= other.started_at for one, other in pairwise(reports))

    practice = Practice()
    for report, number, target in synced:
        replayed = replay(practice, State(number, number), target)
        assert (replayed.models, replayed.errors) == (report.models, report.errors)
    assert set(export(servers[0], "/patients", PatientView)) == set(map(without_generated, practice.patients.values()))
    assert set(export(servers[1], "/payments", PaymentView)) == set(map(without_generated, practice.payments.values()))


def test_the_same_idempotency_key_at_once_is_one_sync(servers: list[Server], scale: int) -> None:
    def post(number: int, client: int) -> Answer:
        rows = array(patient_row(f"{number}"))
        return servers[client % 2].post(f"/patients{UNLIMITED}", rows, Idempotency_Key=f"key-{number}")

    for number in range(1, scale + 1):
        answers = at_once(4, partial(post, number))
        done = [answer for answer in answers if answer.status == 200]
        assert {answer.body for answer in done} == {post(number, 0).body}
        assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
        assert all(answer.code == "sync-in-progress" for answer in answers if answer not in done)
        assert len(recorded_reports(servers[0])) == number


def test_of_two_bodies_under_one_key_at_once_one_is_refused(servers: list[Server]) -> None:
    def post(client: int) -> Answer:
        return servers[client].post("/patients", array(patient_row(f"{client}")), Idempotency_Key="key")

    done, refused = sorted(at_once(2, post), key=lambda answer: answer.status)
    assert done.status == 200
    assert refused.code in ("idempotency-mismatch", "sync-in-progress")
    assert len(recorded_reports(servers[0])) == 1


def test_a_sync_that_waits_too_long_is_refused_and_reads_go_on_meanwhile(
    servers: list[Server], command: Command
) -> None:
    assert servers[0].post("/patients", array(patient_row("5"))).status == 200
    file = command.write("payments.json", array(payment_row("501")))

    def post(server: Server) -> Answer:
        return server.post("/payments", array(payment_row("502")))

    with command.reading("--payments", "-") as holding, ThreadPoolExecutor(7) as pool:
        posts = [pool.submit(post, server) for server in servers * 3]
        shell = pool.submit(command.run, "--payments", file)
        tag = servers[0].get("/patients").headers["ETag"]
        reads = 0
        while not (shell.done() and all(post.done() for post in posts)):
            for server in servers:
                assert server.get("/patients/5").status == 200
                assert server.get("/patients", {"If-None-Match": tag}).status == 304
                assert server.get("/payments", {"Accept": "text/csv"}).body.count(b"\n") == 1
                reads += 1
        for refused in [post.result() for post in posts]:
            assert (refused.status, refused.code) == (409, "sync-in-progress")
            assert int(refused.headers["Retry-After"]) > 0
        assert shell.result().returncode == 5
        assert len(recorded_reports(servers[0])) == 1
        assert holding.stdin is not None
        holding.stdin.write(array(payment_row("503")))
        holding.stdin.close()
        assert finish(holding)[0] == 0
    assert [row["externalId"] for row in servers[1].get("/payments").json] == ["503"]
    assert post(servers[0]).status == 200
    assert reads


def at_once(count: int, do: Callable[[int], T]) -> list[T]:
    """Call ``do`` in this many threads at the same time; return its results."""
    start = Barrier(count)

    def begin(client: int) -> T:
        start.wait()
        return do(client)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def sync_once(server: Server, command: Command, target: str, state: State) -> Report | None:
    """Sync a state; return the report, or None if another sync was running."""
    match target:
        case "/snapshot":
            answer = server.post(target + UNLIMITED, state.form(), MULTIPART)
        case "/patients":
            answer = server.post(target + UNLIMITED, state.patient_snapshot())
        case "/payments":
            answer = server.post(target + UNLIMITED, state.payment_snapshot())
        case _:
            file = command.write("payments.json", state.payment_snapshot())
            done = command.run("--payments", file, "--max-delete", "100%", "--json")
            assert done.returncode in (0, 3, 5), done
            return None if done.returncode == 5 else msgspec.json.decode(done.stdout, type=Report)
    if answer.status == 409:
        assert answer.code == "sync-in-progress"
        return None
    assert answer.status == 200, answer
    return msgspec.json.decode(answer.body, type=Report)


def replay(practice: Practice, state: State, target: str) -> Report:
    """Repeat a sync in memory."""
    patients = [msgspec.convert(row, Patient) for row in state.patient_rows()]
    payments = [msgspec.convert(row, Payment) for row in state.payment_rows()]
    return practice.sync(
        patients=patients if target in ("/snapshot", "/patients") else None,
        payments=payments if target != "/patients" else None,
    )


def recorded_reports(server: Server) -> list[Report]:
    """Return the recorded reports of all syncs, ordered by id."""
    reports: list[Report] = []
    path: str | None = "/syncs?limit=1000"
    while path:
        page = server.get(path)
        reports, path = reports + msgspec.json.decode(page.body, type=list[Report]), page.next_page
    return reports[::-1]


def export(server: Server, path: str, view: type[V]) -> Iterator[V]:
    """Yield the rows of an NDJSON export, without the ids and times that the store generates."""
    for line in server.get(path, {"Accept": "application/x-ndjson"}).body.splitlines():
        yield without_generated(msgspec.json.decode(line, type=view))


def without_generated(view: V) -> V:
    """Return a row without the id and the times that the store generates."""
    then = datetime(1, 1, 1, tzinfo=UTC)
    return msgspec.structs.replace(view, id=0, created=then, updated=then)
