"""The composition root: the only module that imports both the entry points and the adapters."""

from typing import Any

from pyramid.config import Configurator
from pyramid.router import Router

from paymentagg.adapters import audit_file
from paymentagg.adapters.sql import wiring
from paymentagg.entrypoints import settings
from paymentagg.entrypoints.http import routes


def main(global_config: dict[str, str], **ini: Any) -> Router:
    """Return the WSGI application; ``ini`` is the ``[app:main]`` section.

    Raises:
        InvalidParameter: a setting is unknown or invalid.
        StorageUnavailable: the SQLite file can't be created.
    """
    with Configurator(settings=ini) as config:
        config.include(settings)
        config.include(audit_file)
        config.include(wiring)
        config.include(routes)
        if settings.UNPREPARED not in global_config:
            config.registry.database.prepare()
        return config.make_wsgi_app()
