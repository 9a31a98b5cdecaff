"""Authentication and authorisation of all requests.

Clients are authenticated before a path, a parameter or a body is examined, so a client without a key learns nothing.
"""

import ipaddress
import logging
import re
from datetime import UTC, datetime, timedelta

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.response import Response
from pyramid.security import Allowed, Denied

from paymentagg.domain import api_keys
from paymentagg.domain.access import LOCAL_ADMIN, Principal, roles_with
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.errors import Forbidden, PaymentAggError, SyncInProgress
from paymentagg.entrypoints.http import rate_limit
from paymentagg.entrypoints.http.errors import TooManyRequests, Unauthorized
from paymentagg.entrypoints.http.problems import problem_response
from paymentagg.entrypoints.http.rate_limit import Limiter
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.settings import Access

log = logging.getLogger(__name__)

NO_ONE = "closed"
"""The default permission of views; no role has it."""

RETRY = timedelta(minutes=1)
"""How long after an attempt to store the use of a key, or a failure to count a wrong one, the next one may follow."""

_PORT = re.compile(r":[0-9]*\Z")
_PROXY_HEADERS = ("HTTP_FORWARDED", "HTTP_VIA")
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def includeme(config: Configurator) -> None:
    """Set the policy for ``paymentagg.access``, and deny access to every view that names no permission."""
    access = config.registry.paymentagg_settings.access
    limiter, metrics = Limiter(), config.registry.metrics
    metrics.watch(lambda: metrics.limited_addresses.set(limiter.limited()))
    config.registry.authenticate = authenticate_local if access is Access.LOCAL else KeyAuthenticator(limiter)
    config.set_security_policy(Policy())
    config.set_default_permission(NO_ONE)
    config.add_forbidden_view(forbidden)


def check_host(request: Request) -> None:
    """Check that the request names a host of the settings: links in responses repeat it.

    Without keys this also stops DNS rebinding, in which a web site makes its own name point to this machine. Requests
    without a ``Host``, which HTTP/1.0 allows, pass: no browser sends them.

    Raises:
        Forbidden: it names another host.
    """
    hosts, named = request.limits.hosts, request.environ.get("HTTP_HOST")
    if hosts and named is not None and _PORT.sub("", named.lower()) not in hosts:
        raise Forbidden("this host name isn't served; add it to the setting paymentagg.hosts")


def forbidden(error: HTTPForbidden, request: Request) -> Response:
    """Return the problem for a client without the permission, with the policy's message."""
    return problem_response(Forbidden(error.result.msg), request)


class Policy:
    """Pyramid's security policy, based on the request's principal."""

    def identity(self, request: Request) -> Principal | None:
        """Return the authenticated client, if any."""
        return request.admission if isinstance(request.admission, Principal) else None

    def authenticated_userid(self, request: Request) -> str | None:
        """Return the public id of the client's API key, if any."""
        principal = self.identity(request)
        return None if principal is None else principal.key_id

    def permits(self, request: Request, _context: object, permission: str) -> Allowed | Denied:
        """Return whether the client has the permission; if not, with the roles that have it."""
        principal = self.identity(request)
        if principal is not None and principal.may(permission):
            return Allowed("the role has this permission")
        return Denied(
            "this requires a key with the role %s", " or ".join(roles_with(permission)) or "(none has access)"
        )


def authenticate_local(request: Request) -> Principal:
    """Return the local admin, without a key.

    Raises:
        Forbidden: the request comes from another machine, through a proxy, or from another site's page in a browser on
            this machine.
    """
    if not _is_local(request.remote_addr):
        raise Forbidden(
            "without keys only this machine has access; for others, set paymentagg.access = keys "
            "and create keys with paymentagg-keys"
        )
    if any(name in _PROXY_HEADERS or name.startswith("HTTP_X_FORWARDED_") for name in request.environ):
        raise Forbidden(
            "behind a proxy all clients look local; set paymentagg.access = keys and create keys with paymentagg-keys"
        )
    is_cross_site = request.headers.get("Sec-Fetch-Site", "").strip().lower() == "cross-site"
    if is_cross_site or request.headers.get("Origin", request.host_url) != request.host_url:
        raise Forbidden("without keys, pages of other sites have no access; open the page from this server")
    return LOCAL_ADMIN


