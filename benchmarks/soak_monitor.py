"""Observe a server process and its database sessions from outside. Needs Linux's /proc."""

from contextlib import suppress
from pathlib import Path

from contenders import PaymentaggOnPostgresql, PaymentaggOnSqlite

PaymentaggContender = PaymentaggOnPostgresql | PaymentaggOnSqlite


def memory(process: int) -> tuple[float, float]:
    """Return the RSS and the PSS of a process, in megabytes. PSS counts a shared page by the process's share of it."""
    sizes = dict(line.split(":") for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:])
    rss, pss = (int(sizes[name].split()[0]) / 1024 for name in ("Rss", "Pss"))
    return rss, pss


def open_files(process: int) -> list[str]:
    """Return the targets of the file descriptors of a process."""
    names = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            names.append(str(descriptor.readlink()))
    return names


def connections(paymentagg: PaymentaggContender, files: list[str]) -> int:
    """Return the number of database connections of a server that has these files open."""
    return sessions(paymentagg) if isinstance(paymentagg, PaymentaggOnPostgresql) else files.count(str(paymentagg.file))


def sessions(paymentagg: PaymentaggOnPostgresql, *excluded_states: str) -> int:
    """Return the number of paymentagg's sessions on PostgreSQL, except those in one of these states."""
    found = paymentagg.server.execute("SELECT state FROM pg_stat_activity WHERE application_name = 'paymentagg'")
    return sum(state not in excluded_states for (state,) in found)
