"""Which view answers which path and method, and what one must be allowed to get there."""

from collections.abc import Callable, Iterable

from pyramid.config import Configurator
from pyramid.events import NewRequest
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from paymentagg.domain.access import Permission
from paymentagg.domain.text import INVALID_TEXT
from paymentagg.entrypoints.http import auditing, concurrency, health, openapi, problems, responses, security, views
from paymentagg.entrypoints.http.errors import MethodNotAllowed, NotFound
from paymentagg.entrypoints.http.request import Request

View = Callable[[Request], Response]

# An external id may hold slashes, which arrive decoded.
ROUTES: dict[str, dict[str, tuple[View, str]]] = {
    "/patients": {"GET": (views.list_patients, Permission.READ), "POST": (views.sync_patients, Permission.SYNC)},
    "/patients/{externalId:.+}": {"GET": (views.get_patient, Permission.READ)},
    "/payments": {"GET": (views.list_payments, Permission.READ), "POST": (views.sync_payments, Permission.SYNC)},
    "/snapshot": {"POST": (views.sync_both, Permission.SYNC)},
    "/syncs": {"GET": (views.list_syncs, Permission.READ_SYNCS)},
    "/syncs/{id}": {"GET": (views.get_sync, Permission.READ_SYNCS)},
    "/openapi.json": {"GET": (openapi.serve, Permission.ENTER)},
    "/health/live": {"GET": (health.live, NO_PERMISSION_REQUIRED)},
    "/health/ready": {"GET": (health.ready, NO_PERMISSION_REQUIRED)},
}

OPEN = {
    path
    for path, methods in ROUTES.items()
    if all(permission is NO_PERMISSION_REQUIRED for _, permission in methods.values())
}
"""The paths, none of them a pattern, that nobody needs a key for."""


def includeme(config: Configurator) -> None:
    """Add the API: its routes, the answers to all errors and what goes into the audit log."""
    config.set_request_factory(Request)
    config.include(auditing)
    config.include(problems)
    config.include(responses)
    config.include(security)
    config.include(concurrency)
    config.add_subscriber(enter, NewRequest)
    for path, methods in ROUTES.items():
        config.add_route(path, path)
        for method, (view, permission) in methods.items():
            config.add_view(view, route_name=path, request_method=method, permission=permission)
        lowest = NO_PERMISSION_REQUIRED if path in OPEN else Permission.ENTER
        config.add_view(_refusal(methods), route_name=path, permission=lowest)


def enter(event: NewRequest) -> None:
    """Ask who is there, before anything else is looked at, and then whether the path can be one.

    Raises:
        PaymentAggError: why the request is refused.
        NotFound: the path has control characters. Nothing is there, and a pattern would pass over a newline at the end.
    """
    if event.request.environ["PATH_INFO"] not in OPEN:
        _ = event.request.principal
    if INVALID_TEXT.search(event.request.path_info):
        raise NotFound


def _refusal(methods: Iterable[str]) -> View:
    """Return the view for all methods but these."""
    allowed = sorted([*methods, "HEAD"] if "GET" in methods else methods)

    def refuse(_request: Request) -> Response:
        raise MethodNotAllowed(allowed)

    return refuse
