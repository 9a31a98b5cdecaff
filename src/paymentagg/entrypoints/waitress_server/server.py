"""The server: waitress with deadlines for clients, graceful shutdown, and validated settings."""

import ctypes
import ipaddress
import logging
import os
import resource
import signal
import socket
import time
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, cast

from waitress import wasyncore
from waitress.adjustments import Adjustments, asbool
from waitress.task import ThreadedTaskDispatcher

from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.application import LISTEN
from paymentagg.entrypoints.http.metrics.counters import Metrics
from paymentagg.entrypoints.safe_traceback import print_in_one_line
from paymentagg.entrypoints.settings import Access
from paymentagg.entrypoints.waitress_server.bodies import BodyStorage
from paymentagg.entrypoints.waitress_server.limits import Limits
from paymentagg.entrypoints.waitress_server.listeners import Listener, ServerSettings, TcpListener, UnixListener

log = logging.getLogger(__name__)

SETTINGS = {
    "listen": "addresses with ports, `127.0.0.1:6543`; without keys, only addresses of this machine are accepted",
    "reuse_port": "`true` lets several processes of one user listen on one port; the kernel distributes connections",
    "unix_socket": "a path to listen on, instead of `listen`",
    "unix_socket_perms": "the mode of that socket, `600` by default",
    "threads": "how many requests are served at once, at least 6",
    "max_request_body_size": "in bytes; bodies of this size or more are refused with 413 before they are read",
    "trusted_proxy": "the address of the one proxy whose forwarding headers are trusted, never `*`; `localhost` for a "
    "proxy that connects over `unix_socket`",
    "trusted_proxy_count": "how many proxies in a row are trusted",
    "trusted_proxy_headers": "the headers that it sets, if not `X-Forwarded-For`, `-Host` and `-Proto`",
    "url_scheme": "the scheme of URLs in responses if no header contains it",
    "url_prefix": "the path before the application's in these URLs",
}
"""The settings of ``[server:main]`` that an operator may set, with what each means; the documentation prints it."""

FIXED_SETTINGS = {
    "asyncore_use_poll": True,
    "channel_request_lookahead": 0,
    "connection_limit": 1000,
    "expose_tracebacks": False,
    "ident": None,  # no Server header
    "max_request_header_size": 16 * 1024,
    # Responses wait in memory for their clients, so reads don't need the disk that uploads may have filled.
    "outbuf_high_watermark": 1024 * 1024,
    "outbuf_overflow": 2**62,
    "recv_bytes": 64 * 1024,  # eight times waitress's default: fewer calls for large uploads
}
"""Settings of waitress that an operator can't change."""

CONCURRENT_UPLOADS = 2
"""Bodies of the largest size that temporary files may hold together: one sync runs, and one waits for it."""

LAST_ARRIVALS = 0.1
"""Seconds after a stop in which connections are accepted and requests read: a busy kernel delivers late what was sent
before the stop, and closing a socket too early resets its connection."""

_M_ARENA_MAX = -8  # from glibc's malloc.h

FORWARDED = "x-forwarded-for x-forwarded-host x-forwarded-proto"
"""The headers in which a trusted proxy passes on the client's address, host and scheme."""


def main(app: Any, defaults: dict[str, str], **settings: str) -> None:
    """Serve with the settings of ``[server:main]`` until a signal arrives; the entry point for pserve.

    ``defaults`` is the global configuration, whose ``LISTEN``, if it is there, replaces the addresses in the settings.

    Raises:
        InvalidParameter: a setting is unknown or invalid, or the address is taken.
    """
    print_in_one_line()
    if LISTEN in defaults:
        elsewhere = {name: value for name, value in settings.items() if not name.startswith("unix_socket")}
        settings = elsewhere | {"listen": defaults[LISTEN]}
    serve(app, settings, Limits())


def serve(app: Any, settings: dict[str, str], limits: Limits) -> None:
    """Serve until a signal arrives.

    Raises:
        InvalidParameter: a setting is unknown or invalid.
    """
    adjustments = _adjustments(settings)
    # Without keys the application refuses what comes from a proxy, so it must see the proxies' headers.
    adjustments.clear_untrusted_proxy_headers = app.registry.paymentagg_settings.access is not Access.LOCAL
    _raise_open_file_limit(adjustments.connection_limit)
    _use_one_malloc_arena()
    _check_only_local(app, adjustments)
    try:
        service = Service(app, adjustments, limits)
    except OSError as error:
        raise InvalidParameter(
            "listen", f"can't listen there: {error.strerror}; stop what listens there, or choose another address"
        ) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, service.handle_signal)
    for listener in service.listeners:
        listener.print_listen("Serving on http://{}:{}")
    service.run()


