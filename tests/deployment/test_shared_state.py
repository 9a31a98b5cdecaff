"""Four processes behave as one: whatever one of them knows, all know."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest

from builders import array, patient_row
from deployment.client import Browser, Client
from deployment.installation import Installation
from keyring import forged
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from paymentagg.entrypoints.http.rate_limit import WRONG_KEYS
from server import Answer

ROUNDS = 3


def test_one_sync_runs_at_a_time_over_all_processes(installed: Installation) -> None:
    admin, known = installed.bearer(), len(reports(installed))
    started = Barrier(4)

    def sync(number: int) -> list[Answer]:
        answers = []
        for turn in range(ROUNDS):
            rows = [patient_row(f"{n}", middleName=f"{number}-{turn}") for n in range(2000)]
            started.wait()
            answers.append(installed.direct[number].post("/patients", array(*rows), admin))
        return answers

    with ThreadPoolExecutor(4) as threads:
        answers = [answer for some in threads.map(sync, range(4)) for answer in some]
    done = [answer for answer in answers if answer.status == 200]
    assert {(answer.status, answer.code) for answer in answers if answer not in done} <= {(409, "sync-in-progress")}
    kept = sorted(reports(installed)[: -known or None], key=lambda report: report["id"])
    assert [report["id"] for report in kept] == sorted(answer.json["id"] for answer in done)
    times = [time for report in kept for time in (report["startedAt"], report["finishedAt"])]
    assert times == sorted(times)


def test_while_a_sync_runs_elsewhere_each_process_refuses_another(installed: Installation) -> None:
    admin = installed.bearer()
    with installed.keys.store.transaction() as elsewhere, ThreadPoolExecutor(4) as threads:
        elsewhere.lock()
        answers = threads.map(lambda client: client.post("/patients", array(), admin), installed.direct)
        assert [(answer.status, answer.code) for answer in answers] == [(409, "sync-in-progress")] * 4
        elsewhere.discard()


def test_a_sync_that_is_sent_again_to_another_process_is_not_done_again(installed: Installation) -> None:
    headers = installed.bearer() | {"Idempotency-Key": "monday"}
    body = array(patient_row("5", middleName="Monday"))
    first, *again = [client.post("/patients?max_delete=100%25", body, headers) for client in installed.direct]
    assert (first.status, first.headers["Idempotent-Replayed"]) == (200, None)
    for answer in again:
        assert (answer.status, answer.headers["Idempotent-Replayed"]) == (200, "true")
        assert answer.json == first.json
    other = array(patient_row("6"))
    assert len({client.post("/patients", other, headers).code for client in installed.direct}) == 1


def test_an_entity_tag_of_one_process_is_that_of_all_until_one_of_them_syncs(installed: Installation) -> None:
    admin = installed.bearer()
    sync(installed.nginx, admin, middleName="before")
    for path in ("/patients", "/patients/5", "/payments", "/syncs?limit=5", "/stats"):
        tags = {client.get(path, admin).headers["ETag"] for client in installed.direct}
        assert len(tags) == 1, path
        named = admin | {"If-None-Match": tags.pop()}
        assert [client.get(path, named).status for client in installed.direct] == [304] * 4
    named = admin | {"If-None-Match": installed.direct[0].get("/patients", admin).headers["ETag"]}
    sync(installed.direct[1], admin, middleName="after")
    assert [client.get("/patients", named).status for client in installed.direct] == [200] * 4


def test_a_key_that_is_revoked_is_refused_by_all_at_once(installed: Installation) -> None:
    key = installed.keys.key(Role.READER)
    bearer = {"Authorization": f"Bearer {key}"}
    assert [client.get("/patients", bearer).status for client in installed.direct] == [200] * 4
    token = api_keys.parse(key)
    assert token is not None
    with installed.keys.store.keys() as stored:
        stored.revoke(token.key_id, datetime.now(UTC))
    assert [client.get("/patients", bearer).status for client in installed.direct] == [401] * 4


@pytest.mark.parametrize("address", ["127.0.0.21"])
def test_an_address_may_send_twenty_wrong_keys_to_all_processes_together(installed: Installation, address: str) -> None:
    stranger = Client(installed.nginx.address, address)
    wrong = [stranger.get("/patients", bearer(forged())).status for _ in range(WRONG_KEYS)]
    assert wrong == [401] * WRONG_KEYS
    for client in installed.direct:  # which take its address from the proxy
        answer = client.get("/patients", bearer(forged()) | {"X-Forwarded-For": address})
        assert (answer.status, answer.code) == (429, "too-many-requests")
    assert [stranger.get("/patients", bearer(forged())).status for _ in range(8)] == [429] * 8
    assert stranger.get("/patients", installed.bearer()).status == 200
    assert installed.nginx.get("/patients", bearer(forged())).status == 401


def test_who_signs_in_through_nginx_is_signed_in_everywhere_and_signed_out_everywhere(installed: Installation) -> None:
    person = Browser(installed.nginx)
    person.sign_in(installed.keys.key(Role.CLERK))
    everywhere = [person.through(client) for client in installed.direct]
    for browser in everywhere:
        assert "Patients" in browser.get("/ui/patients")
    everywhere[2].send("/ui/sign-out", {})
    for browser in everywhere[:2]:
        browser.get("/ui/patients", 303)


def sync(client: Client, admin: dict[str, str], **fields: str) -> None:
    """Sync two patients with these fields."""
    body = array(*(patient_row(key, **fields) for key in ("5", "6")))
    assert client.post("/patients?max_delete=100%25", body, admin).status == 200


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def reports(installed: Installation) -> list[dict[str, str]]:
    """Return all reports, newest first."""
    found: list[dict[str, str]] = installed.nginx.get("/syncs?limit=1000", installed.bearer()).json
    return found
