"""The request class, with everything that paymentagg adds to Pyramid's."""

import re
import uuid
from collections.abc import Callable, Set
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from pyramid.config import Configurator
from pyramid.interfaces import IRoutesMapper
from pyramid.tweens import EXCVIEW
from transaction import TransactionManager as Transactions

from paymentagg.domain.access import Principal
from paymentagg.domain.api_keys import ApiKey, EndedKey
from paymentagg.domain.audit_chain import Auditor
from paymentagg.domain.errors import InvalidParameter, PaymentAggError
from paymentagg.domain.ports import (
    Database,
    Export,
    HistoryRepository,
    PatientRepository,
    PaymentRepository,
    Reader,
    StatisticsRepository,
    Storage,
    SyncRepository,
    TransactionManager,
)
from paymentagg.entrypoints.audit_trail import AuditTrail, Caller
from paymentagg.entrypoints.http.concurrency import Concurrency
from paymentagg.entrypoints.http.parameters.query_string import decoded_pairs
from paymentagg.entrypoints.http.parameters.schemas import PARAMETERS
from paymentagg.entrypoints.refusals import Refusals
from paymentagg.entrypoints.settings import Settings

if TYPE_CHECKING:
    from pyramid.response import Response
    from webob.request import BaseRequest

    reify = property  # Pyramid's, which has no types, also caches the value

    class PyramidRequest(BaseRequest):
        """Types for Pyramid's additions to WebOb's request; Pyramid itself has none."""

        authenticated_userid: str | None
        matchdict: dict[str, str]
        matched_route: Any

        def add_finished_callback(self, callback: Callable[[Any], object]) -> None:
            """Call this with the request when it is done."""

        def invoke_exception_view(self, *, reraise: bool) -> Response:
            """Return the response of the view for the current exception; raise it again if there is none."""
else:
    from pyramid.decorator import reify
    from pyramid.request import Request as PyramidRequest

PREFLIGHT = "paymentagg.preflight"
"""The key in the WSGI environ of a request whose body hasn't been received: the response says whether it would be
refused without its body. Any status below 400 means that it isn't; nothing is changed."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"})
_UNKNOWN = "?"
"""Replaces unknown methods and parameters in the audit log: they could contain patients' names."""


def includeme(config: Configurator) -> None:
    """Commit what a request writes, and roll back if its response has an error status, even if a view returned it.

    GET and HEAD begin no transaction, since their views write nothing: what they read is one statement, or an export.
    Only pyramid_tm's tween is added: ``tm`` as it defines it would make Pyramid create a class for each request.
    """
    config.add_settings(
        {
            "tm.activate_hook": _may_write,
            "tm.commit_veto": "pyramid_tm.default_commit_veto",
            "tm.annotate_user": False,
        }
    )
    config.add_tween("pyramid_tm.tm_tween_factory", over=EXCVIEW)


class Registry:
    """The attributes that paymentagg sets on Pyramid's registry at start-up; all requests share them."""

    auditor: Auditor
    authenticate: "Callable[[Request], Principal]"
    concurrency: Concurrency
    database: Database
    getUtility: Callable[..., Any]  # noqa: N815  the name is that of zope.interface
    paymentagg_settings: Settings
    paymentagg_version: str
    public_paths: Set[str]
    refusals: Refusals


class Request(PyramidRequest):
    """A request to the API."""

    registry: Registry
    ended_key: EndedKey | None = None
    """The key that the client sent, if it is revoked or has expired: for the audit log only."""

    @reify
    def id(self) -> str:
        """A random id (UUID 4) for the logs."""
        return str(uuid.uuid4())

    @property
    def is_preflight(self) -> bool:
        """Whether the request's body hasn't been received yet; see ``PREFLIGHT``."""
        return PREFLIGHT in self.environ

    @property
    def limits(self) -> Settings:
        """The settings of the application."""
        return self.registry.paymentagg_settings

    @reify
    def admission(self) -> Principal | PaymentAggError:
        """The authenticated client, or the error that refuses it; determined once."""
        try:
            return self.registry.authenticate(self)
        except PaymentAggError as error:
            return error

    @property
    def principal(self) -> Principal:
        """The authenticated client.

        Raises:
            PaymentAggError: the client isn't authenticated.
        """
        if isinstance(self.admission, PaymentAggError):
            raise self.admission
        return self.admission

    @reify
    def trail(self) -> AuditTrail:
        """The entries of this request in the audit log."""
        return AuditTrail(self.registry.auditor, self.id, self._caller, self.registry.refusals)

    @reify
    def tm(self) -> TransactionManager:
        """The transaction manager of this request alone, never that of the thread."""
        return cast(TransactionManager, Transactions(explicit=True))

    @reify
    def storage(self) -> Storage:
        """The storage for a sync; ``tm`` commits its changes."""
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

    @property
    def history(self) -> HistoryRepository:
        """What past syncs have changed."""
        return self._reader.history

    @property
    def statistics(self) -> StatisticsRepository:
        """The figures."""
        return self._reader.statistics

    def find_key(self, key_id: str) -> ApiKey | None:
        """Return the API key with this public id, if any. A sync then holds no connection for it."""
        with closing(self._reader) as reader:
            return reader.keys.get(key_id)

    def open_export(self) -> Export:
        """Return an export of the current state; the caller closes it."""
        return self.registry.database.export()

    def take_sync_slot(self) -> None:
        """Take a slot for a sync until the request is done; before its body is received, only look for a free one.

        Raises:
            SyncInProgress: no slot is free.
        """
        concurrency = self.registry.concurrency
        if self.is_preflight:  # it takes none: a sync that has its body would be refused meanwhile
            concurrency.check_sync_slot()
        else:
            self.add_finished_callback(concurrency.take_sync_slot())

    def take_export_slot(self) -> Callable[..., None]:
        """Take a slot for a large export and return the function that releases it.

        Raises:
            TooManyExports: no slot is free.
        """
        return self.registry.concurrency.take_export_slot()

    @reify
    def _reader(self) -> Reader:
        reader = self.registry.database.reader()
        self.add_finished_callback(lambda _: reader.close())
        return reader

    def _caller(self) -> Caller:
        method = self.method if self.method in _METHODS else _UNKNOWN
        # Not ``self.admission``: it might look up the key in the database, whose transaction has ended by now.
        admission = vars(self).get("admission")
        key, role, reason = None, None, None
        if isinstance(admission, Principal):
            key, role = admission.key_id, admission.role
        elif self.ended_key is not None:
            key, reason = self.ended_key.id, self.ended_key.state
        return Caller(key, role, self.remote_addr, method, self._route(), _names(self.query_string), reason)

    def _route(self) -> str | None:
        """Return the pattern that matches the path, if any; a request refused before routing is matched here."""
        try:
            route = self.matched_route or self.registry.getUtility(IRoutesMapper)(self)["route"]
        except UnicodeDecodeError:
            return None
        return None if route is None else re.sub(":[^{}]*}", "}", route.pattern)


def _may_write(request: Request) -> bool:
    return request.method not in ("GET", "HEAD")


def _names(query_string: str) -> list[str]:
    """Return the names of the known parameters, sorted; ``?`` for all others."""
    try:
        sent = {name for name, _ in decoded_pairs(query_string)}
    except InvalidParameter:
        return [_UNKNOWN]
    return sorted({name if name in PARAMETERS else _UNKNOWN for name in sent})
