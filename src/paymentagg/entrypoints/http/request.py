"""The request class, with everything that paymentagg adds to Pyramid's."""

import re
from collections.abc import Callable, Set
from contextlib import closing, suppress
from functools import cache, partial
from typing import Any, cast

from pyramid.config import Configurator
from pyramid.interfaces import IRoutesMapper
from pyramid.tweens import EXCVIEW
from transaction import TransactionManager as Transactions

from paymentagg.domain.access import Principal
from paymentagg.domain.api_keys import ApiKey, EndedKey
from paymentagg.domain.audit_chain import Auditor
from paymentagg.domain.errors import InvalidParameter, PaymentAggError, PracticeNotFound
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
from paymentagg.domain.sessions import Session
from paymentagg.entrypoints.audit_trail import AuditTrail, Caller
from paymentagg.entrypoints.http.concurrency import Concurrency
from paymentagg.entrypoints.http.metrics.counters import Metrics, SyncRequest
from paymentagg.entrypoints.http.parameters import queries
from paymentagg.entrypoints.http.pyramid_request import PyramidRequest, reify
from paymentagg.entrypoints.refusals import Refusals
from paymentagg.entrypoints.request_id import new_id
from paymentagg.entrypoints.settings import Practices, Settings

PREFLIGHT = "paymentagg.preflight"
"""The key in the WSGI environ of a request whose body hasn't been received: the response says whether it would be
refused without its body. Any status below 400 means that it isn't; nothing is changed."""

REQUEST_ID = "paymentagg.request_id"
"""The key in the WSGI environ of the id that the server has for a request. The header itself isn't trusted here."""

_shown = cache(partial(re.sub, ":[^{}]*}", "}"))
"""Returns the pattern of a route without its regular expressions."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"})
_UNKNOWN = "?"
"""Replaces unknown methods in logs and metrics: they could contain patients' names."""


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
    metrics: Metrics
    open_paths: Set[str]
    pages: Any
    """What the pages share; theirs alone."""
    queryUtility: Callable[..., Any]  # noqa: N815  the name is that of zope.interface
    paymentagg_settings: Settings
    paymentagg_version: str
    public_paths: Set[str]
    refusals: Refusals


