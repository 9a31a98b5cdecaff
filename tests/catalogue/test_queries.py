"""Q: an invalid parameter is refused by name, so that a misspelt filter never lists all patients."""

from urllib.parse import quote

import pytest
from webtest import TestApp

from api import checked, ids, next_page
from cases import catalogued

WRONG_AMOUNTS = [
    *("abc", ".", "NaN", "Infinity", "1e400", "1e16", "1_0", "%EF%BC%91%EF%BC%92", "%2010", "10%0a", "0x10", "10.005"),
    *("5.", "+5", "--5", "12345678901234567", "1,0", "0.301", "1e-3", "007"),
]

WRONG = {
    "Q01": [
        ("/patients?payment_min=2&payment_max=1", "payment_min"),
        ("/patients?payments_min=2&payments_max=1", "payments_min"),
        ("/patients?payment_min=0.01&payments_max=0", "payment_min"),
    ],
    "Q02": [
        (f"/patients?{name}={amount}", name) for name in ("payment_min", "payments_max") for amount in WRONG_AMOUNTS
    ],
    "Q05": [
        ("/patients?payment_min=1&payment_min=1", "payment_min"),
        ("/patients?payment_min=1&payments_min=1", "payments_min"),
        ("/payments?external_id=&external_id=", "external_id"),
        ("/patients?limit=1&limit=1", "limit"),
    ],
    "Q06": [
        ("/patients?payment_min=1;payment_max=2", "payment_min"),
        ("/payments?external_id=%ff", "external_id"),
        ("/payments?external_id=%ED%A0%80", "external_id"),
        ("/payments?external_id=%zz", "external_id"),
        ("/payments?%ff=1", "%ff"),
    ],
    "Q07": [
        ("/patients?paymentmin=1", "paymentmin"),
        ("/patients?paymentmin=", "paymentmin"),
        ("/patients?Payment_min=1", "Payment_min"),
        ("/patients?external_id=5", "external_id"),
        ("/payments?payment_min=5", "payment_min"),
        ("/payments?sort=id", "sort"),
        ("/patients/5?limit=1", "limit"),
        ("/syncs?before=1", "before"),
        ("/syncs/1?dry_run=true", "dry_run"),
        ("/patients?=1", ""),
    ],
    "Q08": [
        ("/payments?external_id=%00", "external_id"),
        ("/payments?external_id=%20%00", "external_id"),
        (f"/payments?external_id={'x' * 10_000}", "external_id"),
        (f"/patients?sort={'x' * 1_000_000}", "sort"),
    ],
    "Q10": [
        *((f"/patients?limit={limit}", "limit") for limit in ("", "0", "01", "007", "-1", "1001", "1e9", "abc")),
        *((f"/patients?limit={limit}", "limit") for limit in ("%D9%A1", "1.0")),
        *((f"/{path}?{name}", name) for path in ("patients", "payments", "syncs") for name in ("limit", "after")),
        ("/patients?sort=", "sort"),
        ("/payments?limit=x", "limit"),
        ("/syncs?limit=1001", "limit"),
        ("/patients?sort=amount", "sort"),
        ("/patients?sort=--id", "sort"),
        ("/patients?after=abc", "after"),
        ("/patients?after=%C3%A9", "after"),
        ("/patients?after=" + "A" * 5000, "after"),
    ],
}


@pytest.mark.parametrize(("request_line", "parameter"), catalogued(WRONG))
def test_a_parameter_that_is_not_understood_is_named(app: TestApp, request_line: str, parameter: str) -> None:
    problem = checked(app.get(request_line, status=400), "invalid-parameter", 400)
    assert problem["parameter"] == parameter


FOUND: dict[str, list[tuple[str, list[str]]]] = {
    "Q03": [
        ("/patients?payment_min=17.22&payment_max=17.22", ["5"]),
        ("/patients?payment_max=0.30", ["6", "8"]),
        ("/patients?payment_min=0.3&payment_max=0.30", ["6"]),
        ("/patients?payment_min=17.23", []),
    ],
    "Q04": [
        ("/patients?payment_min=0", ["5", "6", "8"]),
        ("/patients?payment_max=0", ["8"]),
        ("/patients?payment_max=-0", ["8"]),
        ("/patients?payment_max=3e-1", ["6", "8"]),
        ("/patients?payment_min=0.300&payment_max=1e1", ["6"]),
        ("/patients?payment_min=0.01", ["5", "6"]),
        ("/patients?payment_max=-0.01", []),
    ],
    "Q09": [
        (f"/payments?external_id={quote(stranger)}", [])
        for stranger in ("unknown", "05", "501", "' OR '1'='1", "%", "_", "*", " ", "5 ", "5'--")
    ],
}


@pytest.mark.parametrize(("request_line", "found"), catalogued(FOUND))
def test_a_filter_finds_exactly_the_matching_rows(app: TestApp, request_line: str, found: list[str]) -> None:
    assert ids(app.get(request_line)) == found


OTHER_QUERIES = [
    *("/patients?after=", "/patients?sort=lastName&after=", "/payments?after=", "/syncs?after="),
    *(f"/patients?payment_min=0&sort={sort}&after=" for sort in ("-lastName", "id", "paymentTotal")),
]


@pytest.mark.parametrize("other", [pytest.param(each, id=f"Q10-cursor-{n}") for n, each in enumerate(OTHER_QUERIES, 1)])
def test_a_cursor_is_for_the_query_it_was_made_for(app: TestApp, other: str) -> None:
    cursor = next_page(app.get("/patients?limit=1&payment_min=0&sort=lastName")).partition("after=")[2]
    assert ids(app.get(f"/patients?payment_min=0.00&sort=lastName&limit=2&after={cursor}")) == ["5", "8"]
    assert checked(app.get(other + cursor, status=400), "invalid-parameter", 400)["parameter"] == "after"


@pytest.mark.parametrize("limit", [pytest.param(1, id="Q10-changed")])
def test_a_cursor_that_was_changed_is_refused(app: TestApp, limit: int) -> None:
    cursor = next_page(app.get(f"/patients?limit={limit}")).partition("after=")[2]
    changed = {cursor[:n] + ("A" if cursor[n] != "A" else "B") + cursor[n + 1 :] for n in range(len(cursor))}
    shortened = {cursor[:n] + cursor[n + 1 :] for n in range(len(cursor))}
    for wrong in changed | shortened | {cursor + extra for extra in ("A", "=", "!", "%0a")}:
        problem = checked(app.get(f"/patients?limit=1&after={wrong}", status=400), "invalid-parameter", 400)
        assert problem["parameter"] == "after"