class Service:
    """The listening sockets, the worker threads, and the event loop that connects them."""

    def __init__(self, app: Any, adjustments: Adjustments, limits: Limits) -> None:
        """Start the threads and listen.

        Raises:
            OSError: a socket can't be opened or bound.
        """
        adjustments.cleanup_interval = limits.interval  # type: ignore[assignment]  # waitress only adds it to a time
        metrics: Metrics = app.registry.metrics
        threads = ThreadedTaskDispatcher()
        threads.set_thread_count(adjustments.threads)
        self._threads = threads
        self._limits = limits
        self._map: dict[int, Any] = {}  # dispatchers by file descriptor; the stubs say sockets
        self._is_stopping = False
        kind = UnixListener if adjustments.unix_socket else TcpListener
        self.listeners: list[Listener] = [
            kind(app, self._map, dispatcher=threads, adj=adjustments, sockinfo=sockinfo)
            for sockinfo in _addresses(adjustments)
        ]
        bodies = BodyStorage(limits.body_memory, CONCURRENT_UPLOADS * adjustments.max_request_body_size)
        for listener in self.listeners:
            listener.limits, listener.bodies, listener.metrics = limits, bodies, metrics
        metrics.watch(partial(self._show, metrics, bodies))
        self._metrics = metrics
        self._next_refresh = 0.0

    def run(self) -> None:
        """Serve until ``stop`` is called, then until the running requests are done or ``Limits.drain`` has passed."""
        while not self._is_stopping:
            self._run_once(self._limits.interval)
        end = time.monotonic() + LAST_ARRIVALS
        while time.monotonic() < end:
            self._run_once(LAST_ARRIVALS / 10)
        for listener in self.listeners:
            listener.is_stopping = True
            wasyncore.dispatcher.close(listener)  # its own close would also close the trigger that wakes this loop
        self._drain()
        self._threads.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Make ``run`` return once no request is running. Safe to call in a signal handler."""
        self._is_stopping = True
        self.listeners[0].pull_trigger()

    def handle_signal(self, number: int, _frame: FrameType | None) -> None:
        """Stop gracefully at the first signal; exit at once at the second, which rolls back running syncs."""
        if self._is_stopping:
            os._exit(128 + number)
        self.stop()

    def _drain(self) -> None:
        end = time.monotonic() + self._limits.drain
        while channels := [channel for each in self.listeners for channel in each.active_channels.values()]:
            if time.monotonic() > end:
                log.warning("stopped while %d requests were running; a sync among them is rolled back", len(channels))
                return
            for channel in channels:
                if not (channel.requests or channel.total_outbufs_len):
                    channel.will_close = True
            self._run_once(self._limits.interval)

    def _run_once(self, timeout: float) -> None:
        now = time.monotonic()
        for listener in self.listeners:
            listener.close_slow(now)
        if self._metrics.is_shared and now >= self._next_refresh:
            self._next_refresh = now + self._limits.interval
            self._metrics.refresh()
        wasyncore.loop(timeout, use_poll=True, map=self._map, count=1)

    def _show(self, metrics: Metrics, bodies: BodyStorage) -> None:
        metrics.open_connections.set(sum(len(listener.active_channels) for listener in self.listeners))
        for place, limit, free in (
            ("memory", bodies.memory, bodies.free_memory),
            ("disk", bodies.disk, bodies.free_disk),
        ):
            metrics.spool_bytes.labels(place).set(limit - free)
            metrics.spool_limit_bytes.labels(place).set(limit)


def _addresses(adjustments: Adjustments) -> list[Any]:
    """Return family, type, protocol and address of each socket to listen on."""
    if adjustments.unix_socket:
        return [(socket.AF_UNIX, socket.SOCK_STREAM, None, None)]
    return cast(list[Any], adjustments.listen)  # the stubs have the type before parsing


def _adjustments(settings: dict[str, str]) -> ServerSettings:
    for name in settings:
        if name not in SETTINGS:
            raise InvalidParameter(name, f"is not a setting of [server:main]; the settings are {', '.join(SETTINGS)}")
    given = {name: value for name, value in settings.items() if value.strip()}  # an empty setting counts as not set
    reuse_port = asbool(given.pop("reuse_port", None))
    if given.get("trusted_proxy") == "*":
        raise InvalidParameter(
            "trusted_proxy", "must be the address of one proxy, not *: any client could forge its address"
        )
    if "trusted_proxy" in given:
        given.setdefault("trusted_proxy_headers", FORWARDED)
    try:
        adjustments = ServerSettings(**given, **FIXED_SETTINGS)
    except ValueError as error:
        raise InvalidParameter("[server:main]", str(error)) from None
    adjustments.reuse_port = reuse_port
    return adjustments


def _check_only_local(app: Any, adjustments: Adjustments) -> None:
    """Raise InvalidParameter if other machines could reach an application that requires no keys."""
    if app.registry.paymentagg_settings.access is not Access.LOCAL:
        return
    if adjustments.trusted_proxy:
        raise InvalidParameter(
            "trusted_proxy", "behind a proxy all clients look local; set paymentagg.access = keys, or remove the proxy"
        )
    if adjustments.unix_socket:
        return
    for _, _, _, address in _addresses(adjustments):
        if not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
            raise InvalidParameter(
                "listen",
                f"other machines can reach {address[0]}, and paymentagg.access = local requires no keys; "
                "listen on 127.0.0.1, or set paymentagg.access = keys and create keys with paymentagg-keys",
            )


def _use_one_malloc_arena() -> None:
    """Make all threads allocate memory from one malloc arena.

    glibc gives each thread an arena of its own and doesn't reuse memory freed there for other threads, so the process
    would grow to the sum of the threads' peaks. One arena costs no speed: the GIL lets only one thread run at a time.
    """
    with suppress(AttributeError):  # other C libraries have no mallopt
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _raise_open_file_limit(connections: int) -> None:
    """Raise the limit of open files to four per connection: sockets, temporary files of bodies, and the database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 4 * connections
    if soft != resource.RLIM_INFINITY and soft < needed:
        limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
