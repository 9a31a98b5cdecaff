"""The sign-in with an API key, and the sign-out."""

from contextlib import suppress
from datetime import UTC, datetime

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response

from paymentagg.domain import sessions
from paymentagg.domain.access import Permission, Principal
from paymentagg.domain.errors import InvalidParameter, SyncInProgress
from paymentagg.domain.text import INVALID_TEXT
from paymentagg.entrypoints.http.errors import TooManyRequests, Unauthorized
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.security import KeyAuthenticator
from paymentagg.entrypoints.pages.browser_sessions import forget_token, is_page, owner_of, renew_token
from paymentagg.entrypoints.pages.forms import read_form
from paymentagg.entrypoints.pages.page import bare_page
from paymentagg.entrypoints.pages.page_queries import split
from paymentagg.entrypoints.pages.shared import shared


def show_sign_in(request: Request) -> Response:
    """Show the form for a key; where no keys are asked for, lead to the pages."""
    asked = _asked(request)
    if not isinstance(_keys(request), KeyAuthenticator):
        return HTTPSeeOther(asked)
    return bare_page(request, "sign_in.jinja2", status=200, asked=asked, error=None)


def sign_in(request: Request) -> Response:
    """Begin a session with the key that was sent, under a new token, and lead to the page that was asked for."""
    asked, keys = _asked(request), _keys(request)
    fields = read_form(request)
    if not isinstance(keys, KeyAuthenticator):
        return HTTPSeeOther(asked)
    try:
        key = keys.live_key(request, fields.get("key", "").strip() or None)
    except (Unauthorized, TooManyRequests) as error:
        status = 401 if isinstance(error, Unauthorized) else 429
        response = bare_page(request, "sign_in.jinja2", status=status, asked=asked, error=error)
        response.problem_code = error.code  # for the audit log
        return response
    request.admit(key.principal)
    now = datetime.now(UTC)
    stored = request.database.sessions(request.tm)
    stored.prune(now)
    stored.add(sessions.issue(key, renew_token(request), now))
    return HTTPSeeOther(asked if asked != "/ui" else _first_page(key.principal))


def sign_out(request: Request) -> Response:
    """End the session, and give up what waits in it.

    While a sync runs on SQLite, the session can't be deleted: it stays until it expires, but nobody has its token.
    """
    read_form(request)
    owner = owner_of(request)
    shared(request).desk.sign_out(owner)
    with suppress(SyncInProgress):
        request.database.sessions(request.tm).remove(owner)
    forget_token(request)
    return HTTPSeeOther("/ui/sign-in")


def _keys(request: Request) -> object:
    return shared(request).authenticate


def _first_page(principal: Principal) -> str:
    return "/ui" if principal.may(Permission.READ) else "/ui/syncs"


def _asked(request: Request) -> str:
    """Return the page to lead to; never one of another site.

    Raises:
        InvalidParameter: there is another parameter.
    """
    rest, own = split(request.query_string, "next")
    if rest:
        raise InvalidParameter("next", "is the only parameter here")
    asked = own.get("next", "/ui")
    is_own = is_page(asked.partition("?")[0]) and "//" not in asked and "\\" not in asked
    return asked if is_own and not INVALID_TEXT.search(asked) else "/ui"
