"""Builds the application that an ini file configures, without Pyramid, and commits its transactions."""

import configparser
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError

from plaster import PlasterError, get_loader, parse_uri
from plaster_pastedeploy import Loader
from transaction import TransactionManager

from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.application import CONSOLE, Application


def application_of(ini: str) -> Application:
    """Return the application that the ini file configures, and log nothing. Its database isn't prepared yet.

    Raises:
        InvalidParameter: the file can't be read, a setting is invalid, or the application is another one.
    """
    # Without a handler, Python prints warnings of libraries on standard error, which is for the user.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        uri = parse_uri(ini)
        # get_loader finds the same loader, but reads the metadata of all installed packages to do so.
        loader = Loader(uri) if uri.scheme == "file+ini" else get_loader(ini, protocols=["wsgi"])
        loader.get_wsgi_app_settings()
    except configparser.InterpolationError as error:
        # Its own message quotes the value, which may be a URL with a password.
        reason = f"{error.option} in [{error.section}] can't be read: write each % as %%"
        raise InvalidParameter("argument -c/--config", f"{ini}: {reason}") from error
    except (configparser.Error, LookupError, PackageNotFoundError, PlasterError, OSError, UnicodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidParameter("argument -c/--config", f"{ini} is not a Pyramid ini file: {reason}") from error
    application = loader.get_wsgi_app(defaults={CONSOLE: "true"})
    if not isinstance(application, Application):
        reason = "its application is another one, or wrapped in a filter; name a section that uses egg:paymentagg"
        raise InvalidParameter("argument -c/--config", f"{ini}: {reason}, as FILE#SECTION")
    return application


@contextmanager
def committed(before_commit: Callable[[], None] = lambda: None) -> Iterator[TransactionManager]:
    """Run the block in a transaction: commit it, or abort it if the block raises an error or dooms it."""
    manager = TransactionManager(explicit=True)
    manager.begin()
    try:
        yield manager
        if manager.isDoomed():
            manager.abort()
        else:
            before_commit()
            manager.commit()
    except BaseException:
        with suppress(Exception):  # report the first error; a failed rollback doesn't commit anything
            manager.abort()
        raise
