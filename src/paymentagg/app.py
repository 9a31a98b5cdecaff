"""The composition root: the only module that imports both the entry points and the adapters."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paymentagg.adapters import audit_file
from paymentagg.adapters.sql.urls import replica_url
from paymentagg.adapters.sql.wiring import SqlDatabase, database_url
from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.application import CONSOLE, Application
from paymentagg.entrypoints.json_log import use_json
from paymentagg.entrypoints.safe_traceback import print_in_one_line
from paymentagg.entrypoints.settings import LogFormat, Practices, read_settings


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
    if application.settings.log is LogFormat.JSON:
        use_json()
    from pyramid.config import Configurator  # imported late: it takes as long as a short run of a console script

    from paymentagg.entrypoints.http import routes
    from paymentagg.entrypoints.pages import routes as pages

    with Configurator(settings=ini) as config:
        routes.add(config, application)
        pages.add(config, application)
        application.database.prepare()
        return config.make_wsgi_app()


def build(ini: Mapping[str, str]) -> Application:
    """Return the application of the settings in an ini file and the environment. Its database isn't prepared yet.

    Raises:
        InvalidParameter: a setting is unknown or invalid.
        StorageUnavailable: the SQLite library is too old.
    """
    settings = read_settings(ini, os.environ)
    url = database_url(ini)
    is_many = settings.practices is Practices.MANY
    if is_many and url.get_backend_name() == "sqlite":
        reason = "many needs PostgreSQL, which has a schema for each; set sqlalchemy.url or PAYMENTAGG_DATABASE_URL"
        raise InvalidParameter("paymentagg.practices", reason)
    read_url = replica_url("paymentagg.read_url", settings.read_url, url)
    database = SqlDatabase(url, many=is_many, read_url=read_url)
    if settings.audit_file and Path(settings.audit_file).resolve() in database.files:
        raise InvalidParameter("paymentagg.audit_file", "names a file of the database; name another one")
    return Application(settings, audit_file.open_auditor(settings.audit_file), database)
