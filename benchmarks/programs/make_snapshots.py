"""Write deterministic snapshots of any size: ``patients.json`` and ``payments.json`` in a folder.

    python benchmarks/programs/make_snapshots.py --patients 100000 --payments 1000000 /tmp/snapshots

The same arguments produce the same bytes. ``--changed 1`` changes 1 % of the payments: 60 % of these get another
amount, 20 % are removed and 20 % are added. ``--shuffle`` writes the same payments in another order.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FIRST_NAMES = ["Rick", "Pris", "Roy", "Eldon", "Rachael", "Zhora", "Leon", "Iran", "Hannibal", "Søren"]
LAST_NAMES = ["Deckard", "Stratton", "Batty", "Tyrell", "Rosen", "Salome", "Kowalski", "Chew", "Sebastian", "Müller"]


def main() -> None:
    """Write both snapshots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=100_000, metavar="N")
    parser.add_argument("--payments", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--changed", type=float, default=0, metavar="PERCENT", help="of the payments to change")
    parser.add_argument("--shuffle", action="store_true", help="write the payments in another order")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    def payment(number: int) -> dict[str, object]:
        chance = random.Random(number)
        return {
            "amount": chance.randrange(-2_000, 50_000) / 100,
            "patientId": f"{chance.randrange(arguments.patients)}",
            "externalId": f"pay-{number}",
        }

    numbers = list(changed_numbers(arguments.payments, arguments.changed))
    order = random.Random(1 if arguments.shuffle else 0)
    order.shuffle(numbers)
    write(arguments.folder / "patients.json", range(arguments.patients), patient)
    write(arguments.folder / "payments.json", numbers, lambda item: item[1](payment(item[0])))


def patient(number: int) -> dict[str, object]:
    """Return the row of a patient; the same number makes the same row."""
    chance = random.Random(-number - 1)
    return {
        "firstName": chance.choice(FIRST_NAMES),
        "lastName": f"{chance.choice(LAST_NAMES)}-{number % 997}",
        "dateOfBirth": f"{chance.randrange(1920, 2095)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
        "externalId": f"{number}",
    }


def changed_numbers(
    count: int, percent: float
) -> Iterator[tuple[int, Callable[[dict[str, object]], dict[str, object]]]]:
    """Yield the number of each payment and the function to apply to its row."""
    chance = random.Random(2)
    for number in range(count):
        dice = chance.random() * 100
        if dice < 0.2 * percent:
            yield count + number, unchanged  # removes this payment and adds another
        elif dice < 0.8 * percent:
            yield number, repriced
        else:
            yield number, unchanged


def unchanged(row: dict[str, object]) -> dict[str, object]:
    """Return the row as it is."""
    return row


def repriced(row: dict[str, object]) -> dict[str, object]:
    """Return the row with another amount."""
    return row | {"amount": 777.77}


def write(path: Path, items: Iterable[T], row: Callable[[T], dict[str, object]]) -> None:
    """Write a JSON array with one row a line, made of each item by ``row``."""
    with path.open("w", encoding="utf-8") as file:
        for place, item in enumerate(items):
            file.write("[" if place == 0 else ",\n")
            file.write(json.dumps(row(item), ensure_ascii=False))
        file.write("]\n")


if __name__ == "__main__":
    main()
