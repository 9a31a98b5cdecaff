"""The composition root: the only module that imports both the entry points and the adapters."""

import os
from collections.abc import Mapping
from typing import Any

from paymentagg.adapters import audit_file
from paymentagg.adapters.sql.wiring import SqlDatabase, database_url
from paymentagg.entrypoints.application import CONSOLE, Application
from paymentagg.entrypoints.safe_traceback import print_in_one_line
from paymentagg.entrypoints.settings import read_settings


def main(global_config: dict[str, str], **ini: Any) -> Any:  # Pyramid has no types
    """Return the WSGI application; ``ini`` is the ``[app:main]`` section.

    For a console script, which sets ``CONSOLE`` in the global configuration, return what ``build`` returns.

    Raises:
        InvalidParameter: a setting is unknown or invalid.
        StorageUnavailable: the SQLite file can't be created.
    """
    if CONSOLE in global_config:
        return build(ini)
    print_in_one_line()  # whichever server this is
    application = build(ini)
    from pyramid.config import Configurator  # imported late: it takes as long as a short run of a console script

    from paymentagg.entrypoints.http import routes

    with Configurator(settings=ini) as config:
        routes.add(config, application)
        application.database.prepare()
        return config.make_wsgi_app()


def build(ini: Mapping[str, str]) -> Application:
    """Return the application of the settings in an ini file and the environment. Its database isn't prepared yet.

    Raises:
        InvalidParameter: a setting is unknown or invalid.
        StorageUnavailable: the SQLite library is too old.
    """
    settings = read_settings(ini, os.environ)
    return Application(settings, audit_file.open_auditor(settings.audit_file), SqlDatabase(database_url(ini)))
