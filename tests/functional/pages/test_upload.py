"""Uploads and undos on pages: what is previewed is what is applied, or nothing is."""

import re
from pathlib import Path

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, stored, sync
from auditlog import events
from builders import array, patient_row, payment_row
from keyring import Keyring, closed, using
from paymentagg.app import main
from paymentagg.domain.access import Role
from visitor import Visitor, last_form, soup, text

CHANGED = [payment_row("501", "5", "5.46"), *PAYMENTS[1:4], payment_row("700", "8", "9.00")]


@pytest.fixture
def visitor(practice: TestApp) -> Visitor:
    """A visitor of the small practice, on the same machine."""
    return Visitor(practice, address="127.0.0.1")


def test_a_preview_shows_what_would_change_and_changes_nothing(visitor: Visitor, app: TestApp) -> None:
    before = app.get("/payments").body
    page = visitor.upload(payments=CHANGED).follow()
    shown = text(page)
    assert "payments 1 1 1 3 0" in shown
    assert "1 of 100 payments that may be deleted" in shown
    assert "Largest loss: Batty, Roy N6 −0.20" in shown
    assert "Apply 3 changes" in shown
    assert "amount 4.46 → 5.46" in text(visitor.get("/ui/upload?show=updated-payments"))
    assert "deleted payment 602" in text(visitor.get("/ui/upload?show=deleted-payments"))
    assert app.get("/payments").body == before
    assert [report["id"] for report in app.get("/syncs").json] == [2, 1]


def test_applying_does_what_was_previewed(visitor: Visitor, app: TestApp) -> None:
    page = visitor.upload(PATIENTS, CHANGED).follow()
    done = last_form(page).submit(status=303).follow()
    assert "Done and committed as sync 3" in text(done)
    assert app.get("/syncs/3").json["payments"] | {} == {
        "rows": 5,
        "created": 1,
        "updated": 1,
        "unchanged": 3,
        "rejected": 0,
        "deleted": 1,
        "deletionsSuspended": None,
    }
    assert stored(app) == (3, 5)
    last_form(done).submit(status=303)
    assert "Files Preview Done" in text(visitor.get("/ui/upload"))


def test_a_double_click_applies_once(visitor: Visitor, app: TestApp) -> None:
    page = visitor.upload(payments=CHANGED).follow()
    last_form(page).submit(status=303)
    last_form(page).submit(status=303)
    assert len(app.get("/syncs").json) == 3


def test_nothing_is_applied_once_another_sync_was_done(visitor: Visitor, app: TestApp) -> None:
    page = visitor.upload(payments=CHANGED).follow()
    sync(app, "/payments", [*PAYMENTS, payment_row("800", "5")])
    before = app.get("/payments").body
    refused = last_form(page).submit(status=303).follow()
    assert "The data has changed since the preview; preview again." in text(refused)
    assert "Nothing was changed." in text(refused)
    assert app.get("/payments").body == before
    again = last_form(refused).submit(status=303).follow()
    assert "payments 1 1 2 3 0" in text(again)
    assert "Done and committed as sync 4" in text(last_form(again).submit(status=303).follow())


def test_the_form_of_a_former_preview_applies_nothing(visitor: Visitor, app: TestApp) -> None:
    former = visitor.upload(payments=CHANGED).follow()
    visitor.post("/ui/upload/cancel")
    visitor.upload(payments=PAYMENTS[:2])
    page = last_form(former).submit(status=409)
    assert "The data has changed since the preview" in text(page)
    assert len(app.get("/syncs").json) == 2


def test_the_guard_says_how_many_are_missing_and_offers_no_apply(database_url: str) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    admin = using(app, keys.key(Role.ADMIN))
    sync(admin, "/patients", [patient_row("5")])
    sync(admin, "/payments", [payment_row(f"p{number}", "5") for number in range(1000)])
    for role, may_raise in ((Role.CLERK, False), (Role.ADMIN, True)):
        visitor = Visitor(app)
        visitor.sign_in(keys.key(role))
        page = visitor.upload(payments=[payment_row("p1", "5")]).follow()
        shown = text(page)
        assert "999 of 1 000 payments are missing" in shown
        assert "Nothing was changed." in shown
        assert "Apply" not in shown
        assert ("max_delete" in page.text) is may_raise
        if may_raise:
            again = last_form(page).submit(status=303).follow()
            assert "999 of 999 payments that may be deleted" in text(again)
        else:
            raised = visitor.post("/ui/upload/preview", 403, max_delete="100%")
            assert "can't exceed the guard's limit" in text(raised)
    assert len(admin.get("/payments?limit=1000").json) == 1000


def test_a_clerk_may_not_raise_the_limit_with_the_files(database_url: str) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    visitor = Visitor(app)
    visitor.sign_in(keys.key(Role.CLERK))
    assert "max_delete" not in visitor.get("/ui/upload").text
    body = {"token": visitor.token(), "max_delete": "100%"}
    answer = visitor.app.post("/ui/upload", body, upload_files=[("patients", "p.json", array())], status=403)
    assert "can't exceed the guard's limit" in text(answer)


