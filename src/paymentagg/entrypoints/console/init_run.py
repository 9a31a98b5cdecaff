"""Writes the files of an installation, and says what to do next."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from paymentagg.domain.errors import InvalidParameter, PaymentAggError
from paymentagg.entrypoints.console import exit_codes, installation
from paymentagg.entrypoints.console.terminal import Terminal

_UNQUOTED = re.compile(r"[\w/.,:@+-]+")
"""Paths that mean the same in ini files, unit files and shells, without quotes."""


class Unwritable(PaymentAggError):
    """A file of the installation can't be written."""

    code = "installation-unwritable"

    def __init__(self, file: Path, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"can't write {file}: {reason}; nothing was written")


def run(folder: str, database: str, user: str, screen: Terminal) -> int:
    """Write the files for the database into the folder, print the next commands, and return the exit status.

    Raises:
        InvalidParameter: the path can't be used in all files, or one of the files exists.
        Unwritable: a file or the folder can't be written.
    """
    target = Path(folder)
    scripts = Path(sys.argv[0]).resolve().parent
    for path in (target.absolute(), scripts):
        if not _UNQUOTED.fullmatch(str(path)):
            reason = f"{str(path)!r} has other characters than letters, digits and _ / . , : @ + -; name another folder"
            raise InvalidParameter("argument DIR", reason)
    files = installation.files(database, folder=target.absolute(), scripts=scripts, user=user)
    contents = dict(files)
    _write(target, contents)
    screen.line(f"{target} has {', '.join(sorted(contents))}. Next:")
    for command in _next(target, database, scripts):
        screen.line(f"  {command}")
    return exit_codes.DONE


def _write(target: Path, contents: dict[str, str]) -> None:
    """Write all files or none."""
    for name in contents:
        if os.path.lexists(target / name):
            raise InvalidParameter("argument DIR", f"{target / name} exists; name another folder, or move it away")
    written: list[Path] = []
    is_new = not os.path.lexists(target)
    file = target
    try:
        if is_new:
            target.mkdir(mode=0o750, parents=True)
        for name, content in contents.items():
            file = target / name
            file.touch(0o600 if installation.is_secret(name) else 0o640, exist_ok=False)
            written.append(file)
            file.write_text(content, encoding="utf-8")
    except BaseException as error:
        for each in written:
            each.unlink()
        if is_new and target.is_dir():
            target.rmdir()
        if isinstance(error, OSError):
            raise Unwritable(file, error.strerror or type(error).__name__) from error
        raise


def _next(target: Path, database: str, scripts: Path) -> Iterator[str]:
    """Yield the commands that lead to the first page, in their order; those for which PASSWORD is replaced say so."""
    ini = f"-c {target / 'production.ini'}"
    sync = f"{_command('paymentagg-sync', scripts)} {ini} --patients patients.json --payments payments.json"
    if database == "postgresql":
        url = "export PAYMENTAGG_DATABASE_URL=postgresql://{}:PASSWORD@127.0.0.1/paymentagg"
        yield "createuser --pwprompt paymentagg_owner              # as an administrator of PostgreSQL, as the next one"
        yield "createdb --owner paymentagg_owner paymentagg"
        yield f"{url.format('paymentagg_owner')}    # with its password"
        yield f"{_command('alembic', scripts)} {ini} upgrade head"
        yield f"psql -v ON_ERROR_STOP=1 -d paymentagg <{target / 'roles.sql'}    # as an administrator"
        yield f"{_command('paymentagg-keys', scripts)} {ini} create --role admin --name first"
        yield r"psql -d paymentagg -c '\password paymentagg_app'    # its password, for environment too"
        yield f"{url.format('paymentagg_app')}      # with its password"
    yield sync
    yield f"{_command('paymentagg-serve', scripts)} {ini}"
    opened = "http://127.0.0.1:6543/ui"
    yield f"# then open {opened}" + (" and sign in with the key" if database == "postgresql" else "")


def _command(name: str, scripts: Path) -> str:
    """Return the name of a script if a shell finds the one beside this script by it, else its path."""
    found = shutil.which(name)
    own = scripts / name
    return name if found is not None and Path(found).resolve() == own.resolve() else shlex.quote(str(own))
