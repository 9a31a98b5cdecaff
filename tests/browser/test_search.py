"""The list of patients: found by name and total, sorted, turned over, taken away as a file."""

import re
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import expect

from browser import believable
from browser.person import Visit
from browser.served_practice import Serve, ServedPractice
from builders import patient_row
from paymentagg.domain.access import Role

STORED = len(believable.patients(believable.DAYS))


def test_typing_shows_who_is_found_without_loading_the_page_again(practice: ServedPractice, visit: Visit) -> None:
    reader = visit(practice, Role.READER)
    reader.go_to("Patients")
    reader.page.evaluate("document.isTheSame = true")
    search = reader.page.get_by_label("Search name or id")
    search.press_sequentially("deck ri")
    rows = reader.page.get_by_role("table", name="Patients, with the number").get_by_role("row")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("Deckard, Rick")
    expect(reader.page).to_have_url(re.compile(r"[?&]q=deck\+ri(&|$)"))
    assert reader.page.evaluate("document.isTheSame")
    expect(search).to_be_focused()
    search.fill("")
    expect(rows).to_have_count(51)
    assert reader.page.evaluate("document.isTheSame")


def test_without_scripts_the_button_searches(practice: ServedPractice, visit: Visit) -> None:
    reader = visit(practice, Role.READER, scripts=False)
    reader.go_to("Patients")
    reader.page.get_by_label("Search name or id").fill("SCHAFER")
    reader.press("Show")
    expect(reader.page.get_by_role("row").filter(has_text="Schäfer").first).to_be_visible()
    expect(reader.page.get_by_label("Search name or id")).to_have_value("SCHAFER")
    expect(reader.page.get_by_role("row").filter(has_text="Deckard")).to_have_count(0)
    reader.follow("Clear")
    expect(reader.page.get_by_text(f"{STORED} of {STORED} patients")).to_be_visible()


def test_a_range_of_totals_keeps_only_those_within_it(sqlite_practice: ServedPractice, visit: Visit) -> None:
    reader = visit(sqlite_practice, Role.READER, scripts=False)
    reader.open("/ui/patients")
    reader.page.get_by_label("Total from").fill("-4000")
    reader.page.get_by_label("to", exact=True).fill("0")
    reader.press("Show")
    found = sqlite_practice.read("/patients?payment_min=-4000&payment_max=0")
    assert len(found) > 1
    expect(reader.page.get_by_text(f"{len(found)} of {STORED} patients")).to_be_visible()
    expect(reader.page.get_by_role("row").filter(has_text="Rückerstattung")).to_contain_text("−3 220.50")


def test_a_filter_that_is_no_amount_is_explained_and_kept(sqlite_practice: ServedPractice, visit: Visit) -> None:
    reader = visit(sqlite_practice, Role.READER)
    reader.open("/ui/patients?payment_min=ten", status=400)
    expect(reader.page.get_by_role("alert")).to_contain_text("Total from: must be an amount such as 7.10")
    expect(reader.page.get_by_label("Total from")).to_have_value("ten")


def test_a_heading_sorts_and_sorts_the_other_way_round(sqlite_practice: ServedPractice, visit: Visit) -> None:
    reader = visit(sqlite_practice, Role.READER)
    reader.open("/ui/patients")
    column = reader.page.get_by_role("columnheader", name="Total")
    for order, path in (("descending", "/patients?sort=-paymentTotal"), ("ascending", "/patients?sort=paymentTotal")):
        column.get_by_role("link").click()
        expect(column).to_have_attribute("aria-sort", order)
        first = sqlite_practice.read(path)[0]
        expect(reader.page.get_by_role("row").nth(1)).to_contain_text(first["lastName"])


def test_next_and_previous_lead_through_all_patients_and_back(practice: ServedPractice, visit: Visit) -> None:
    reader = visit(practice, Role.READER)
    reader.open("/ui/patients")
    names = reader.page.get_by_role("table", name="Patients, with the number").get_by_role("row").get_by_role("link")
    first = names.all_inner_texts()
    reader.follow("Next ›")
    expect(reader.link("‹ Previous")).to_be_visible()
    second = names.all_inner_texts()
    assert len(set(first + second)) > STORED
    assert not reader.link("Next ›").is_visible()
    reader.follow("‹ Previous")
    expect(reader.link("Next ›")).to_be_visible()
    assert names.all_inner_texts() == first


@pytest.mark.parametrize("path", ["/ui", "/ui/patients"])
def test_each_bar_leads_to_the_patients_that_it_stands_for(
    sqlite_practice: ServedPractice, visit: Visit, path: str
) -> None:
    reader = visit(sqlite_practice, Role.READER)
    reader.open(path)
    bars = reader.page.get_by_role("link", name=re.compile(r"^[−\d\s.]+ to [−\d\s.]+: [1-9]\d* patients?$"))
    labels = bars.evaluate_all("bars => bars.map(bar => bar.getAttribute('aria-label'))")
    assert sum(int(label.split()[-2]) for label in labels) == STORED
    for position in (0, len(labels) - 1):
        reader.open(path)
        bars.nth(position).click()
        number = labels[position].split()[-2]
        expect(reader.page.get_by_text(f"{number} of {STORED} patients")).to_be_visible()


def test_what_is_found_can_be_taken_away_for_excel(
    sqlite_practice: ServedPractice, visit: Visit, tmp_path: Path
) -> None:
    reader = visit(sqlite_practice, Role.READER)
    reader.open("/ui/patients?payment_max=0")
    with reader.page.expect_download() as download:
        reader.follow("Excel")
    file = tmp_path / "found.xlsx"
    download.value.save_as(file)
    rows = list(openpyxl.load_workbook(BytesIO(file.read_bytes())).active.values)
    assert download.value.suggested_filename.endswith(".xlsx")
    assert any(Decimal("-3220.5") in map(_number, row) for row in rows)
    assert len(rows) == 1 + len(sqlite_practice.read("/patients?payment_max=0"))


def test_markup_in_a_name_is_shown_as_text(sqlite_url: str, serve: Serve, visit: Visit) -> None:
    first, last = '<img src=x onerror="document.title=1">', "O'Neil & Son"
    practice = serve(sqlite_url)
    practice.sync([patient_row("1", firstName=first, lastName=last)], [])
    reader = visit(practice, Role.READER)
    reader.go_to("Patients")
    reader.follow(f"{last}, {first}")
    expect(reader.heading(f"{last}, {first}")).to_be_visible()


def _number(value: object) -> Decimal | None:
    return Decimal(str(value)) if isinstance(value, int | float) else None
