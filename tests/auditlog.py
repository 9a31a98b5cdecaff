"""Audit logs, read and checked by tests."""

import json
from pathlib import Path
from typing import Any

from command import SCRIPT, Command
from paymentagg.domain.audit_chain import Chain, Finding

AUDIT = SCRIPT.with_name("paymentagg-audit")


class Audited(Command):
    """A console script with the setting of an audit log."""

    def environment(self, **variables: str) -> dict[str, str]:
        return super().environment(**{"PAYMENTAGG_AUDIT_FILE": str(self.folder / "audit.jsonl")} | variables)


def events(*files: Path) -> list[dict[str, Any]]:
    """Return the events of a log in one or more files, after checking that each line continues the hash chain."""
    chain = Chain()
    found = []
    for file in files:
        for line in file.read_bytes().splitlines():
            assert chain.add(line) is Finding.FOLLOWS, line
            found.append(json.loads(line))
    return found


def findings(file: Path) -> list[Finding]:
    """Return the finding of the hash chain for each line of a log."""
    chain = Chain()
    return [chain.add(line) for line in file.read_bytes().splitlines()]
