"""Writes the man pages of the console scripts, and their completions for bash and zsh, from their parsers."""

import argparse
import importlib
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

PROJECT = Path(__file__).parents[1]
_CONSOLE = "paymentagg.entrypoints.console"
_OPTIONS_OF_SYNC = f"{_CONSOLE}.sync_options"
_FILES = {"FILE", "INI", "OLD", "NEW"}
_FOLDERS = {"DIR"}


def write(folder: Path, version: str) -> None:
    """Write ``share/`` with the files of each script into the folder."""
    for name, parser in parsers():
        for path, content in (
            (f"man/man1/{name}.1", manual(parser, version)),
            (f"bash-completion/completions/{name}", shtab.complete(parser, "bash")),
            (f"zsh/site-functions/_{name}", shtab.complete(parser, "zsh")),
        ):
            file = folder / "share" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the name and the parser of each console script in setup.cfg."""
    settings = ConfigParser()
    settings.read(PROJECT / "setup.cfg")
    for line in settings["options.entry_points"]["console_scripts"].split("\n"):
        name, _, target = line.partition(" = ")
        if name:
            module = target.partition(":")[0]
            module = _OPTIONS_OF_SYNC if module.endswith(".sync_cli") else module
            yield name, _completing(importlib.import_module(module).options_parser())


def manual(parser: argparse.ArgumentParser, version: str) -> str:
    """Return the man page of a script."""
    description = " ".join((parser.description or "").split()).partition(". ")[0].rstrip(".")
    details = {"project_name": "paymentagg", "version": version, "manual_title": "paymentagg"}
    page = Manpage(parser, {"description": description, **details})
    # argparse-manpage joins the lines of a usage that has several.
    usage = parser.format_usage().removeprefix("usage: ").replace("\\", "\\e").replace("-", "\\-")
    name = parser.prog.replace("-", "\\-")
    lines = [" ".join(one.split()) for one in usage.split(f"{name} ")[1:]]
    page.add_section("synopsis", "=", "\n.br\n".join(f"\\fB{name}\\fR {line}" for line in lines))
    header, rest = str(page).split("\n", 1)
    return header.replace("\\-", "-") + "\n" + rest  # mandoc reads no date with escaped hyphens


def _completing(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Tell shtab which arguments are files or folders, and return the parser."""
    for action in parser._actions:  # argparse lists them nowhere else
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _completing(command)
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own attribute
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    return parser
