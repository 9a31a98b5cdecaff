"""A practice as it might be: its patients and payments on each of many days, as the external system would send them."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from builders import patient_row, payment_row

Row = dict[str, Any]

DAYS = 54
"""The last day that has been synced. The list of syncs then has two pages, and the overview shows the last thirty."""
LONG_ID = ("archive-2019/" + "0123456789abcdef" * 16)[:250]
"""As long as an id may be, and with a slash."""
NEVER = 1_000_000
LONG_NAME = "Hohenlohe-Waldenburg-Schillingsfürst-Bartenstein"

_FIRST = (
    "Anna", "Jürgen", "Zoë", "Søren", "Ágnes", "Bjørn", "Chloé", "Dörte", "Emil", "François", "Göran", "Hannah",
    "İpek", "Jörg", "Käthe", "Łukasz", "Małgorzata", "Nuño", "Ömer", "Päivi", "Renée", "Šárka", "Tomáš",
)  # fmt: skip
_LAST = (
    "Müller", "Schäfer", "Groß", "Nowak", "Åkesson", "Dvořák", "Yılmaz", "García", "Weiß", "Lindqvist", "Öztürk",
    "Krüger", "Brontë", "Fischer", "Sørensen", "Papadopoulou", "Żak", "König", "Meyer-Landrut", "Vogel", "D’Angelo",
)  # fmt: skip
_SPECIAL = (
    patient_row("5", firstName="Rick", lastName="Deckard", dateOfBirth="2094-02-01"),
    patient_row("8", firstName="Roy", lastName="Batty", middleName="N6", dateOfBirth=None),
    patient_row(
        "2001",
        firstName="Maximiliana-Theodora",
        middleName="Freifrau von und zu",
        lastName=LONG_NAME,
        dateOfBirth="1931-12-24",
    ),
    patient_row(LONG_ID, firstName="Ada", lastName="Archiv", dateOfBirth="1950-05-05"),
    patient_row("2002", firstName="Ida", lastName="Unbezahlt", dateOfBirth="2001-01-31"),
    patient_row("2003", firstName="Otto", lastName="Rückerstattung", dateOfBirth="1988-08-08"),
    patient_row("2004", firstName="Ξένια", lastName="Παπαδοπούλου", dateOfBirth="1979-02-28"),
)
_USUAL = 65
_MOST_PAYMENTS = 70
"""How many payments the first special patient has, so that they need two pages."""


def patients(day: int) -> list[Row]:
    """Return all patients on a day; now and then one comes, is corrected, or goes.

    Each day they begin with another one, so that the bytes of a day differ from those of others: after an undo, the
    file of its day is refused.
    """
    rows = [dict(row) for row in _SPECIAL]
    if day < 20:
        rows[0]["lastName"] = "Dekard"
    for number in range(_USUAL):
        comes = number % 13 * 4 if number % 3 == 0 else 0
        goes = 30 + number // 3 if number % 17 == 1 else NEVER
        if comes <= day < goes:
            born = date(1935, 3, 1) + timedelta(days=number * 431)
            last = _LAST[number * 5 % len(_LAST)]
            if number % 9 == 4 and day >= number:
                last = f"{last}-{_LAST[number % len(_LAST)]}"  # has married
            rows.append(
                patient_row(
                    str(1000 + number),
                    firstName=_FIRST[number % len(_FIRST)],
                    lastName=last,
                    middleName="Maria" if number % 8 == 3 else None,
                    dateOfBirth=born.isoformat() if number % 12 != 7 else None,
                )
            )
    first = day % len(rows)
    return rows[first:] + rows[:first]


def payments(day: int) -> list[Row]:
    """Return all payments on a day; some are wrong and get rejected. No two days have the same."""
    rows = [row for patient in patients(day) for row in _payments_of(patient["externalId"], day)]
    rows += [payment_row(f"visit-{visit}", "8", f"{visit}.50") for visit in range(DAYS - 20, day + 1)]
    return rows + [_wrong(day, number) for number in range(_wrong_on(day))]


def unharmed(day: int) -> list[Row]:
    """Return the payments on a day without those that get rejected."""
    return payments(day)[: len(payments(day)) - _wrong_on(day)]


def many_payments(number: int) -> Iterator[Row]:
    """Yield so many payments of one patient."""
    return (payment_row(f"bulk-{each}", "5", f"{each % 9000 / 100:.2f}") for each in range(number))


def _payments_of(patient: str, day: int) -> Iterator[Row]:
    if patient == "5":
        seed, number = 3, _MOST_PAYMENTS
    elif patient == "2003":
        yield payment_row("r-1", patient, "120.00")
        yield payment_row("r-2", patient, "-3340.50")
        return
    elif patient == "2002":
        return
    else:
        seed = int(patient) if patient.isdigit() else 77
        number = 3 + seed * seed % 11
    for each in range(number):
        mixed = seed * 7919 + each * 104_729
        comes = mixed % 120 - 55
        if comes <= day < (NEVER if mixed % 7 else comes + 30):
            cents = mixed % 997 * (mixed % 53) + 250
            if mixed % 5 == 0 and day >= mixed // 5 % 70:
                cents += 1_500  # has been corrected
            yield payment_row(f"pay-{100_000 + mixed % 800_000}", patient, f"{cents // 100}.{cents % 100:02}")


def _wrong_on(day: int) -> int:
    return 1 + day * day * 5 % 9 if day % 3 or day > DAYS else 0


def _wrong(day: int, number: int) -> Row:
    identifier = f"new-{day}-{number}"
    return (
        payment_row(identifier, "5", "12,50"),
        payment_row(identifier, "9999", "40.00"),
        payment_row(identifier, "5", "19.999"),
        payment_row(identifier, "5", None),
        payment_row(identifier, "8", "a great deal of money, to be paid in instalments until the end of next year"),
    )[number % 5]
