"""Measure paymentagg beside its rivals, print what was found and write it into docs/benchmarks.md.

    python benchmarks/run.py --payments 1000000 --patients 100000 --rounds 5 --only sync-postgresql,reads

Each section replaces its older results in the file of results; those of the other sections stay.
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
from reads import reads, reads_during_sync
from works import SECTIONS, Bench, Result, sync_postgresql, sync_sqlite

ROOT = Path(__file__).parent.parent
ALL = SECTIONS | {"reads": reads, "reads-during-sync": reads_during_sync}

SMOKE: dict[str, Callable[[Bench], Iterator[Result]]] = {
    "sync-postgresql": sync_postgresql,
    "sync-sqlite": sync_sqlite,
    "patients-postgresql": SECTIONS["patients-postgresql"],
    "patients-sqlite": SECTIONS["patients-sqlite"],
    "shell": SECTIONS["shell"],
    "reads": lambda bench: reads(bench, with_datasette=False),
    "reads-during-sync": reads_during_sync,
}
"""What needs nothing but what the tests need."""


def main() -> int:
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
            tell(works)
            print(f"{name} took {time.perf_counter() - begun:.0f} s")
            if options.smoke:
                refuse_failures(works)
                continue
            size = {"patients": options.patients, "payments": options.payments, "rounds": options.rounds}
            results["sections"][name] = {"size": size, "works": works}
            results["machine"] = report.machine() | report.rival_versions(bench.rivals)
            results["postgresql"] = bench.server.settings()
            report.write(results, options.results)
        print(f"\nPostgreSQL: {', '.join(' '.join(setting) for setting in bench.server.settings().items())}")
    return 0


def tell(works: list[Result]) -> None:
    """Print the tables of a section."""
    print(*report.table(works), sep="\n")
    print()
    for work in works:
        for line in report.goals(work):
            print(f"{work['work']}: {'; '.join(line)}", flush=True)


def refuse_failures(works: list[Result]) -> None:
    """End with an error where a request wasn't answered as it should be."""
    for work in works:
        for name, samples in work["samples"].items():
            if any(sample.get("failed") for sample in samples):
                sys.exit(f"{work['work']}, {name}: requests failed")


def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  as signal has it
    """Leave by the same way as after an error: servers are stopped, folders removed."""
    sys.exit(128 + number)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--payments", type=int, default=1_000_000, metavar="N", help="also how many patients are synced alone")
    add("--patients", type=int, default=100_000, metavar="N", help="whose payments they are; 300 at least")
    add("--rounds", type=int, default=5, metavar="N")
    add("--seconds", type=float, default=5, metavar="S", help="how long a load of reads takes")
    add("--only", type=lambda text: [name for name in text.split(",") if name], metavar="SECTION,...")
    add("--smoke", action="store_true", help="no rivals that need an environment of their own, nothing is written")
    add(
        "--rivals",
        type=Path,
        default=ROOT / ".venv-bench",
        metavar="VENV",
        help="where dlt and Datasette are installed",
    )
    add("--store", type=Path, default=ROOT / "build" / "snapshots", metavar="FOLDER", help="snapshots are kept here")
    add("--results", type=Path, default=ROOT / "docs" / "benchmarks.json", metavar="FILE")
    options = parser.parse_args()
    unknown = set(options.only or ()) - set(SMOKE if options.smoke else ALL)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
