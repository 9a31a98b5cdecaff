"""Measure paymentagg and its rivals, print the results and write them to docs/benchmarks.md.

    python benchmarks/run.py --payments 1000000 --patients 100000 --rounds 5 --only sync-postgresql,reads

Each section replaces its older results in the file of results; other sections keep theirs.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import report
from bench import Bench, Result
from pages import pages
from reads import reads, reads_during_sync
from syncs import SECTIONS, sync_postgresql, sync_sqlite

ROOT = Path(__file__).parent.parent
ALL = SECTIONS | {"reads": reads, "reads-during-sync": reads_during_sync, "pages": pages}

SMOKE: dict[str, Callable[[Bench], Iterator[Result]]] = {
    "sync-postgresql": sync_postgresql,
    "sync-sqlite": sync_sqlite,
    "patients-postgresql": SECTIONS["patients-postgresql"],
    "patients-sqlite": SECTIONS["patients-sqlite"],
    "shell": SECTIONS["shell"],
    "reads": lambda bench: reads(bench, with_datasette=False),
    "reads-during-sync": reads_during_sync,
    "pages": pages,
}
"""The sections that need no other environment than the tests do."""


def main() -> int:
    """Run the sections; return the exit status."""
    options = parsed()
    signal.signal(signal.SIGTERM, stop)
    results = report.read(options.results)
    sections = SMOKE if options.smoke else ALL
    with tempfile.TemporaryDirectory(prefix="bench") as folder, ExitStack() as stack:
        bench = Bench(
            patients=options.patients,
            payments=options.payments,
            rounds=options.rounds,
            seconds=options.seconds,
            rivals=options.rivals.absolute() / "bin",
            store=options.store.absolute(),
            folder=Path(folder),
            stack=stack,
        )
        for name in options.only or sections:
            begun = time.perf_counter()
            print(f"\n== {report.TITLES[name]} ==", flush=True)
            works = list(sections[name](bench))
            print_results(works)
            print(f"{name} took {time.perf_counter() - begun:.0f} s")
            if options.smoke:
                exit_on_failed_requests(works)
                continue
            size = {"patients": options.patients, "payments": options.payments, "rounds": options.rounds}
            results["sections"][name] = {"size": size, "works": works}
            results["machine"] = report.machine() | report.rival_versions(bench.rivals)
            results["postgresql"] = bench.server.settings()
            report.write(results, options.results)
        print(f"\nPostgreSQL: {', '.join(' '.join(setting) for setting in bench.server.settings().items())}")
    return 0


def print_results(works: list[Result]) -> None:
    """Print the tables and goals of a section."""
    print(*report.table(works), sep="\n")
    print()
    for work in works:
        for line in report.goals(work):
            print(f"{work['work']}: {'; '.join(line)}", flush=True)


def exit_on_failed_requests(works: list[Result]) -> None:
    """Exit with an error if any response had another status than expected."""
    for work in works:
        for name, samples in work["samples"].items():
            if any(sample.get("failed") for sample in samples):
                sys.exit(f"{work['work']}, {name}: requests failed")


def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  signal.signal's signature
    """Exit by an exception, so that servers are stopped and folders removed."""
    sys.exit(128 + number)


def parsed() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--payments", type=int, default=1_000_000, metavar="N", help="also the number of patients in their own syncs")
    add("--patients", type=int, default=100_000, metavar="N", help="patients who have the payments; at least 300")
    add("--rounds", type=int, default=5, metavar="N")
    add("--seconds", type=float, default=5, metavar="S", help="duration of each load of reads")
    add("--only", type=lambda text: [name for name in text.split(",") if name], metavar="SECTION,...")
    add("--smoke", action="store_true", help="skip rivals that need their own environment, and write no results")
    add("--rivals", type=Path, default=ROOT / ".venv-bench", metavar="VENV", help="environment of dlt and Datasette")
    add("--store", type=Path, default=ROOT / "build" / "snapshots", metavar="FOLDER", help="where to keep snapshots")
    add("--results", type=Path, default=ROOT / "docs" / "benchmarks.json", metavar="FILE")
    options = parser.parse_args()
    unknown = set(options.only or ()) - set(SMOKE if options.smoke else ALL)
    if unknown:
        parser.error(f"unknown sections: {', '.join(sorted(unknown))}; choose from {', '.join(ALL)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
