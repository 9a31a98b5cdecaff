"""The reads of the soak test: which requests, how often, and which statuses are right for them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

PAGES = ["/patients", "/patients?sort=-paymentTotal", "/patients?sort=lastName&limit=20", "/payments"]


@dataclass(frozen=True)
class Read:
    """A request, and the statuses that are right for it."""

    path: str
    right: tuple[int, ...] = (200,)
    method: str = "GET"
    accept: str = "*/*"
    conditional: bool = False


MISTAKES = [
    Read("/patients?payment_mim=1", (400,)),
    Read("/patients/nobody", (404,)),
    Read("/patients", (405,), method="DELETE"),
    Read("/payments", (406,), accept="text/html"),
    Read("/payments", (403,), method="POST"),  # the key's role is reader
]


def mix(patients: int) -> Iterator[Read]:
    """Yield an endless mix of reads, the same in each run, of a practice with so many patients."""
    chance = random.Random(0)
    while True:
        patient, low = chance.randrange(patients), chance.randrange(4000)
        ranged, page = f"/patients?payment_min={low}&payment_max={low + 50}", chance.choice(PAGES)
        yield from chance.choices(
            [
                Read(ranged),
                Read(page),
                Read(page, (200, 304), conditional=True),
                Read(f"/patients/{patient}"),
                Read(f"/payments?external_id={patient}"),
                Read("/health/ready"),
                Read(ranged, accept="text/csv"),
                Read("/patients", (200, 429), accept="application/x-ndjson"),  # a fourth concurrent export is refused
                chance.choice(MISTAKES),
            ],
            weights=[25, 20, 15, 15, 14, 3, 2, 0.5, 5.5],
        )
