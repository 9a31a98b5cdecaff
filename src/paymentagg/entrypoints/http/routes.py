"""The view and the permission for each path and method."""

import re
from collections.abc import Callable, Iterable

from pyramid.config import Configurator
from pyramid.events import NewRequest
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from paymentagg.domain.access import Permission
from paymentagg.domain.text import INVALID_TEXT
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.http import (
    auditing,
    concurrency,
    exposition,
    health,
    problems,
    request,
    responses,
    security,
    uploads,
)
from paymentagg.entrypoints.http.errors import MethodNotAllowed, NotFound
from paymentagg.entrypoints.http.openapi import view as openapi
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.views import history, past_syncs, statistics, stored, syncing

View = Callable[[Request], Response]

# An external id may contain slashes, which arrive decoded.
ROUTES: dict[str, dict[str, tuple[View, str]]] = {
    "/patients": {"GET": (stored.list_patients, Permission.READ), "POST": (syncing.sync_patients, Permission.SYNC)},
    "/patients/{externalId:.+}": {"GET": (stored.get_patient, Permission.READ)},
    "/payments": {"GET": (stored.list_payments, Permission.READ), "POST": (syncing.sync_payments, Permission.SYNC)},
    "/payments/{externalId:.+}": {"GET": (stored.get_payment, Permission.READ)},
    "/snapshot": {"POST": (syncing.sync_both, Permission.SYNC)},
    "/syncs": {"GET": (past_syncs.list_syncs, Permission.READ_SYNCS)},
    "/syncs/{id}": {"GET": (past_syncs.get_sync, Permission.READ_SYNCS)},
    "/syncs/{id}/changes": {"GET": (history.list_changes, Permission.READ)},
    "/syncs/{id}/rejections": {"GET": (past_syncs.list_rejections, Permission.READ_SYNCS)},
    "/history": {"GET": (history.show_history, Permission.READ)},
    "/stats": {"GET": (statistics.get_figures, Permission.READ)},
    "/stats/histogram": {"GET": (statistics.get_histogram, Permission.READ)},
    "/stats/syncs": {"GET": (statistics.get_sync_days, Permission.READ)},
    "/syncs/{id}/undo": {"POST": (syncing.undo_sync, Permission.UNDO)},
    "/openapi.json": {"GET": (openapi.serve, Permission.ENTER)},
    "/metrics": {"GET": (exposition.serve, Permission.ENTER)},
    "/health/live": {"GET": (health.live, NO_PERMISSION_REQUIRED)},
    "/health/ready": {"GET": (health.ready, NO_PERMISSION_REQUIRED)},
}

PUBLIC_PATHS = {
    path
    for path, methods in ROUTES.items()
    if all(permission is NO_PERMISSION_REQUIRED for _, permission in methods.values())
}
"""The paths that require no key; none of them is a pattern."""

_EMPTY_SEGMENT = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?+[^?#]*?//", re.IGNORECASE)
"""Matches a request target (RFC 9112, section 3.2) whose path has one as it was sent: ``%2F%2F`` is part of an id."""


def add(config: Configurator, application: Application) -> None:
    """Add the API of the application: routes, transactions, error responses, authentication and the audit log."""
    config.registry.paymentagg_settings = application.settings
    config.registry.auditor = application.auditor
    config.registry.database = application.database
    config.include(auditing)
    config.include(problems)
    config.include(request)
    config.include(responses)
    config.include(security)
    config.include(concurrency)
    config.add_subscriber(authenticate, NewRequest)
    config.add_view_deriver(uploads.refuse_body)
    config.registry.public_paths = PUBLIC_PATHS
    metrics = config.registry.metrics
    metrics.watch(lambda: metrics.set_pools(application.database.pools()))
    config.registry.open_paths = frozenset()
    for path, methods in ROUTES.items():
        config.add_route(path, path)
        for method, (view, permission) in methods.items():
            reads_body = method == "POST" and permission == Permission.SYNC
            config.add_view(view, route_name=path, request_method=method, permission=permission, reads_body=reads_body)
        lowest = NO_PERMISSION_REQUIRED if path in PUBLIC_PATHS else Permission.ENTER
        config.add_view(method_not_allowed(methods), route_name=path, permission=lowest, reads_body=True)


def authenticate(event: NewRequest) -> None:
    """Authenticate the client before anything else of the request is examined, then check the path.

    Raises:
        PaymentAggError: the client isn't authenticated, or the request names a host that isn't served.
        NotFound: the path has control characters or an empty segment. No path has; but a route's pattern would ignore a
            newline at the end, and waitress ignores all but one slash at the beginning.
    """
    registry, path = event.request.registry, event.request.environ["PATH_INFO"]
    has_empty_segment = _EMPTY_SEGMENT.match(event.request.environ.get("REQUEST_URI", ""))
    if has_empty_segment or path not in registry.public_paths:
        security.check_host(event.request)
        if has_empty_segment or path not in registry.open_paths:
            _ = event.request.principal
    if has_empty_segment or INVALID_TEXT.search(event.request.path_info):
        raise NotFound


def method_not_allowed(methods: Iterable[str]) -> View:
    """Return the view for all methods except ``methods``; it raises MethodNotAllowed."""
    allowed = sorted([*methods, "HEAD"] if "GET" in methods else methods)

    def refuse(_request: Request) -> Response:
        raise MethodNotAllowed(allowed)

    return refuse
