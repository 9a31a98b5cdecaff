"""Who uses a browser: the cookie with its token, the session that the token opens, and the tokens of forms.

Where there are many practices, the cookie of a session names its practice before the token, to look it up there.

The cookie is there before anybody signs in, with a token that opens nothing: forms need one to be bound to.
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime

from pyramid.response import Response

from paymentagg.domain import sessions
from paymentagg.domain.access import Principal
from paymentagg.domain.api_keys import EndedKey, KeyState
from paymentagg.domain.errors import Forbidden
from paymentagg.domain.practices import is_name
from paymentagg.entrypoints.http.errors import Unauthorized
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.security import KeyAuthenticator

COOKIE = "paymentagg_session"
FORM_TOKEN = "token"  # noqa: S105  the name of a field
ROOT = "/ui"
"""The path of all pages."""

Authenticate = Callable[[Request], Principal]


def is_page(path: str) -> bool:
    """Return whether a path is that of a page."""
    return path == ROOT or path.startswith(f"{ROOT}/")


class PageAuthenticator:
    """Authenticates pages by the session in the cookie, and everything else as before.

    Where no keys are asked for, pages need no session either.
    """

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    def __call__(self, request: Request) -> Principal:
        """Return the principal of the request.

        Raises:
            Unauthorized: the page was asked for without a session, or with one that has ended.
            PaymentAggError: the client isn't authenticated.
        """
        keys = self._authenticate
        if not isinstance(keys, KeyAuthenticator) or not is_page(request.environ["PATH_INFO"]):
            return keys(request)
        (practice, token), now = _sent(request), datetime.now(UTC)
        if token is None or (practice is not None) != request.has_many_practices:
            raise Unauthorized
        found = request.find_session(practice, sessions.digest_of(token))
        if found is not None:
            request.practice = practice
            session, key = found
            principal = sessions.opened(session, key, now)
            if principal is not None:
                keys.note_use(request, key, now)
                return principal
            if key.state(now) is not KeyState.LIVE:
                request.ended_key = EndedKey(key.id, key.state(now))
        raise Unauthorized


def token_of(request: Request) -> str:
    """Return the token in the cookie; if it has none, that of the cookie which the response will set."""
    token: str | None = request.environ.get(COOKIE) or _sent(request)[1]
    if token is None:
        token = renew_token(request)
    return token


def renew_token(request: Request) -> str:
    """Return a new token, and set it with the response."""
    token = sessions.new_token()
    request.environ[COOKIE] = token
    request.add_response_callback(_set_cookie)
    return token


def forget_token(request: Request) -> None:
    """Make the browser forget its token with the response."""
    request.environ[COOKIE] = ""
    request.add_response_callback(_set_cookie)


def owner_of(request: Request) -> str:
    """Return the text under which the work of this browser is kept: the digest of its token."""
    return sessions.digest_of(token_of(request))


def form_token(request: Request) -> str:
    """Return the token for the forms of a page, which another site can't know.

    It is derived from that of the cookie, so nothing has to be stored (OWASP's signed double-submit cookie).
    """
    return hashlib.sha256(f"form {token_of(request)}".encode()).hexdigest()


def check_form(request: Request, sent: str | None) -> None:
    """Check the token that a form has sent.

    Raises:
        Forbidden: it isn't that of this browser, or has ended with the session.
    """
    if not hmac.compare_digest((sent or "").encode(), form_token(request).encode()):
        raise Forbidden("this form is out of date, and nothing was changed; open the page again and repeat it")


def _sent(request: Request) -> tuple[str | None, str | None]:
    """Return the practice and the token in the cookie. Before anybody signs in it names no practice."""
    practice, dot, token = request.cookies.get(COOKIE, "").rpartition(".")
    if not sessions.is_token(token) or (dot and not is_name(practice)):
        return None, None
    return (practice if dot else None), token


def _set_cookie(request: Request, response: Response) -> None:
    token = request.environ[COOKIE]
    name = f"{request.practice}." if token and request.practice is not None else ""
    response.set_cookie(
        COOKIE,
        f"{name}{token}" or None,
        max_age=sessions.LIFETIME if token else 0,
        path=ROOT,
        secure=request.scheme == "https",
        httponly=True,
        samesite="Strict",
    )