def test_rejected_rows_are_listed_as_they_were_sent(visitor: Visitor) -> None:
    visitor.upload(payments=[*PAYMENTS, payment_row("900", "5", "12,50")])
    shown = text(visitor.get("/ui/upload?show=rejected"))
    assert "payment 900 amount 12,50" in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Files: choose one of patients, one of payments, or both"),
        (b'{"error": 1}\n', "The snapshot can't be read"),
        (b"[{", "The snapshot can't be read"),
        (b"\x1f\x8bxx", "The snapshot can't be read"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(visitor: Visitor, app: TestApp, content: bytes, message: str) -> None:
    form = {"token": visitor.token()}
    answer = visitor.app.post("/ui/upload", form, upload_files=[("payments", "x.json", content)], status="*")
    page = answer.follow() if answer.status_int == 303 else answer
    assert answer.status_int == (303 if content else 400)
    assert message in text(page)
    assert len(app.get("/syncs").json) == 2


@pytest.mark.parametrize("limit", ["x", "-1", "101%", "1" * 1001])
def test_a_wrong_limit_is_named(visitor: Visitor, limit: str) -> None:
    answer = visitor.upload(payments=CHANGED, status=400, max_delete=limit)
    assert "Rows that may be deleted: must" in text(answer)


def test_a_file_before_the_token_is_refused(visitor: Visitor) -> None:
    boundary = "x"
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="{{}}"{{}}\r\n\r\n{{}}\r\n'
    body = part.format("payments", '; filename="p.json"', "[]") + part.format("token", "", visitor.token())
    answer = visitor.app.request(
        "/ui/upload",
        method="POST",
        body=(body + f"--{boundary}--\r\n").encode(),
        content_type=f"multipart/form-data; boundary={boundary}",
        status=403,
    )
    assert "form is out of date" in text(answer)


def test_two_browsers_do_not_see_each_others_uploads(visitor: Visitor, practice: TestApp) -> None:
    visitor.upload(payments=CHANGED)
    other = Visitor(practice, address="127.0.0.1")
    assert "Files Preview Done" in text(other.get("/ui/upload"))
    other.post("/ui/upload/apply", 404, preview="0" * 64)


def test_sign_out_gives_up_what_waits(database_url: str) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    visitor, key = Visitor(app), keys.key(Role.CLERK)
    visitor.sign_in(key)
    visitor.upload(PATIENTS)
    visitor.post("/ui/sign-out")
    visitor.sign_in(key)
    assert "Files Preview Done" in text(visitor.get("/ui/upload"))


def test_an_undo_is_previewed_and_brings_all_back(visitor: Visitor, app: TestApp) -> None:
    before = app.get("/payments").json
    sync(app, "/payments", CHANGED)
    page = last_form(visitor.get("/ui/syncs/3")).submit(status=303).follow()
    shown = text(page)
    assert "Undo sync 3: 3 changes" in shown
    assert "amount 5.46 → 4.46" in text(visitor.get("/ui/syncs/3/undo?show=updated-payments"))
    assert "created payment 602" in text(visitor.get("/ui/syncs/3/undo?show=created-payments"))
    assert len(app.get("/syncs").json) == 3
    assert "Done and committed as sync 4" in text(last_form(page).submit(status=303).follow())
    assert app.get("/payments").json == before
    assert "the undo of sync 3" in text(visitor.get("/ui/syncs/4"))


def test_a_sync_that_is_not_the_latest_says_which_is(visitor: Visitor, app: TestApp) -> None:
    sync(app, "/payments", CHANGED)
    page = last_form(visitor.get("/ui/syncs/2")).submit(status=303).follow()
    assert "the next one to undo is sync 3" in text(page)
    assert "Nothing was changed." in text(page)


def test_uploads_are_in_the_audit_log_as_those_of_the_api_are(database_url: str, tmp_path: Path) -> None:
    file, keys = tmp_path / "audit.jsonl", Keyring(database_url)
    settings = {"sqlalchemy.url": database_url, "paymentagg.access": "keys", "paymentagg.audit_file": str(file)}
    visitor, key = Visitor(TestApp(main({}, **settings))), keys.key(Role.CLERK)
    visitor.sign_in(key)
    last_form(visitor.upload(PATIENTS).follow()).submit(status=303)
    visitor.get("/ui/patients/5")
    found = [line for line in events(file) if line.get("key") == key.split("_")[1]]
    kinds = [(line.get("kind"), line["outcome"]) for line in found]
    assert kinds.count(("dry-run", "begun")) == kinds.count(("dry-run", "ok")) == 1
    assert kinds.count(("sync", "begun")) == kinds.count(("sync", "ok")) == 1
    synced = next(line for line in found if line.get("kind") == "sync" and line["outcome"] == "ok")
    assert synced["sync"] == 1
    assert synced["counts"]["patients"]["created"] == 3
    assert re.fullmatch("[0-9a-f]{64}", synced["digests"]["patients"])
    read = found[-1]
    assert (read["kind"], read["route"], read["role"]) == ("read", "/ui/patients/{externalId}", "clerk")
    assert read["patient"]
    assert "Deckard" not in file.read_text()


def test_the_charts_of_an_empty_practice_are_empty(app: TestApp) -> None:
    visitor = Visitor(app, address="127.0.0.1")
    assert "Nothing is stored yet" in text(visitor.get("/ui"))
    assert not soup(visitor.get("/ui/patients")).select("svg a")
    assert "No sync was done yet" in text(visitor.get("/ui/syncs"))
