"""The help of each console script, of its commands too, as the scripts print it."""

import contextlib
import io
import os
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, distribution

COLUMNS = "100"
"""How wide the help is."""


def text() -> str:
    """Return a section for each console script."""
    scripts = distribution("paymentagg").entry_points.select(group="console_scripts")
    return "\n\n".join(_section(script.name, script.load()) for script in sorted(scripts, key=_order))


def _order(script: EntryPoint) -> tuple[bool, str]:
    return script.name != "paymentagg-sync", script.name


def _section(name: str, main: Callable[[list[str]], int]) -> str:
    first = _help(main, [])
    named = re.search(r"\{([a-z,-]+)\} \.\.\.", first)
    commands = named[1].split(",") if named else []
    parts = [f"## {name}\n\n{_block(first)}"]
    parts += [f"### {name} {command}\n\n{_block(_help(main, [command]))}" for command in commands]
    return "\n\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


def _help(main: Callable[[list[str]], int], arguments: list[str]) -> str:
    printed = io.StringIO()
    os.environ["COLUMNS"] = COLUMNS  # argparse asks for it
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    return printed.getvalue()
