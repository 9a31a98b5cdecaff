"""All codes that users meet, as tables in Markdown: of rejected rows, of responses, of console scripts."""

from collections.abc import Iterable

from paymentagg.domain.rejection_messages import MESSAGES
from paymentagg.entrypoints.console.exit_codes import MEANINGS
from paymentagg.entrypoints.http.problem_codes import PROBLEMS


def rows() -> str:
    """Return a table of the codes of rejected rows."""
    return _table("code", "message", ((f"`{code}`", message) for code, message in MESSAGES.items()))


def problems() -> str:
    """Return a table of the codes of HTTP's problem details."""
    lines = [f"| `{code}` | {status} | {title} |" for code, (status, title) in PROBLEMS.items()]
    return "\n".join(["| code | status | title |", "| --- | --- | --- |", *lines])


def exit_statuses() -> str:
    """Return a table of the exit statuses of console scripts."""
    return _table("exit status", "meaning", ((str(status), meaning) for status, meaning in MEANINGS.items()))


def _table(first: str, second: str, rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join([f"| {first} | {second} |", "| --- | --- |", *(f"| {one} | {two} |" for one, two in rows)])
