"""The snapshots that are synced: made once a size, kept in a folder, as JSON and as the ready TSV of the floors."""

import json
import random
import subprocess
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

MAKE = Path(__file__).with_name("make_snapshots.py")

VARIANTS: dict[str, list[str]] = {"base": [], "shuffled": ["--shuffle"], "changed": ["--changed", "1"]}


class Snapshots:
    """Snapshots of so many patients and payments, in files under the folder."""

    def __init__(self, folder: Path, patients: int, payments: int) -> None:
        self.patients = patients
        self.payments = payments
        self._folder = folder / f"{patients}-{payments}"

    def json(self, model: str, variant: str = "base") -> Path:
        """Return the file of a snapshot that paymentagg takes."""
        return self._made(variant) / f"{model}.json"

    def tsv(self, model: str, variant: str = "base") -> Path:
        """Return the file that the floors take: external id, patient and cents, or the fields of a patient."""
        file = self._made(variant) / f"{model}.tsv"
        if not file.exists():
            columns = _payment if model == "payments" else _patient
            part = file.with_suffix(".part")
            with self.json(model, variant).open(encoding="utf-8") as rows, part.open("w", encoding="utf-8") as out:
                for row in rows:
                    out.write("\t".join(columns(json.loads(row.strip("[],\n"), parse_float=Decimal))) + "\n")
            part.rename(file)
        return file

    def _made(self, variant: str) -> Path:
        folder = self._folder / variant
        if not (folder / "made").exists():
            print(f"making snapshots: {self.patients:,} patients, {self.payments:,} payments, {variant}", flush=True)
            size = ["--patients", str(self.patients), "--payments", str(self.payments)]
            subprocess.run([sys.executable, MAKE, *size, *VARIANTS[variant], folder], check=True)
            if variant == "shuffled":
                shuffle(folder / "patients.json")  # it shuffles the payments only
            (folder / "made").touch()
        return folder


def shuffle(file: Path) -> None:
    """Put the rows of a snapshot into another order."""
    rows = [line.strip("[],\n") for line in file.read_text(encoding="utf-8").splitlines()]
    random.Random(1).shuffle(rows)
    file.write_text("[" + ",\n".join(rows) + "]\n", encoding="utf-8")


def _payment(row: dict[str, object]) -> Iterable[str]:
    return str(row["externalId"]), str(row["patientId"]), str(int(Decimal(row["amount"]) * 100))


def _patient(row: dict[str, object]) -> Iterable[str]:
    # Made-up texts hold nothing that COPY would need escaped.
    return (str(row[name]) if row.get(name) is not None else "\\N" for name in PATIENT_FIELDS)


PATIENT_FIELDS = ("externalId", "firstName", "lastName", "middleName", "dateOfBirth")
