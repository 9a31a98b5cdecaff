"""Load a snapshot with dlt; runs in the rivals' own environment.

    python benchmarks/rival_dlt.py {replace,merge} {patients,payments} FILE.json DATABASE-URL FOLDER

The rows go to dlt in lists, and from it to PostgreSQL by COPY of CSV, with two workers: quicker than as it comes.
"""

import json
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ROWS_A_LIST = 10_000


def main() -> None:
    disposition, model, file, url, folder = sys.argv[1:]
    os.environ |= {
        "DLT_DATA_DIR": folder,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "NORMALIZE__WORKERS": "2",
        "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "250000",
    }
    import dlt
    from dlt.destinations import postgres

    # The name of the host is that of a folder with a socket, which dlt passes on only as a parameter.
    there = urlsplit(url)
    socket = parse_qs(there.query)["host"][0]
    credentials = f"postgresql://{there.username}:unused@localhost{there.path}?host={socket}"
    pipeline = dlt.pipeline("rival", destination=postgres(credentials), dataset_name="rival", pipelines_dir=folder)
    resource = dlt.resource(
        rows(Path(file)), name=model, write_disposition=disposition, primary_key="externalId", columns=COLUMNS[model]
    )
    pipeline.run(resource, loader_file_format="csv").raise_on_failed_jobs()


COLUMNS = {
    "payments": {"amount": {"data_type": "decimal", "precision": 12, "scale": 2}},
    "patients": {"dateOfBirth": {"data_type": "date"}},
}


def rows(file: Path) -> Iterator[list[object]]:
    """Yield the rows in lists. A snapshot of these benchmarks has a row a line, so no parser of streams is needed."""
    with file.open(encoding="utf-8") as lines:
        while some := [line.strip("[],\n") for line in islice(lines, ROWS_A_LIST)]:
            yield json.loads(f"[{','.join(some)}]")


if __name__ == "__main__":
    main()
