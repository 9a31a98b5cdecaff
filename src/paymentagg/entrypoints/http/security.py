"""Who is asking, and whether they may: the one security policy.

Everyone is asked first, before a path, a parameter or a body is looked at, so an outsider learns nothing.
"""

import ipaddress
import re
from datetime import UTC, datetime

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.response import Response
from pyramid.security import Allowed, Denied

from paymentagg.domain import api_keys
from paymentagg.domain.access import LOCAL_ADMIN, Principal, roles_with
from paymentagg.domain.errors import Forbidden
from paymentagg.entrypoints.http.errors import TooManyRequests, Unauthorized
from paymentagg.entrypoints.http.problems import problem_response
from paymentagg.entrypoints.http.rate_limit import Limiter
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.settings import Access

CLOSED = "closed"
"""The permission of a view that names none: nobody has it."""

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def includeme(config: Configurator) -> None:
    """Set the policy that the setting ``paymentagg.access`` asks for, and close every view that names no permission."""
    access = config.registry.paymentagg_settings.access
    config.registry.authenticate = by_peer if access is Access.LOCAL else ByKey(Limiter())
    config.set_security_policy(Policy())
    config.set_default_permission(CLOSED)
    config.add_forbidden_view(forbidden)


def forbidden(error: HTTPForbidden, request: Request) -> Response:
    """Answer who lacks the permission, in the words of the policy."""
    return problem_response(Forbidden(error.result.msg), request)


class Policy:
    """Pyramid's questions, answered by the principal."""

    def identity(self, request: Request) -> Principal | None:
        return request.admission if isinstance(request.admission, Principal) else None

    def authenticated_userid(self, request: Request) -> str | None:
        principal = self.identity(request)
        return None if principal is None else principal.key_id

    def permits(self, request: Request, _context: object, permission: str) -> Allowed | Denied:
        principal = self.identity(request)
        if principal is not None and principal.may(permission):
            return Allowed("the role may")
        return Denied("this takes a key of the role %s", " or ".join(roles_with(permission)) or "that nobody has")


def by_peer(request: Request) -> Principal:
    """Return the admin of this machine.

    Raises:
        Forbidden: the request comes from another one, or from a page of another site in a browser on this one.
    """
    if not _is_here(request.remote_addr):
        raise Forbidden(
            "only this machine is served without keys; to serve others, set paymentagg.access = keys, "
            "and create their keys with paymentagg-keys"
        )
    if request.headers.get("Origin", request.host_url) != request.host_url:
        raise Forbidden("pages of other sites are not served without keys")
    return LOCAL_ADMIN


class ByKey:
    """Asks for a key, and refuses addresses that send too many wrong ones."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def __call__(self, request: Request) -> Principal:
        """Return whose key the request brings.

        Raises:
            TooManyRequests: so many wrong keys came from this address that it isn't looked at.
            Unauthorized: there is no key, or no right one. Which of them, it doesn't say.
        """
        address = request.remote_addr or ""
        seconds = self._limiter.wait(address)
        if seconds:
            raise TooManyRequests(seconds)
        sent = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        if sent is None:
            raise Unauthorized
        token = api_keys.parse(sent[1])
        principal = None
        if token is not None:
            key_id, secret = token
            principal = api_keys.opened(request.find_key(key_id), secret, datetime.now(UTC))
        if principal is None:
            self._limiter.note(address)
            raise Unauthorized
        return principal


def _is_here(address: str | None) -> bool:
    """Return whether a peer is on this machine; on a Unix socket it has no address, or what waitress says instead."""
    if address in (None, "", "localhost"):
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
