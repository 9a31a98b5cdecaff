"""Valid and invalid rows whose values are canaries."""

import json
from typing import Any

from builders import array, gzipped
from canaries import AMOUNTS, BIRTHS, IDS, NAMES, OF_PATIENTS, SECRETS

NAME, BORN, AMOUNT, ID, SECRET, VALUE = NAMES[-1], BIRTHS[-1], AMOUNTS[-1], IDS[0], *SECRETS
EVERYTHING = (*OF_PATIENTS, *IDS, *SECRETS)


def patient(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a patient; ``fields`` are named as in JSON."""
    names = {"firstName": NAME, "lastName": f"{NAME} {number}"}
    return {"externalId": f"{ID}-{number}", **names, "dateOfBirth": BORN} | fields


def payment(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a payment of the patient with the same number; ``fields`` are named as in JSON."""
    return {"externalId": f"{ID}-{number}", "patientId": f"{ID}-{number}", "amount": AMOUNT} | fields


PATIENTS = [patient(number) for number in range(200)]
PAYMENTS = [payment(number) for number in range(200)]
TWINS = [patient(number, lastName=NAME) for number in (301, 302)]

BAD_ROWS = [
    *({**patient(), name: value} for name in patient() for value in (None, 5, "", f"{NAME}\x00", NAME * 40, [NAME])),
    patient(dateOfBirth=f"{BORN}T00:00"),
    patient(externalId=f" {ID}"),
    patient(1),
    patient(1, lastName=f"{NAME} the other"),
    [NAME],
    NAME,
]

BAD_PAYMENTS = [
    *({**payment(), name: value} for name in payment() for value in (None, True, "", f"{AMOUNT}\x00", [AMOUNT])),
    payment(amount=f"{AMOUNT}1"),
    payment(amount=f"9{AMOUNT}e9"),
    payment(amount=f"x{AMOUNT}"),
    payment(patientId=f"{ID}-nobody"),
]

UNREADABLE = [
    array(*PATIENTS)[:-1],
    array(*PATIENTS)[:-30],
    array(*PATIENTS) + NAME.encode(),
    json.dumps({"patients": PATIENTS}).encode(),
    json.dumps(NAME).encode(),
    NAME.encode(),
    array(*PATIENTS).replace(NAME.encode(), NAME.encode() + b"\xff"),
    array(*PATIENTS).decode().encode("utf-16"),
    array(patient(nested="[" * 100_000)).replace(b'"[', b"[").replace(b'["', b"["),
    gzipped(array(*PATIENTS))[:-4],
    gzipped(array(*PATIENTS)) + NAME.encode(),
]
