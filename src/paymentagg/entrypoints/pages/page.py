"""A page: its template in the frame that all pages have, with the headers that let a browser show it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from pyramid.config import Configurator
from pyramid.renderers import render
from pyramid.response import Response

from paymentagg.domain.access import Permission, Principal
from paymentagg.domain.statistics import SyncFigures
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.pages import wording
from paymentagg.entrypoints.pages.assets import ASSETS
from paymentagg.entrypoints.pages.browser_sessions import form_token, is_page
from paymentagg.entrypoints.pages.change_rows import ChangeRow, Difference, patients_of, row_of

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy of pages: a browser loads and sends nothing but from and to this server."""

_SECTIONS = (
    ("Overview", "/ui", Permission.READ),
    ("Patients", "/ui/patients", Permission.READ),
    ("Syncs", "/ui/syncs", Permission.READ_SYNCS),
    ("Upload", "/ui/upload", Permission.PREVIEW),
)
_LATE_HOURS = 24
"""A practice syncs every night: if the last sync is older, the frame points at it."""


class Section(msgspec.Struct, frozen=True):
    """An entry of the navigation."""

    title: str
    path: str
    is_current: bool


class Frame(msgspec.Struct, frozen=True):
    """What surrounds the content of a page. An error page has no sections, since it may not read the database."""

    assets: dict[str, str]
    now: datetime
    sections: list[Section]
    principal: Principal | None
    practice: str | None
    last_sync: SyncFigures | None
    form_token: str

    @property
    def is_late(self) -> bool:
        """Whether the last sync is older than a day."""
        return self.last_sync is None or (self.now - self.last_sync.finished_at).total_seconds() > _LATE_HOURS * 3600


def includeme(config: Configurator) -> None:
    """Set up Jinja: what is written into a page is escaped, and a name that is missing is an error."""
    config.add_settings(
        {
            "jinja2.trim_blocks": True,
            "jinja2.lstrip_blocks": True,
            "jinja2.undefined": "strict",
            "jinja2.filters": {
                name: getattr(wording, name) for name in ("amount", "clock", "ago", "count", "day", "sentence", "size")
            },
        }
    )
    config.include("pyramid_jinja2")


def page(request: Request, template: str, *, status: int = 200, **content: Any) -> Response:
    """Return a page for a client who is let in; ``content`` are the variables of the template.

    If ``content`` has no ``last_sync``, it is read.
    """
    principal = request.principal
    last_sync = content.pop("last_sync", None)
    if last_sync is None:
        last_sync = next(iter(request.statistics.latest(1, by=principal.syncs_of).items), None)
    path = request.path_info
    sections = [
        Section(title, place, path == place or (place != "/ui" and path.startswith(f"{place}/")))
        for title, place, permission in _SECTIONS
        if principal.may(permission)
    ]
    return _rendered(request, template, status, sections, principal, last_sync, content)


def bare_page(request: Request, template: str, *, status: int, **content: Any) -> Response:
    """Return a page for anybody, made without the database."""
    return _rendered(request, template, status, [], None, None, content)


def change_rows(request: Request, differences: Sequence[Difference]) -> list[ChangeRow]:
    """Return changes as rows with the names of their patients."""
    owners = patients_of(differences)
    names = request.patients.names(owners) if owners else {}
    return [row_of(difference, names) for difference in differences]


def wants_page(request: Request) -> bool:
    """Return whether an error is to be shown as a page."""
    return is_page(request.environ.get("PATH_INFO", ""))


def _rendered(
    request: Request,
    template: str,
    status: int,
    sections: list[Section],
    principal: Principal | None,
    last_sync: SyncFigures | None,
    content: dict[str, Any],
) -> Response:
    paths = {name: asset.path for name, asset in ASSETS.items()}
    frame = Frame(paths, datetime.now(UTC), sections, principal, request.practice, last_sync, form_token(request))
    text = render(f"{__package__}:templates/{template}", {"frame": frame, **content}, request)
    response = Response(text=text, status=status, content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    # With "no-referrer", browsers send "Origin: null" with forms, as if they came from another site.
    response.headers["Referrer-Policy"] = "same-origin"
    return response
