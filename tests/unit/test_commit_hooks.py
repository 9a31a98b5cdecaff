"""The hooks of pre-commit check what `make lint` checks."""

import re

from project import PROJECT


def test_each_commit_is_checked_as_make_lint_does() -> None:
    recipe = re.search(r"(?m)^lint:.*\n((?:\t.*\n)+)", (PROJECT / "Makefile").read_text())
    assert recipe
    commands = recipe[1].replace("\t", "").replace("$(BIN)", ".venv/bin").splitlines()
    hooks = re.findall(r"(?m)^ +entry: (.+)$", (PROJECT / ".pre-commit-config.yaml").read_text())

    assert hooks == commands
