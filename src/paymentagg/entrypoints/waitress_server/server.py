"""The server: waitress with deadlines, orderly stops, and settings that can't be set wrongly."""

import ctypes
import ipaddress
import logging
import os
import resource
import signal
import socket
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher

from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.settings import Access
from paymentagg.entrypoints.waitress_server.connections import Channel, Limits

log = logging.getLogger(__name__)

SETTINGS = (
    "listen",
    "unix_socket",
    "unix_socket_perms",
    "threads",
    "max_request_body_size",
    "trusted_proxy",
    "trusted_proxy_count",
    "trusted_proxy_headers",
    "url_scheme",
    "url_prefix",
)
"""What an operator may set."""

OURS = {
    "asyncore_use_poll": True,
    "channel_request_lookahead": 0,
    "clear_untrusted_proxy_headers": True,
    "connection_limit": 1000,
    "expose_tracebacks": False,
    "ident": None,  # no Server header
    "max_request_header_size": 16 * 1024,
    "recv_bytes": 64 * 1024,  # a large upload in an eighth of the steps; too large a head is read before it is refused
}
"""What nobody needs to set."""

_M_ARENA_MAX = -8  # as glibc's malloc.h has it

FORWARDED = "x-forwarded-for x-forwarded-host x-forwarded-proto"
"""The headers by which a trusted proxy tells whose request it is."""


def main(app: Any, _defaults: dict[str, str], **settings: str) -> None:
    """Serve until a signal comes; ``settings`` are those of ``[server:main]``.

    Raises:
        InvalidParameter: a setting is unknown or wrong. The words are the last line of what pserve prints; it would
            take a SystemExit for a success.
    """
    serve(app, settings, Limits())


def serve(app: Any, settings: dict[str, str], limits: Limits) -> None:
    """Do so with limits of the caller's own.

    Raises:
        InvalidParameter: a setting is unknown or wrong.
    """
    adjustments = _adjustments(settings)
    _allow_files(adjustments.connection_limit)
    _share_memory()
    _check_reach(app, adjustments)
    try:
        service = Service(app, adjustments, limits)
    except OSError as error:
        raise InvalidParameter("listen", f"that can't be done: {error.strerror}") from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, service.obey)
    for listener in service.listeners:
        listener.print_listen("Serving on http://{}:{}")
    service.run()


class Listener:
    """What the servers of waitress's do here in another way. Each listens on one socket."""

    channel_class = Channel
    limits: Limits
    is_stopping = False
    active_channels: dict[int, Channel]

    def maintenance(self, _now: float) -> None:
        """Cut off who takes too long."""
        now = time.monotonic()
        for channel in self.active_channels.values():
            if channel.is_late(now, self.limits):
                channel.will_close = True

    def handle_accept(self) -> None:
        super().handle_accept()  # type: ignore[misc]  # the server that this is mixed into has it
        if len(self.active_channels) > self.limits.connections:
            waiting = [channel for channel in self.active_channels.values() if channel.is_waiting()]
            if waiting:
                min(waiting, key=lambda channel: channel.since).will_close = True


class TcpListener(Listener, TcpWSGIServer):
    pass


class UnixListener(Listener, UnixWSGIServer):
    pass


class Service:
    """The sockets that are listened on, the threads that answer, and the loop between them."""

    def __init__(self, app: Any, adjustments: Adjustments, limits: Limits) -> None:
        adjustments.cleanup_interval = limits.interval
        threads = ThreadedTaskDispatcher()
        threads.set_thread_count(adjustments.threads)
        self._threads = threads
        self._limits = limits
        self._map: dict[int, wasyncore.dispatcher] = {}
        self._is_stopping = False
        kind = UnixListener if adjustments.unix_socket else TcpListener
        unix = (socket.AF_UNIX, socket.SOCK_STREAM, None, None)
        self.listeners: list[BaseWSGIServer] = [
            kind(app, self._map, dispatcher=threads, adj=adjustments, sockinfo=sockinfo)
            for sockinfo in ([unix] if adjustments.unix_socket else adjustments.listen)
        ]
        for listener in self.listeners:
            listener.limits = limits

    def run(self) -> None:
        """Serve until ``stop``; then let what runs end."""
        while not self._is_stopping:
            self._turn()
        for listener in self.listeners:
            listener.is_stopping = True
            wasyncore.dispatcher.close(listener)  # its own close would close what wakes this loop, too
        self._drain()
        self._threads.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Let ``run`` return as soon as no request runs any more. May be called in a signal handler."""
        self._is_stopping = True
        self.listeners[0].pull_trigger()

    def obey(self, number: int, _frame: FrameType | None) -> None:
        """Stop at the first signal, in order; at the second one, at once: what runs is rolled back."""
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
            self._turn()

    def _turn(self) -> None:
        wasyncore.loop(self._limits.interval, use_poll=True, map=self._map, count=1)


def _adjustments(settings: dict[str, str]) -> Adjustments:
    for name in settings:
        if name not in SETTINGS:
            raise InvalidParameter(name, f"is no setting of [server:main]; there are {', '.join(SETTINGS)}")
    given = {name: value for name, value in settings.items() if value.strip()}  # what is empty is as if left out
    if given.get("trusted_proxy") == "*":
        raise InvalidParameter(
            "trusted_proxy", "must be the one address of the proxy: a star would let every client say who it is"
        )
    if "trusted_proxy" in given:
        given.setdefault("trusted_proxy_headers", FORWARDED)
    try:
        return Adjustments(**given, **OURS)
    except ValueError as error:
        raise InvalidParameter("[server:main]", str(error)) from None


def _check_reach(app: Any, adjustments: Adjustments) -> None:
    """See to it that an application that asks for no keys is offered to this machine alone."""
    if adjustments.unix_socket or app.registry.paymentagg_settings.access is not Access.LOCAL:
        return
    for _, _, _, address in adjustments.listen:
        if not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
            raise InvalidParameter(
                "listen",
                f"other machines can reach {address[0]}, and with paymentagg.access = local nobody needs a key; "
                "listen on 127.0.0.1, or set paymentagg.access = keys and create keys with paymentagg-keys",
            )


def _share_memory() -> None:
    """Let all threads take their memory from one place.

    The C library of most systems gives each thread one of its own, where what it has freed waits for it alone: a
    process would grow to what each of its threads has ever needed. They take turns anyway.
    """
    with suppress(AttributeError):  # other C libraries have no such places
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _allow_files(connections: int) -> None:
    """Let the process open as many files as its connections, their bodies and the database may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 4 * connections
    if soft != resource.RLIM_INFINITY and soft < needed:
        limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
