"""Entity tags (RFC 9110, section 8.8.3): a response that the client has is not sent again."""

import re

import pytest
from webtest import TestApp

from api import PATIENTS, XLSX, checked, ids, sent, sync

AS_NDJSON = {"Accept": "application/x-ndjson"}
AS_CSV = {"Accept": "text/csv"}
AS_XLSX = {"Accept": XLSX}

PATHS = [
    "/patients",
    "/patients?payment_min=1",
    "/payments",
    "/patients/5",
    "/payments/501",
    "/syncs",
    "/syncs/1",
    "/syncs/1/changes",
    "/syncs/1/rejections",
    "/history?patient=5",
    "/stats",
    "/stats/histogram",
    "/stats/syncs",
]


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body(practice: TestApp, path: str) -> None:
    get, head = practice.get(path), practice.head(path)
    assert head.body == b""
    assert [head.headers[name] for name in ("ETag", "Content-Type")] == [
        get.headers[name] for name in ("ETag", "Content-Type")
    ]


@pytest.mark.parametrize("headers", [{}, AS_NDJSON, AS_CSV, AS_XLSX])
@pytest.mark.parametrize("path", PATHS)
def test_an_unchanged_response_is_not_sent_again(practice: TestApp, path: str, headers: dict[str, str]) -> None:
    if headers and path.rpartition("/")[2].partition("?")[0] not in ("patients", "payments"):
        headers = {}
    first = practice.get(path, headers=headers)
    assert re.fullmatch('"[^"]+"', first.headers["ETag"])
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert first.headers["Vary"] == "Accept"
    for known in (first.headers["ETag"], f'"other", {first.headers["ETag"]}', f"W/{first.headers['ETag']}"):
        again = practice.get(path, headers={**headers, "If-None-Match": known}, status=304)
        assert again.body == b""
        assert [again.headers[name] for name in ("ETag", "Cache-Control", "Vary")] == [
            first.headers[name] for name in ("ETag", "Cache-Control", "Vary")
        ]
    practice.get(path, headers={**headers, "If-None-Match": '"other"'}, status=200)


def test_each_answer_has_a_tag_of_its_own(practice: TestApp) -> None:
    paths = [
        "/patients",
        "/patients?sort=-id",
        "/payments",
        "/patients/5",
        "/patients/6",
        "/syncs",
        "/syncs/1",
        "/syncs/2",
        "/payments/501",
        "/syncs/1/changes",
        "/syncs/1/rejections",
        "/syncs/2/changes",
        "/history?patient=5",
        "/history?payment=501",
    ]
    tags = [practice.get(path).headers["ETag"] for path in paths]
    tags += [practice.get("/patients", headers=headers).headers["ETag"] for headers in (AS_NDJSON, AS_CSV, AS_XLSX)]
    assert len(set(tags)) == len(tags)


def test_a_tag_changes_with_the_data_and_with_nothing_else(practice: TestApp) -> None:
    tag = practice.get("/patients").headers["ETag"]
    of_syncs = practice.get("/syncs").headers["ETag"]
    sync(practice, "/patients", PATIENTS)
    assert practice.get("/patients").headers["ETag"] == tag
    assert practice.get("/syncs").headers["ETag"] != of_syncs
    sync(practice, "/patients", PATIENTS[:2])
    assert ids(practice.get("/patients", headers={"If-None-Match": tag}, status=200)) == ["5", "6"]


@pytest.mark.parametrize(
    "known",
    [
        *('"x",{tag}', '{tag},"x"', '"x" ,\t{tag}', ",, {tag},", 'W/"x",W/{tag}', '"x",W/{tag}', '"",{tag}'),
        *('"a,b",{tag}', '"a\\",{tag}', "W/{tag}", " {tag} ", "{bare}", "x,{bare}", '"x",{bare}', "W/{bare}"),
    ],
)
def test_a_tag_is_found_in_every_list_that_rfc_9110_allows_and_without_its_quotes(
    practice: TestApp, known: str
) -> None:
    tag = practice.get("/patients").headers["ETag"]
    practice.get("/patients", headers={"If-None-Match": known.format(tag=tag, bare=tag.strip('"'))}, status=304)


@pytest.mark.parametrize("known", ['"x"', "", '"x{bare}"', '"{bare},x"', "x{bare}", '"x","y"', '"*"', "{bare}x", '"'])
def test_another_tag_is_not_found(practice: TestApp, known: str) -> None:
    tag = practice.get("/patients").headers["ETag"]
    practice.get("/patients", headers={"If-None-Match": known.format(bare=tag.strip('"'))}, status=200)


def test_if_none_match_star_matches_any_existing_resource(practice: TestApp) -> None:
    practice.get("/patients/5", headers={"If-None-Match": "*"}, status=304)
    practice.get("/patients/nobody", headers={"If-None-Match": "*"}, status=404)


@pytest.mark.parametrize("path", ["/patients?payment_min=1", "/payments?external_id=5", "/patients/5"])
def test_a_304_reads_the_version_and_nothing_else(practice: TestApp, path: str) -> None:
    tag = practice.get(path).headers["ETag"]
    with sent() as run:
        practice.get(path, headers={"If-None-Match": tag}, status=304)
    assert len(run) == 1
    assert "FROM syncs" in run[0]
    assert "patients" not in run[0]


@pytest.mark.parametrize("path", ["/patients?x=1", "/payments?limit=0", "/patients/5?x=1"])
def test_a_wrong_parameter_is_refused_whatever_the_client_has(practice: TestApp, path: str) -> None:
    tag = practice.get(path.partition("?")[0]).headers["ETag"]
    with sent() as run:
        response = practice.get(path, headers={"If-None-Match": tag}, status=400)
    checked(response, "invalid-parameter", 400)
    assert run == []
