"""What the command lines of all console scripts share. Only argparse is imported, so that ``--help`` is fast."""

import argparse
import sys
from pathlib import Path

STDIN = "-"
DEVELOPMENT_INI = "development.ini"
BUILTIN_INI = Path(__file__).with_name("builtin.ini")


def parser_of(program: str, description: str, epilog: str, usage: str | None = None) -> argparse.ArgumentParser:
    """Return a parser without options; ``usage`` takes the place of the one that argparse makes."""
    return argparse.ArgumentParser(
        prog=program,
        usage=usage,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a new option could change the meaning of an abbreviation in a script
    )


def add_config(parser: argparse.ArgumentParser, *, of_command: bool = False) -> None:
    """Add ``-c``. A parser ``of_command`` has no default, which would overwrite a ``-c`` before the command."""
    default = argparse.SUPPRESS if of_command else None
    parser.add_argument("-c", "--config", metavar="INI", default=default, help="Pyramid ini file with the settings")


def add_practice(parser: argparse.ArgumentParser, *, of_command: bool = False) -> None:
    """Add ``--practice``; ``of_command`` as with ``add_config``."""
    default = argparse.SUPPRESS if of_command else None
    text = "the practice to work for, where there are many (default: PAYMENTAGG_PRACTICE in the environment)"
    parser.add_argument("--practice", metavar="NAME", default=default, help=text)


def add_output(parser: argparse.ArgumentParser, *, levels: int, more: str = "") -> None:
    """Add ``--json``, ``-v`` and ``--no-color``, of scripts that print a report; ``more`` explains levels above 2."""
    add = parser.add_argument
    add("--json", action="store_true", help="print only the report, as JSON, on standard output")
    add(
        "-v",
        "--verbosity",
        type=int,
        choices=range(levels),
        nargs="?",
        const=2,
        default=1,
        help=f"0 nothing but errors; 1 summary and rejected rows (default); 2 also every change, as -v alone{more}",
    )
    add("--no-color", dest="color", action="store_false", help="no colours")


def ini_file(config: str | None) -> str:
    """Return ``config`` if given, else development.ini if it is in the current folder, else the built-in ini file."""
    if config is not None:
        return config
    return DEVELOPMENT_INI if Path(DEVELOPMENT_INI).is_file() else str(BUILTIN_INI)


def config_problem(config: str | None) -> str | None:
    """Return a usage error if ``config`` is given but isn't a file, else None."""
    if config is None:
        return None
    file = Path(config.partition("#")[0])  # Pyramid allows FILE#SECTION
    if file.is_file():
        return None
    problem = "is not a file" if file.exists() else "does not exist"
    return f"argument -c/--config: {file} {problem}; give a Pyramid ini file"


class Once(argparse.Action):
    """Stores a value, and refuses a second one, which would silently replace the first snapshot."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 -- the signature is argparse's
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Store the value.

        Raises:
            ArgumentError: the option was given before.
        """
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(self, "given twice; give it once")
        setattr(namespace, self.dest, values)


class Version(argparse.Action):
    """Prints the version, which is looked up only on demand because that is slow."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 -- the signature is argparse's
        values: object,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Print the name of the script and its version, and exit with 0."""
        from importlib.metadata import version

        parser._print_message(f"{parser.prog} {version('paymentagg')}\n", sys.stdout)
        parser.exit()
