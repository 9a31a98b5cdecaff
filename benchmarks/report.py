"""The results as a file that partial runs add to, as tables and as a chart."""

import json
import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measure import spread
from servers import megabytes_of_memory

Results = dict[str, Any]

UNITS = {
    "seconds": "s",
    "cpu": "CPU s",
    "megabytes": "peak MB",
    "requests_per_second": "requests/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "failed": "failed",
    "reopened": "reopened",
    "syncs": "syncs",
}
TITLES = {
    "sync-postgresql": "Syncing payments, PostgreSQL",
    "sync-sqlite": "Syncing payments, SQLite",
    "patients-postgresql": "Syncing patients, PostgreSQL",
    "patients-sqlite": "Syncing patients, SQLite",
    "dlt": "Payments, beside dlt",
    "patients-dlt": "Patients, beside dlt",
    "scale": "Ten times the rows",
    "shell": "In a shell",
    "reads": "Reads",
    "reads-during-sync": "Reads while a sync runs",
}
INTRODUCTION = """\
# Benchmarks

Written by `make bench`; don't edit. Whole processes, in turns within one run; each number is the median of the
rounds, with the smallest and the largest behind it. A ratio is taken in each round, and then the median of those. Peak
memory is that of the process that was started, not of the server. What prepares a round (a copied database, a
checkpoint) isn't timed.

- *floor*: SQL written by hand and run by psql, on ready TSV: no JSON, no checks, no report
  (`benchmarks/floor_postgresql.sql`, `floor_patients.sql`)
- *plain sqlite3*: the same with Python's standard library (`benchmarks/floor_sqlite.py`)
- *dlt*: rows in lists, COPY of CSV, two workers (`benchmarks/rival_dlt.py`)
- *constant view*: a Pyramid view that returns 100 bytes, on waitress with the same settings
- *Datasette*: on the same SQLite data, immutable, nothing counted, no facets, the statement as a canned query
"""


def read(file: Path) -> Results:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"sections": {}}


def machine() -> dict[str, str]:
    """Return what the numbers depend on."""
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{megabytes_of_memory() / 1024:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("paymentagg", "SQLAlchemy", "psycopg2-binary", "pyramid", "waitress")},
    }


def rival_versions(rivals: Path) -> dict[str, str]:
    """Return the versions of the rivals that have an environment of their own; none where there is no such thing."""
    if not (rivals / "python").exists():
        return {}
    code = "from importlib.metadata import version as v; print(v('dlt'), v('datasette'))"
    said = subprocess.run([rivals / "python", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return dict(zip(("dlt", "datasette"), said, strict=True))


def write(results: Results, file: Path) -> None:
    """Write the results, and beside them what people read: Markdown and a chart."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    chart = file.with_suffix(".svg")
    chart.write_text(drawn(results), encoding="utf-8")
    text = [INTRODUCTION, f"![Medians of the syncs]({chart.name})\n", *_about(results), *_goals(results)]
    for name, section in _sections(results):
        text.append(f"\n## {TITLES[name]}\n\n{sized(section)}")
        text += table(section["works"])
    file.with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")


def _sections(results: Results) -> Iterator[tuple[str, Any]]:
    for name in TITLES:
        if name in results["sections"]:
            yield name, results["sections"][name]


def sized(section: Any) -> str:
    size = section["size"]
    return f"{size['patients']:,} patients, {size['payments']:,} payments, {size['rounds']} rounds."


def _about(results: Results) -> Iterator[str]:
    for title in ("machine", "postgresql"):
        if title in results:
            words = ", ".join(f"{name} {value}" for name, value in results[title].items())
            yield f"{'Machine' if title == 'machine' else 'Settings of PostgreSQL, the same for all'}: {words}.\n"


def _goals(results: Results) -> Iterator[str]:
    yield "## Goals\n"
    yield "| work | what | goal | reached | |"
    yield "| --- | --- | --- | --- | --- |"
    for name, section in _sections(results):
        for work in section["works"]:
            for line in goals(work):
                yield f"| {TITLES[name]}: {work['work']} | {' | '.join(line)} |"


def goals(work: Any) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is asked of a work, the goal, what was reached and whether that is enough."""
    for goal in work["goals"]:
        middle, low, high = goal["reached"]
        what = f"{UNITS[goal['metric']]}, {goal['above']}" + (f" / {goal['below']}" if goal["below"] else "")
        limit = f"{'≥' if goal['at_least'] else '≤'} {goal['limit']:g}"
        yield what, limit, f"{middle:.2f} ({low:.2f} to {high:.2f})", "met" if goal["met"] else "**missed**"


def table(works: Iterable[Any]) -> Iterator[str]:
    """Yield the lines of a table of what each took."""
    header: list[str] = []
    for work in works:
        for name, samples in work["samples"].items():
            metrics = list(dict.fromkeys(metric for sample in samples for metric in sample if metric != "syncs"))
            if metrics != header:
                header = metrics
                yield f"\n| work | who | {' | '.join(UNITS[metric] for metric in metrics)} |"
                yield f"| --- | --- |{' --- |' * len(metrics)}"
            cells = (_cell(spread(samples, metric)) for metric in metrics)
            yield f"| {work['work']} | {name} | {' | '.join(cells)} |"


def _cell(values: Sequence[float]) -> str:
    digits = 0 if values[0] >= 100 else 2
    middle, low, high = (f"{value:,.{digits}f}" for value in values)
    return middle if low == high else f"{middle} ({low} to {high})"


def drawn(results: Results) -> str:
    """Return a chart of the medians of everything that is measured in seconds."""
    bars = []
    for name, section in _sections(results):
        for work in section["works"]:
            for who, samples in work["samples"].items():
                if "seconds" in samples[0] and name not in ("scale", "shell"):
                    bars.append((f"{TITLES[name]}: {work['work']}", who, spread(samples, "seconds")[0]))
    longest = max((seconds for _, _, seconds in bars), default=1.0)
    lines, y, last = [], 10, ""
    for title, who, seconds in bars:
        if title != last:
            y, last = y + 22, title
            lines.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}</text>')
            y += 6
        colour = "#2a6f97" if who == "paymentagg" else "#adb5bd"
        width = max(1, 430 * seconds / longest)
        lines.append(f'<text x="20" y="{y + 12}">{escape(who)}</text>')
        lines.append(f'<rect x="130" y="{y + 1}" width="{width:.0f}" height="14" fill="{colour}"/>')
        lines.append(f'<text x="{136 + width:.0f}" y="{y + 12}">{seconds:.2f} s</text>')
        y += 18
    style = 'font-family="sans-serif" font-size="12"'
    size = f'width="660" height="{y + 10}" viewBox="0 0 660 {y + 10}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *lines, "</svg>", ""])
