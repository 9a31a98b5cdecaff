"""What the pages show, and what they cost."""

import re
from decimal import Decimal

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, sent, sync
from builders import patient_row, payment_row
from keyring import Keyring, closed
from paymentagg.domain.access import Role
from paymentagg.entrypoints.pages.assets import ASSETS
from visitor import Visitor, soup, text

PAGES = (
    "/ui",
    "/ui/patients",
    "/ui/patients?q=e&payment_min=0",
    "/ui/patients/5",
    "/ui/syncs",
    "/ui/syncs/2",
    "/ui/upload",
)


@pytest.fixture
def visitor(practice: TestApp) -> Visitor:
    """A visitor of the small practice, on the same machine."""
    return Visitor(practice, address="127.0.0.1")


def test_a_browser_is_led_from_the_root_to_the_pages_and_a_program_is_not(visitor: Visitor, app: TestApp) -> None:
    assert visitor.get("/", 303).location == "http://localhost/ui"
    for accept in (None, "*/*", "application/json", "application/json, text/html;q=0.5"):
        headers: dict[str, str] = {} if accept is None else {"Accept": accept}
        assert app.get("/", headers=headers, status=404).json["type"].endswith("not-found")


def test_the_root_tells_a_program_without_a_key_nothing(database_url: str) -> None:
    app = closed(database_url)
    app.get("/", status=401)
    app.post("/", status=401)
    assert Visitor(app).get("/", 303).location == "http://localhost/ui"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.usefixtures("practice")
def test_a_page_is_small_and_takes_at_most_five_statements(database_url: str, path: str) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    visitor = Visitor(app)
    visitor.sign_in(keys.key(Role.ADMIN))
    visitor.get(path)  # the use of the key is noted once
    with sent() as run:
        answer = visitor.get(path)
    assert len(run) <= 5
    assert len(answer.body) + sum(len(asset.content) for asset in ASSETS.values()) <= 60_000


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_from_other_hosts_and_has_no_inline_code(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'self'; script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", answer.text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", answer.text)
    for kind in ("link", "script"):
        for element in soup(answer).find_all(kind):
            found = visitor.get(element.get("href") or element.get("src"))
            assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_the_api_keeps_its_own_policy(practice: TestApp) -> None:
    assert "style-src" not in practice.get("/patients").headers["Content-Security-Policy"]


def test_the_overview_has_the_figures(visitor: Visitor) -> None:
    shown = text(visitor.get("/ui"))
    for figure in ("Patients 3", "Payments 5", "Sum of payments 17.52", "Median total of a patient 0.30"):
        assert figure in shown


def test_every_chart_has_its_table(visitor: Visitor) -> None:
    for path in ("/ui", "/ui/patients"):
        page = soup(visitor.get(path))
        charts = page.select("svg.chart")
        assert charts
        assert all(chart["aria-label"] for chart in charts)
        assert page.select("details.table table caption")
        assert all(link["aria-label"] for link in page.select("svg.chart a"))


def test_a_bar_of_the_histogram_leads_to_its_patients(visitor: Visitor) -> None:
    bars = soup(visitor.get("/ui")).select("section[aria-labelledby=totals] svg a")
    shown = [text(visitor.get(bar["href"])) for bar in bars]
    numbers = [int(found[1]) for page in shown if (found := re.search(r"(\d+) of 3 patients", page))]
    assert sum(numbers) == 3
    labels = [int(match[1]) for bar in bars if (match := re.search(r"(\d+) patients?$", bar["aria-label"]))]
    assert labels == numbers


def test_patients_are_found_by_name_and_total_and_summed(visitor: Visitor) -> None:
    page = visitor.get("/ui/patients?q=DECK&payment_min=17&payments_max=18")
    assert "1 of 3 patients · sum of their totals 17.22" in text(page)
    assert [row.get_text() for row in soup(page).select("td.name a")] == ["Deckard, Rick"]
    assert "No patient matches" in text(visitor.get("/ui/patients?q=nobody"))


def test_an_empty_form_finds_all(visitor: Visitor) -> None:
    assert "3 of 3 patients" in text(visitor.get("/ui/patients?q=&payment_min=&payment_max="))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("payment_min=12,50", "Total from: must be an amount such as 7.10"),
        ("payment_min=5&payment_max=4", "Total from: is greater than the maximum"),
        ("q=%00", "Search name or id: must be at most"),
        ("nothing=1", "Nothing: is not a known parameter here"),
        ("after=x", "After: must be the cursor"),
        ("before=x", "After: must be the cursor"),
    ],
)
def test_a_wrong_filter_is_named_above_the_empty_result(visitor: Visitor, query: str, message: str) -> None:
    page = visitor.get(f"/ui/patients?{query}", 400)
    assert message in text(page)
    assert "Deckard" not in page.text


def test_pages_go_forth_and_back_through_all_patients(app: TestApp) -> None:
    names = [f"N{number % 7}" for number in range(170)]
    rows = [patient_row(str(number), firstName="A", lastName=name) for number, name in enumerate(names)]
    sync(app, "/patients", rows)
    sync(app, "/payments", [payment_row(f"p{number}", str(number), f"{number % 9}.00") for number in range(170)])
    visitor = Visitor(app, address="127.0.0.1")
    for sort in ("lastName", "-lastName", "externalId", "-externalId", "paymentTotal", "-paymentTotal"):
        pages, address = [], f"/ui/patients?sort={sort}"
        while address:
            page = soup(visitor.get(address))
            pages.append([cell.get_text() for cell in page.select("td.id")])
            following = page.select_one("a[rel=next]")
            address = following["href"] if following else ""
        assert [len(each) for each in pages] == [50, 50, 50, 20]
        assert len({each for page_ids in pages for each in page_ids}) == 170
        for expected in pages[-2::-1]:
            page = soup(visitor.get(page.select_one("a[rel=prev]")["href"]))
            assert [cell.get_text() for cell in page.select("td.id")] == expected
        assert page.select_one("a[rel=prev]") is None
        assert page.select_one("a[rel=next]") is not None