class Request(PyramidRequest):
    """A request to the API."""

    registry: Registry
    ended_key: EndedKey | None = None
    """The key that the client sent, if it is revoked or has expired: for the audit log only."""
    sync: SyncRequest | None = None
    """What the metrics count, if the request asks for a sync."""
    practice: str | None = None
    """The practice whose key or session the client has, where there are many; None until it is let in."""

    @reify
    def id(self) -> str:
        """The id for the logs: that of a trusted proxy, else a random one."""
        return self.environ.get(REQUEST_ID) or new_id()

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

    def admit(self, principal: Principal) -> None:
        """Let in a client who has just signed in, so that the audit log names it."""
        vars(self)["admission"] = principal

    @reify
    def trail(self) -> AuditTrail:
        """The entries of this request in the audit log."""
        return AuditTrail(self.registry.auditor, self.id, lambda: self.caller, self.registry.refusals)

    @reify
    def tm(self) -> TransactionManager:
        """The transaction manager of this request alone, never that of the thread."""
        return cast(TransactionManager, Transactions(explicit=True))

    @property
    def database(self) -> Database:
        """The database of the client's practice; where there are many and it isn't let in, one without any table."""
        return self.registry.database if self.practice is None else self.registry.database.of(self.practice)

    @property
    def has_many_practices(self) -> bool:
        """Whether keys and sessions name a practice."""
        return self.limits.practices is Practices.MANY

    @reify
    def storage(self) -> Storage:
        """The storage for a sync; ``tm`` commits its changes."""
        return self.database.storage(self.tm)

    @property
    def patients(self) -> PatientRepository:
        """The stored patients, for reading."""
        return self._data.patients

    @property
    def payments(self) -> PaymentRepository:
        """The stored payments, for reading."""
        return self._data.payments

    @property
    def syncs(self) -> SyncRepository:
        """The record of past syncs."""
        return self._data.syncs

    @property
    def history(self) -> HistoryRepository:
        """What past syncs have changed."""
        return self._data.history

    @property
    def statistics(self) -> StatisticsRepository:
        """The figures."""
        return self._data.statistics

    def find_key(self, practice: str | None, key_id: str) -> ApiKey | None:
        """Return the API key with this public id, if any. A sync then holds no connection for it.

        Args:
            practice: the one that the client names, whether or not it exists; None if there is only one.
        """
        with suppress(PracticeNotFound), closing(self._reader_of(practice)) as reader:
            return reader.keys.get(key_id)
        return None

    def find_session(self, practice: str | None, digest: str) -> tuple[Session, ApiKey] | None:
        """Return the session with this digest, if any, and its API key; ``practice`` as in ``find_key``."""
        with suppress(PracticeNotFound), closing(self._reader_of(practice)) as reader:
            return reader.sessions.find(digest)
        return None

    def _reader_of(self, practice: str | None) -> Reader:
        """Return the repositories to look up keys of a practice; where there is only one, those of the request."""
        return self._reader if practice is None else self.registry.database.key_reader(practice)

    def open_export(self) -> Export:
        """Return an export of one state; the caller closes it."""
        min_sync = queries.min_sync(self.query_string)
        if min_sync is not None:
            self._data.close()  # it has checked that there is such a sync, and the export has a connection of its own
        return self.database.export(min_sync)

    def take_sync_slot(self) -> None:
        """Take a slot for a sync until the request is done; before its body is received, only look for a free one.

        Raises:
            SyncInProgress: no slot is free.
        """
        self.sync = SyncRequest()
        concurrency = self.registry.concurrency
        if self.is_preflight:  # it takes none: a sync that has its body would be refused meanwhile
            concurrency.check_sync_slot(self.practice)
        else:
            self.add_finished_callback(concurrency.take_sync_slot(self.practice))

    def take_export_slot(self) -> Callable[..., None]:
        """Take a slot for a large export and return the function that releases it.

        Raises:
            TooManyExports: no slot is free.
        """
        return self.registry.concurrency.take_export_slot()

    def read_current(self) -> None:
        """Read data of the current state only, not from a replica."""
        vars(self)["_data"] = self._reader

    @reify
    def _data(self) -> Reader:
        """The repositories for data. A request that may write reads the current state.

        Raises:
            InvalidParameter: the response must include a sync that there isn't.
        """
        if _may_write(self):
            return self._reader
        reader = self.database.data_reader()
        self.add_finished_callback(lambda _: reader.close())
        min_sync = queries.min_sync(self.query_string)
        if min_sync is not None and not reader.reaches(min_sync):
            raise InvalidParameter("min_sync", f"there is no sync {min_sync} yet; use the id in the report of a sync")
        return reader

    @reify
    def _reader(self) -> Reader:
        reader = self.database.reader()
        self.add_finished_callback(lambda _: reader.close())
        return reader

    @property
    def caller(self) -> Caller:
        """The client and its request, for the audit log."""
        # Not ``self.admission``: it might look up the key in the database, whose transaction has ended by now.
        admission = vars(self).get("admission")
        key, role, reason, practice = None, None, None, self.practice
        if isinstance(admission, Principal):
            key, role = admission.key_id, admission.role
        elif self.ended_key is not None:
            key, reason = self.ended_key.id, self.ended_key.state
        return Caller(
            key,
            role,
            self.remote_addr,
            self.known_method,
            self.route,
            queries.known_names(self.query_string),
            reason,
            practice,
        )

    @property
    def known_method(self) -> str:
        """The method, or ``?`` if HTTP doesn't define it."""
        return self.method if self.method in _METHODS else _UNKNOWN

    @property
    def route(self) -> str | None:
        """Return the pattern that matches the path, if any; a request refused before routing is matched here."""
        try:
            mapper = self.registry.queryUtility(IRoutesMapper)  # an application without routes has none
            route = self.matched_route or (None if mapper is None else mapper(self)["route"])
        except UnicodeDecodeError:
            return None
        return None if route is None else _shown(route.pattern)


def _may_write(request: Request) -> bool:
    return request.method not in ("GET", "HEAD")
