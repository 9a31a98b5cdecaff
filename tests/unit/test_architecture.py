"""docs/architecture.md prints the import contracts that the linter checks."""

import re
import tomllib

from project import PROJECT


def test_the_documented_layers_are_those_that_the_linter_checks() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    checked = [layer for contract in contracts if contract["type"] == "layers" for layer in contract["layers"]]
    section = (PROJECT / "docs" / "architecture.md").read_text().partition("## Import contracts")[2]
    printed = [re.split(r"\s{2,}", line)[1] for line in section.split("```")[1].strip("\n").splitlines() if line]
    assert printed == checked
