"""The audit log as tests read it."""

import json
from pathlib import Path
from typing import Any

from command import SCRIPT
from paymentagg.domain.audit_chain import Chain, Finding

AUDIT = SCRIPT.with_name("paymentagg-audit")


def events(*files: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, after checking that each follows the one before."""
    chain = Chain()
    found = []
    for file in files:
        for line in file.read_bytes().splitlines():
            assert chain.add(line) is Finding.FOLLOWS, line
            found.append(json.loads(line))
    return found


def findings(file: Path) -> list[Finding]:
    """Return what each line of a log is to its chain."""
    chain = Chain()
    return [chain.add(line) for line in file.read_bytes().splitlines()]
