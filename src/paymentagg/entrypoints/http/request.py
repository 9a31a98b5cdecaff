"""The request, as one typed class that lists everything that paymentagg adds to Pyramid's."""

import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import IRoutesMapper

from paymentagg.domain.access import Principal
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.audit_chain import Auditor
from paymentagg.domain.errors import InvalidParameter, PaymentAggError
from paymentagg.domain.ports import (
    Database,
    Export,
    PatientRepository,
    PaymentRepository,
    Reader,
    Storage,
    SyncRepository,
    TransactionManager,
)
from paymentagg.entrypoints.audit_trail import AuditTrail, Caller
from paymentagg.entrypoints.http.concurrency import Concurrency
from paymentagg.entrypoints.http.query_params import PARAMETERS, decoded_pairs
from paymentagg.entrypoints.settings import Settings

if TYPE_CHECKING:
    from pyramid.response import Response
    from webob.request import BaseRequest

    reify = property  # Pyramid's, which has no types, also keeps the value

    class PyramidRequest(BaseRequest):
        """What Pyramid, which has no types, adds to WebOb's request."""

        authenticated_userid: str | None
        matchdict: dict[str, str]
        matched_route: Any
        tm: TransactionManager

        def add_finished_callback(self, callback: Callable[[Any], object]) -> None: ...

        def invoke_exception_view(self, *, reraise: bool) -> Response: ...
else:
    from pyramid.decorator import reify
    from pyramid.request import Request as PyramidRequest

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"})
_UNKNOWN = "?"
"""Replaces names that the client invented: they could be names of patients."""


class Registry:
    """What the parts of the application set at the start, and all requests share. Pyramid's registry has these."""

    auditor: Auditor
    authenticate: "Callable[[Request], Principal]"
    concurrency: Concurrency
    database: Database
    getUtility: Callable[..., Any]  # noqa: N815  the name is that of zope.interface
    paymentagg_settings: Settings
    paymentagg_version: str


class Request(PyramidRequest):
    """A request of the API, or the one that a console script uses."""

    registry: Registry

    @reify
    def id(self) -> str:
        """An id for the logs."""
        return str(uuid.uuid4())

    @property
    def limits(self) -> Settings:
        """The settings."""
        return self.registry.paymentagg_settings

    @reify
    def admission(self) -> Principal | PaymentAggError:
        """Whose request it is, or why it is refused; found out once."""
        try:
            return self.registry.authenticate(self)
        except PaymentAggError as error:
            return error

    @property
    def principal(self) -> Principal:
        """Whose request it is.

        Raises:
            PaymentAggError: why it is refused.
        """
        if isinstance(self.admission, PaymentAggError):
            raise self.admission
        return self.admission

    @reify
    def trail(self) -> AuditTrail:
        """What goes into the audit log."""
        return AuditTrail(self.registry.auditor, self.id, self._caller)

    @reify
    def storage(self) -> Storage:
        """The store for a sync; kept when ``tm`` commits."""
        return self.registry.database.storage(self.tm)

    @property
    def patients(self) -> PatientRepository:
        """The stored patients, for reading."""
        return self._reader.patients

    @property
    def payments(self) -> PaymentRepository:
        """The stored payments, for reading."""
        return self._reader.payments

    @property
    def syncs(self) -> SyncRepository:
        """The record of past syncs."""
        return self._reader.syncs

    def find_key(self, key_id: str) -> ApiKey | None:
        """Return the API key with this public id. The read transaction ends at once: a sync must not run beside it."""
        key = self._reader.keys.get(key_id)
        self._reader.end()
        return key

    def open_export(self) -> Export:
        """Return an export of the current state."""
        return self.registry.database.export()

    def take_sync_slot(self) -> None:
        """Take one of the places for syncs until the request is done.

        Raises:
            SyncInProgress: all are taken.
        """
        self.add_finished_callback(self.registry.concurrency.take_sync_slot())

    def take_export_slot(self) -> Callable[..., None]:
        """Take one of the places for large exports; return the function that gives it back.

        Raises:
            TooManyExports: all are taken.
        """
        return self.registry.concurrency.take_export_slot()

    @reify
    def _reader(self) -> Reader:
        reader = self.registry.database.reader()
        self.add_finished_callback(lambda _: reader.close())
        return reader

    def _caller(self) -> Caller:
        method = self.method if self.method in _METHODS else _UNKNOWN
        # Not ``self.admission``: it would look up the key in the database, whose transaction is over by now.
        admission = vars(self).get("admission")
        key, role = (admission.key_id, admission.role) if isinstance(admission, Principal) else (None, None)
        return Caller(key, role, self.remote_addr, method, self._route(), _names(self.query_string))

    def _route(self) -> str | None:
        """Return the pattern of the path, None if none matches; a request refused before routing is matched here."""
        try:
            route = self.matched_route or self.registry.getUtility(IRoutesMapper)(self)["route"]
        except UnicodeDecodeError:
            return None
        return None if route is None else re.sub(":[^{}]*}", "}", route.pattern)


def _names(query_string: str) -> list[str]:
    """Return the names of the known parameters, sorted; ``?`` for all others."""
    try:
        sent = {name for name, _ in decoded_pairs(query_string)}
    except InvalidParameter:
        return [_UNKNOWN]
    return sorted({name if name in PARAMETERS else _UNKNOWN for name in sent})
