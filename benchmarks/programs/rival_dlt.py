"""Load a snapshot with dlt. Runs in the environment that is installed for the rivals only.

    python benchmarks/programs/rival_dlt.py {replace,merge} {patients,payments} FILE.json DATABASE-URL FOLDER

dlt gets the rows in lists and copies them to PostgreSQL as CSV, with two workers. Both are faster than its defaults.
"""

import json
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

LIST_SIZE = 10_000
"""How many rows dlt gets at once."""

COLUMNS = {
    "payments": {"amount": {"data_type": "decimal", "precision": 12, "scale": 2}},
    "patients": {"dateOfBirth": {"data_type": "date"}},
}


def main() -> None:
    """Load the file into the database; a failed load job raises."""
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

    # The server listens on a Unix socket, whose folder dlt passes on only as a query parameter.
    parts = urlsplit(url)
    socket = parse_qs(parts.query)["host"][0]
    credentials = f"postgresql://{parts.username}:unused@localhost{parts.path}?host={socket}"
    pipeline = dlt.pipeline("rival", destination=postgres(credentials), dataset_name="rival", pipelines_dir=folder)
    resource = dlt.resource(
        rows(Path(file)), name=model, write_disposition=disposition, primary_key="externalId", columns=COLUMNS[model]
    )
    pipeline.run(resource, loader_file_format="csv").raise_on_failed_jobs()


def rows(file: Path) -> Iterator[list[object]]:
    """Yield the rows in lists. The benchmarks' snapshots have one row a line, so no streaming parser is needed."""
    with file.open(encoding="utf-8") as lines:
        while some := [line.strip("[],\n") for line in islice(lines, LIST_SIZE)]:
            yield json.loads(f"[{','.join(some)}]")


if __name__ == "__main__":
    main()
