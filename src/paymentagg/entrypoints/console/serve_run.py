"""Runs paymentagg-serve. Pyramid and waitress are imported by what the ini file names, not here."""

import configparser

from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.application import LISTEN
from paymentagg.entrypoints.console import exit_codes
from paymentagg.entrypoints.console.ini_application import loader_of

_SERVERS = ("egg:paymentagg", "egg:paymentagg#main")


def run(ini: str, listen: str | None) -> int:
    """Serve the application of the ini file until a signal arrives, and return the exit status.

    Args:
        listen: the address to listen on, instead of that of the ini file.

    Raises:
        InvalidParameter: the ini file can't be used, a setting is invalid, or the address is taken.
        StorageUnavailable: the database can't be used.
    """
    loader = loader_of(ini)
    if loader.get_settings("server:main").get("use") not in _SERVERS:
        reason = "its [server:main] must have use = egg:paymentagg; other servers are started by pserve"
        raise InvalidParameter("argument -c/--config", f"{ini}: {reason}")
    try:
        loader.setup_logging()
    except (configparser.Error, AttributeError, ImportError, LookupError, OSError, TypeError, ValueError) as error:
        reason = f"its settings of logging can't be used: {type(error).__name__}"
        raise InvalidParameter("argument -c/--config", f"{ini}: {reason}") from error
    application = loader.get_wsgi_app()
    serve = loader.get_wsgi_server("main", defaults={} if listen is None else {LISTEN: listen})
    serve(application)
    return exit_codes.DONE