class KeyAuthenticator:
    """Authenticates clients by API keys, and refuses addresses that send too many wrong keys.

    Wrong keys are counted in the database, for all processes and all practices together. If it can't be written, and
    for a text that no key can have, only this process counts: no such key can be right.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        # When to note the use of a key at the earliest, by its practice, if there are many, and its public id.
        self._next_try: dict[tuple[str | None, str], datetime] = {}
        self._next_count: datetime | None = None  # after a failure

    def __call__(self, request: Request) -> Principal:
        """Return the principal of the key in the request's header; errors are those of ``live_key``."""
        sent = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        return self.live_key(request, None if sent is None else sent[1]).principal

    def live_key(self, request: Request, text: str | None) -> ApiKey:
        """Return the live key that the request has sent as this text; None if it has sent none.

        Raises:
            TooManyRequests: the key is missing or invalid, and the address has sent too many wrong keys.
            Unauthorized: the key is missing or invalid.
        """
        token = None if text is None else api_keys.parse(text)
        if token is not None and (token.practice is not None) == request.has_many_practices:
            key, now = request.find_key(token.practice, token.key_id), datetime.now(UTC)
            found = api_keys.opened(key, token.secret, now)
            if found is not None:
                request.practice = token.practice
            if key is not None and isinstance(found, Principal):
                self.note_use(request, key, now)
                return key  # even if others behind the same address send wrong keys
            request.ended_key = found if isinstance(found, api_keys.EndedKey) else None
        address = request.remote_addr or ""
        seconds = self._limiter.wait(address)
        if seconds:
            request.registry.metrics.refused_by_limit.inc()
            raise TooManyRequests(seconds)
        if text is not None:
            self._limiter.note(address)
        if token is not None and (token.practice is not None) == request.has_many_practices:
            self._count(request, address)
        raise Unauthorized

    def _count(self, request: Request, address: str) -> None:
        """Count a wrong key in the database too. If that fails, the count of this process goes on alone.

        Raises:
            TooManyRequests: the address has sent too many to all processes together.
        """
        now = datetime.now(UTC)
        if self._next_count is not None and now < self._next_count:
            return
        try:
            window = timedelta(seconds=rate_limit.WINDOW)
            shared = request.registry.database.count_wrong_key(address, now, window)
        except SyncInProgress:
            return  # SQLite has one writer
        except Exception as error:  # noqa: BLE001  the answer needs none of this
            self._next_count = now + RETRY
            log.warning("wrong keys can't be counted for all processes: %s", _reason(error))
            return
        self._limiter.take_over(address, shared.wrong, (now - shared.began).total_seconds())
        if shared.wrong > rate_limit.WRONG_KEYS:
            request.registry.metrics.refused_by_limit.inc()
            raise TooManyRequests(max(1, self._limiter.wait(address)))

    def note_use(self, request: Request, key: ApiKey, now: datetime) -> None:
        """Store that a key is used, at most once in its interval. If that fails, the request goes on all the same."""
        is_fresh = key.last_used is not None and now < key.last_used + api_keys.USE_INTERVAL
        known = (request.practice, key.id)
        if is_fresh or now < self._next_try.get(known, now):
            return
        self._next_try[known] = now + RETRY
        try:
            request.database.note_use(key.id, now)
        except SyncInProgress:
            pass  # SQLite has one writer
        except Exception as error:  # noqa: BLE001  # the request needs none of this
            log.warning("the use of key %s can't be noted: %s", key.id, _reason(error))


def _reason(error: Exception) -> str:
    """Return what a log may say about an error."""
    return str(error) if isinstance(error, PaymentAggError) else type(error).__name__


def _is_local(address: str | None) -> bool:
    """Return whether a peer is on this machine; on a Unix socket it has no address, or waitress's ``localhost``."""
    if address in (None, "", "localhost"):
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
