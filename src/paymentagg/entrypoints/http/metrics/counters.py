"""What a process counts while it serves, and its present state."""

import os
import platform
from collections.abc import Callable, Iterable
from time import perf_counter

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from paymentagg.domain.ports import PoolUse
from paymentagg.domain.report import Report
from paymentagg.entrypoints.http.metrics.shared_folder import ENVIRONMENT, shared_folder

REQUEST_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
SYNC_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

_NONE = "none"
"""The route or the method of a request that has none: its path is unknown, or it couldn't be read."""


class SyncRequest(msgspec.Struct):
    """What a request for a sync was, for the metrics."""

    kind: str = "sync"
    """``sync``, ``dry-run`` or ``undo``."""
    report: Report | None = None
    """That of one that was done."""
    is_replay: bool = False
    """Whether the response is that of an earlier request with the same idempotency key."""


class Metrics:
    """The counters of this process; with a shared folder, those of all processes that have it.

    Args:
        version: of paymentagg.

    Raises:
        InvalidParameter: the shared folder can't be used.
    """

    def __init__(self, version: str) -> None:
        path = os.environ.get(ENVIRONMENT)
        self._shared = shared_folder(path) if path else None
        self._own = CollectorRegistry()
        # Without this, each counter has a time too: twice as many series.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has types only in part
        own = None if self._shared else self._own
        if own is not None:
            ProcessCollector(registry=own)
        self._watched: list[Callable[[], object]] = []
        self._of_requests: dict[tuple[str | None, str, int], tuple[Counter, Histogram]] = {}

        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(f"paymentagg_{name}", help_text, labels, registry=own)

        def gauge(name: str, help_text: str, *labels: str, mode: str = "livesum") -> Gauge:
            return Gauge(f"paymentagg_{name}", help_text, labels, registry=own, multiprocess_mode=mode)  # type: ignore[arg-type]  # a literal

        def histogram(name: str, help_text: str, labels: Iterable[str], buckets: Iterable[float]) -> Histogram:
            return Histogram(f"paymentagg_{name}", help_text, list(labels), registry=own, buckets=list(buckets))

        self._requests = counter(
            "http_requests", "Requests that were answered, by the pattern of their path", "route", "method", "status"
        )
        self._request_seconds = histogram(
            "http_request_duration_seconds",
            "Time until the response began, with the sync if the request is one",
            ("route", "method"),
            REQUEST_SECONDS,
        )
        self._problems = counter("problems", "Requests that were answered with a problem, by its code", "code")
        self._syncs = counter(
            "syncs",
            "Syncs, dry runs and undos that a request or a page asked for: done, done-with-rejections, replayed, "
            "interrupted, or the code of the problem",
            "kind",
            "outcome",
        )
        self._sync_seconds = histogram(
            "sync_duration_seconds", "Time of those that were done, with reading the body", ("kind",), SYNC_SECONDS
        )
        self._rows = counter("rows", "Rows of the syncs and undos that were done", "model", "kind")
        self.refused_by_limit = counter(
            "rate_limited_requests", "Requests refused because their address has sent too many wrong keys"
        )
        self.limited_addresses = gauge("limited_addresses", "Addresses that are refused now", mode="livemax")
        self.closed_connections = counter(
            "closed_connections",
            "Connections that the server closed: too many were open, or the client was too slow",
            "reason",
        )
        self.open_connections = gauge("open_connections", "Connections of clients that are open")
        self.spool_bytes = gauge("spool_bytes", "Size of the bodies that are being received or processed", "place")
        self.spool_limit_bytes = gauge("spool_limit_bytes", "Size that all bodies together may have", "place")
        self.waiting_uploads = gauge("waiting_uploads", "Uploads and undos on pages that hold files or run")
        self._pool_in_use = gauge("pool_connections_in_use", "Connections to the database that are in use", "pool")
        self._pool_limit = gauge("pool_connections_limit", "Connections to the database that may be in use", "pool")
        build = gauge("build_info", "The version that runs, in labels", "version", "python", mode="livemax")
        build.labels(version, platform.python_version()).set(1)

    def watch(self, source: Callable[[], object]) -> None:
        """Call this before the present state is read: it sets gauges."""
        self._watched.append(source)

    def refresh(self) -> None:
        """Update the present state of this process. With a shared folder, the server does so each second."""
        for source in self._watched:
            source()

    @property
    def is_shared(self) -> bool:
        """Whether other processes read the present state of this one."""
        return self._shared is not None

    def registry(self) -> CollectorRegistry:
        """Return a registry of what was counted, and of the present state."""
        self.refresh()
        return self._shared.registry() if self._shared else self._own

    def answered(self, route: str | None, method: str, status: int, code: str | None, since: float) -> None:
        """Count a response.

        Args:
            route: the pattern of the path; None if no route has it.
            method: one of the methods that HTTP defines, or ``?``.
            code: that of the problem, if it is one.
            since: when the request arrived, by ``perf_counter``.
        """
        key = (route, method, status)
        found = self._of_requests.get(key)
        if found is None:
            labels = (route or _NONE, method)
            found = (self._requests.labels(*labels, str(status)), self._request_seconds.labels(*labels))
            self._of_requests[key] = found
        found[0].inc()
        found[1].observe(perf_counter() - since)
        if code is not None:
            self._problems.labels(code).inc()

    def unreadable(self, status: int) -> None:
        """Count a request that the server couldn't parse."""
        self._requests.labels(_NONE, _NONE, str(status)).inc()

    def synced(self, kind: str, outcome: str | None, seconds: float, report: Report | None) -> None:
        """Count a sync, a dry run or an undo.

        Args:
            kind: ``sync``, ``dry-run`` or ``undo``.
            outcome: the code of the problem; ``replayed`` or ``interrupted``; None if it was done.
            report: that of one that was done.
        """
        done = "done-with-rejections" if report is not None and report.rejected else "done"
        self._syncs.labels(kind, outcome or done).inc()
        if outcome is not None or report is None:
            return
        self._sync_seconds.labels(kind).observe(seconds)
        if report.dry_run:
            return
        for model, part in report.models.items():
            for name in ("created", "updated", "unchanged", "rejected", "deleted"):
                self._rows.labels(model.plural, name).inc(getattr(part, name))

    def set_pools(self, pools: Iterable[PoolUse]) -> None:
        """Set how many connections to the database are in use."""
        for pool in pools:
            self._pool_in_use.labels(pool.name).set(pool.in_use)
            self._pool_limit.labels(pool.name).set(pool.maximum)
