"""The view and the permission for each page and method."""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from paymentagg.domain.access import Permission
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.http.errors import NotFound
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import JSON, accepted
from paymentagg.entrypoints.http.routes import method_not_allowed
from paymentagg.entrypoints.pages import assets, error_pages, page
from paymentagg.entrypoints.pages.browser_sessions import PageAuthenticator
from paymentagg.entrypoints.pages.kept_figures import KeptFigures
from paymentagg.entrypoints.pages.shared import Shared
from paymentagg.entrypoints.pages.views import overview, patients, sign_in, syncs, upload
from paymentagg.entrypoints.pages.work.desk import Desk

View = Callable[[Request], Response]

SIGN_IN = "/ui/sign-in"

PAGES: dict[str, dict[str, tuple[View, str]]] = {
    "/ui": {"GET": (overview.show_overview, Permission.READ)},
    "/ui/patients": {"GET": (patients.list_patients, Permission.READ)},
    "/ui/patients/{externalId:.+}": {"GET": (patients.show_patient, Permission.READ)},
    "/ui/syncs": {"GET": (syncs.list_syncs, Permission.READ_SYNCS)},
    "/ui/syncs/{id}": {"GET": (syncs.show_sync, Permission.READ_SYNCS)},
    "/ui/syncs/{id}/undo": {"GET": (upload.show_undo, Permission.UNDO), "POST": (upload.undo, Permission.UNDO)},
    "/ui/syncs/{id}/undo/apply": {"POST": (upload.apply_undo, Permission.UNDO)},
    "/ui/syncs/{id}/undo/cancel": {"POST": (upload.cancel_undo, Permission.UNDO)},
    "/ui/upload": {"GET": (upload.show_upload, Permission.PREVIEW), "POST": (upload.upload, Permission.PREVIEW)},
    "/ui/upload/preview": {"POST": (upload.preview_again, Permission.PREVIEW)},
    "/ui/upload/apply": {"POST": (upload.apply_upload, Permission.PREVIEW)},
    "/ui/upload/cancel": {"POST": (upload.cancel, Permission.PREVIEW)},
    "/ui/sign-out": {"POST": (sign_in.sign_out, Permission.ENTER)},
    SIGN_IN: {
        "GET": (sign_in.show_sign_in, NO_PERMISSION_REQUIRED),
        "POST": (sign_in.sign_in, NO_PERMISSION_REQUIRED),
    },
}


def add(config: Configurator, application: Application) -> None:
    """Add the pages to the API of the application: sessions, errors as pages, files, and the work in the background."""
    registry = config.registry
    desk = Desk(application, registry.concurrency.take_sync_slot, count=registry.metrics.synced)
    registry.metrics.watch(lambda: registry.metrics.waiting_uploads.set(desk.waiting()))
    registry.pages = Shared(registry.authenticate, desk, KeptFigures())
    registry.authenticate = PageAuthenticator(registry.authenticate)
    registry.public_paths = registry.public_paths | assets.PATHS
    registry.open_paths = frozenset({"/", SIGN_IN})
    config.include(page)
    config.include(error_pages)
    config.include(assets)
    for path, methods in PAGES.items():
        config.add_route(path, path)
        for method, (view, permission) in methods.items():
            config.add_view(
                view, route_name=path, request_method=method, permission=permission, reads_body=method == "POST"
            )
        lowest = NO_PERMISSION_REQUIRED if path == SIGN_IN else Permission.ENTER
        config.add_view(method_not_allowed(methods), route_name=path, permission=lowest, reads_body=True)
    config.add_route("/", "/")
    config.add_view(lead_browsers, route_name="/", permission=NO_PERMISSION_REQUIRED, reads_body=True)


def lead_browsers(request: Request) -> Response:
    """Lead a browser to the pages; to programs there is nothing here.

    Raises:
        NotFound: the client doesn't prefer HTML, which programs don't ask for.
        PaymentAggError: nor is it authenticated.
    """
    is_read = request.method in ("GET", "HEAD")
    if (
        is_read
        and "text/html" in request.headers.get("Accept", "")
        and accepted(request, "text/html", JSON) == "text/html"
    ):
        return HTTPSeeOther("/ui")
    _ = request.principal
    raise NotFound