def test_a_header_sorts_and_says_so(visitor: Visitor) -> None:
    page = soup(visitor.get("/ui/patients"))
    assert page.select_one("th.name")["aria-sort"] == "ascending"
    sorted_page = soup(visitor.get(page.select_one("th.total a")["href"]))
    assert sorted_page.select_one("th.total")["aria-sort"] == "descending"
    assert sorted_page.select_one("td.total").get_text() == "17.22"


def test_a_patient_has_payments_and_history(app: TestApp, practice: TestApp) -> None:
    sync(practice, "/patients", [patient_row("5", firstName="Rick", lastName="Dekard"), *PATIENTS[1:]])
    sync(practice, "/payments", [payment_row("501", "5", "5.46"), *PAYMENTS[2:]])
    shown = text(Visitor(app, address="127.0.0.1").get("/ui/patients/5"))
    assert "Total 12.56" in shown
    assert "lastName Deckard → Dekard" in shown
    assert "amount 4.46 → 5.46" in shown
    assert "deleted 502" in shown


def test_a_patient_with_many_payments_has_pages(app: TestApp) -> None:
    sync(app, "/patients", [patient_row("a/b c%2F")])
    sync(app, "/payments", [payment_row(f"p{number:03}", "a/b c%2F") for number in range(120)])
    visitor, address, seen = Visitor(app, address="127.0.0.1"), "/ui/patients/a%2Fb%20c%252F", []
    while address:
        page = soup(visitor.get(address))
        seen += [row.select_one("td").get_text() for row in page.select("section[aria-labelledby=payments] tbody tr")]
        following = page.select_one("section[aria-labelledby=payments] a[rel=next]")
        address = following["href"] if following else ""
    assert seen == [f"p{number:03}" for number in range(120)]


def test_a_sync_shows_its_changes_and_its_rejected_rows(app: TestApp, practice: TestApp) -> None:
    sync(practice, "/payments", [payment_row("501", "5", "5.46"), payment_row("601", "6", "12,50"), *PAYMENTS[1:3]])
    visitor = Visitor(app, address="127.0.0.1")
    assert "3 today" in text(visitor.get("/ui/syncs")).replace("undo", "")
    page = visitor.get("/ui/syncs/3")
    shown = text(page)
    assert "updated payment 501 amount 4.46 → 5.46 Deckard, Rick" in shown
    assert "deleted payment 602" in shown
    assert "updated" not in text(visitor.get("/ui/syncs/3?kind=deleted")).partition("Changed rows")[2]
    rejected = text(visitor.get("/ui/syncs/3?show=rejected"))
    assert "payment 601 amount 12,50" in rejected
    assert "None of this kind" in text(visitor.get("/ui/syncs/3?kind=created"))


@pytest.mark.parametrize(
    "path", ["/ui/patients/404", "/ui/syncs/404", "/ui/syncs/x", "/ui/nothing", "/ui/", "/ui/patients/5%0a"]
)
def test_what_is_not_there_is_a_page_that_says_so(visitor: Visitor, path: str) -> None:
    page = visitor.get(path, 404)
    assert page.content_type == "text/html"
    assert "Not found" in text(page)


def test_names_are_shown_as_they_are_and_never_run(app: TestApp) -> None:
    evil = "<script>alert(1)</script>\"'&"
    sync(app, "/patients", [patient_row(evil, firstName=evil, lastName=evil, middleName=evil)])
    sync(app, "/payments", [payment_row(evil, evil), payment_row("x", evil, evil)])
    visitor = Visitor(app, address="127.0.0.1")
    address = soup(visitor.get("/ui/patients")).select_one("td.name a")["href"]
    for path in (
        "/ui/patients",
        address,
        "/ui/syncs/1",
        "/ui/syncs/2?show=rejected",
        "/ui/patients?q=%3Cscript%3Ealert%3C%22",
    ):
        page = visitor.get(path)
        assert "<script>alert" not in page.text
        assert [script.get("src") for script in soup(page).find_all("script")] == [ASSETS["script.js"].path]
    assert evil in text(visitor.get(address))


def test_an_internal_error_is_a_page_with_an_id_and_nothing_else(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Deckard owes 17.22")

    monkeypatch.setattr("paymentagg.entrypoints.pages.views.overview.bins_chart", fail)
    page = visitor.get("/ui", 500)
    assert page.content_type == "text/html"
    assert "Give whoever runs this server this id" in text(page)
    assert "Deckard" not in page.text


def test_a_total_of_any_size_is_exact(app: TestApp) -> None:
    sync(app, "/patients", [patient_row("5")])
    sync(app, "/payments", [payment_row(f"p{number}", "5", "9999999999.99") for number in range(7)])
    total = Decimal("9999999999.99") * 7
    assert f"{total:,.2f}".replace(",", " ") in text(Visitor(app, address="127.0.0.1").get("/ui/patients/5"))
