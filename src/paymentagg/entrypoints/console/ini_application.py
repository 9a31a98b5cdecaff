"""Builds the application that an ini file configures, without Pyramid."""

import configparser
import logging
import os
from importlib.metadata import PackageNotFoundError

import msgspec
from plaster import PlasterError, get_loader, parse_uri
from plaster_pastedeploy import Loader

from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.practices import checked_name
from paymentagg.entrypoints.application import CONSOLE, Application
from paymentagg.entrypoints.settings import Practices

PRACTICE = "PAYMENTAGG_PRACTICE"
"""The environment variable with the practice that a console script works for."""


def practice_application(ini: str, practice: str | None) -> Application:
    """Return the application that the ini file configures, with the database of one practice; see ``application_of``.

    Args:
        practice: the practice that the command line names, if any; else it is that of the environment.

    Raises:
        InvalidParameter: also if there are many practices and none is named, or the other way round.
    """
    application = application_of(ini)
    source, name = "argument --practice", practice
    if name is None:
        source, name = PRACTICE, os.environ.get(PRACTICE)
    if application.settings.practices is Practices.ONE:
        if name:
            reason = "there is only one practice, which has no name; leave it out, or set paymentagg.practices = many"
            raise InvalidParameter(source, reason)
        return application
    if not name:
        reason = f"name one, here or in the environment as {PRACTICE}: there are many practices"
        raise InvalidParameter("argument --practice", reason)
    name = checked_name(source, name)
    return msgspec.structs.replace(application, database=application.database.of(name), practice=name)


def application_of(ini: str) -> Application:
    """Return the application that the ini file configures, and log nothing. Its database isn't prepared yet.

    Raises:
        InvalidParameter: the file can't be read, a setting is invalid, or the application is another one.
    """
    # Without a handler, Python prints warnings of libraries on standard error, which is for the user.
    logging.getLogger().addHandler(logging.NullHandler())
    loader = loader_of(ini)
    application = loader.get_wsgi_app(defaults={CONSOLE: "true"})
    if not isinstance(application, Application):
        reason = "its application is another one, or wrapped in a filter; name a section that uses egg:paymentagg"
        raise InvalidParameter("argument -c/--config", f"{ini}: {reason}, as FILE#SECTION")
    return application


def loader_of(ini: str) -> Loader:
    """Return what loads the application and the server of the ini file.

    Raises:
        InvalidParameter: the file can't be read, or names no application.
    """
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
    return loader
