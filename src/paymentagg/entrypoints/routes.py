"""Which view answers which path and method."""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.events import NewRequest
from pyramid.request import Request
from pyramid.response import Response

from paymentagg.domain.rows import INVALID_TEXT
from paymentagg.entrypoints import presenting, problems, views
from paymentagg.entrypoints.problems import MethodNotAllowed, NotFound

View = Callable[[Request], Response]

# An external id may hold slashes, which arrive decoded.
ROUTES: dict[str, dict[str, View]] = {
    "/patients": {"GET": views.list_patients, "POST": views.sync_patients},
    "/patients/{external_id:.+}": {"GET": views.get_patient},
    "/payments": {"GET": views.list_payments, "POST": views.sync_payments},
    "/snapshot": {"POST": views.sync_both},
    "/syncs": {"GET": views.list_syncs},
    "/syncs/{id}": {"GET": views.get_sync},
}


def includeme(config: Configurator) -> None:
    """Add the API: its routes and the answers to all errors."""
    config.include(problems)
    config.include(presenting)
    config.add_subscriber(check_path, NewRequest)
    for path, methods in ROUTES.items():
        config.add_route(path, path)
        for method, view in methods.items():
            config.add_view(view, route_name=path, request_method=method)
        config.add_view(_refusal(methods), route_name=path)


def check_path(event: NewRequest) -> None:
    """Refuse a path with control characters: nothing is there, and a pattern would pass over a newline at the end.

    Raises:
        NotFound
    """
    if INVALID_TEXT.search(event.request.path_info):
        raise NotFound


def _refusal(methods: dict[str, View]) -> View:
    """Return the view for all methods but these."""
    allowed = sorted([*methods, "HEAD"] if "GET" in methods else methods)

    def refuse(_request: Request) -> Response:
        raise MethodNotAllowed(allowed)

    return refuse
