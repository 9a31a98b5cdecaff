"""The snapshots to sync: made once for each size and kept in a folder, as JSON and as the TSV that the floors take."""

import json
import random
import subprocess
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

MAKE_SNAPSHOTS = Path(__file__).parent / "programs" / "make_snapshots.py"

VARIANTS: dict[str, list[str]] = {"base": [], "shuffled": ["--shuffle"], "changed": ["--changed", "1"]}
"""The options with which each variant is made."""

PATIENT_FIELDS = ("externalId", "firstName", "lastName", "middleName", "dateOfBirth")


class Snapshots:
    """Snapshots of so many patients and payments, in files under the folder."""

    def __init__(self, folder: Path, patients: int, payments: int) -> None:
        self.patients = patients
        self.payments = payments
        self._folder = folder / f"{patients}-{payments}"

    def json(self, model: str, variant: str = "base") -> Path:
        """Return the file of a snapshot in JSON."""
        return self._variant_folder(variant) / f"{model}.json"

    def tsv(self, model: str, variant: str = "base") -> Path:
        """Return the file for the floors: external id, patient and cents, or the fields of a patient."""
        file = self._variant_folder(variant) / f"{model}.tsv"
        if not file.exists():
            columns = _payment if model == "payments" else _patient
            part = file.with_suffix(".part")
            with self.json(model, variant).open(encoding="utf-8") as rows, part.open("w", encoding="utf-8") as out:
                for row in rows:
                    out.write("\t".join(columns(json.loads(row.strip("[],\n"), parse_float=Decimal))) + "\n")
            part.rename(file)
        return file

    def _variant_folder(self, variant: str) -> Path:
        """Return the folder of a variant; make its snapshots unless they are complete."""
        folder = self._folder / variant
        if not (folder / "made").exists():
            print(f"making snapshots: {self.patients:,} patients, {self.payments:,} payments, {variant}", flush=True)
            size = ["--patients", str(self.patients), "--payments", str(self.payments)]
            subprocess.run([sys.executable, MAKE_SNAPSHOTS, *size, *VARIANTS[variant], folder], check=True)
            if variant == "shuffled":
                shuffle(folder / "patients.json")  # --shuffle applies to payments only
            (folder / "made").touch()
        return folder


def shuffle(file: Path) -> None:
    """Rewrite a snapshot with its rows in another order."""
    rows = [line.strip("[],\n") for line in file.read_text(encoding="utf-8").splitlines()]
    random.Random(1).shuffle(rows)
    file.write_text("[" + ",\n".join(rows) + "]\n", encoding="utf-8")


def _payment(row: dict[str, object]) -> Iterable[str]:
    return str(row["externalId"]), str(row["patientId"]), str(int(Decimal(str(row["amount"])) * 100))


def _patient(row: dict[str, object]) -> Iterable[str]:
    # The generated texts contain nothing that COPY would need escaped.
    return (str(row[name]) if row.get(name) is not None else "\\N" for name in PATIENT_FIELDS)
