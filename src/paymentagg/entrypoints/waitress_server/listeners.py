"""The listening sockets: accept connections, and close some when there are too many or a client is too slow."""

import logging
import socket
from collections.abc import Iterable
from typing import cast

from waitress.adjustments import Adjustments
from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer

from paymentagg.entrypoints.http.metrics.counters import Metrics
from paymentagg.entrypoints.waitress_server.bodies import BodyStorage
from paymentagg.entrypoints.waitress_server.connections import Channel
from paymentagg.entrypoints.waitress_server.limits import Limits

log = logging.getLogger(__name__)

_ACCEPTED_AT_ONCE = 64
_LOG_INTERVAL = 60
"""Seconds between two lines about connections that were closed."""


class ServerSettings(Adjustments):
    """waitress's settings, and those that only paymentagg has."""

    reuse_port: bool = False
    """Whether other processes may listen on the same port."""


class Listener(BaseWSGIServer):
    """Base of both kinds of servers; each listens on one socket."""

    channel_class = Channel
    limits: Limits
    bodies: BodyStorage
    metrics: Metrics
    is_stopping = False
    adj: ServerSettings
    active_channels: dict[int, Channel]  # type: ignore[assignment]  # the stubs omit the dict
    _next_check = 0.0
    _next_log = 0.0
    _closed = 0

    def maintenance(self, _now: float) -> None:
        """Do nothing: waitress calls this by the wall clock, which can be set."""

    def close_slow(self, now: float) -> None:
        """Close the connections of slow clients, once in each ``Limits.interval``; ``now`` is a monotonic time."""
        if now < self._next_check:
            return
        self._next_check = now + self.limits.interval
        for channel in list(self.active_channels.values()):
            is_late = channel.is_late(now, self.limits)
            if is_late and not channel.will_close:
                self.metrics.closed_connections.labels("slow").inc()
            if is_late or channel.will_close:
                channel.close_now()
        if self._closed and now >= self._next_log:
            self._next_log = now + _LOG_INTERVAL
            log.warning(
                "closed %d silent connections in favour of new ones: more than %d were open, or %d from one address",
                self._closed, self.limits.connections, self.limits.peer_connections,
            )  # fmt: skip
            self._closed = 0

    def handle_accept(self) -> None:
        """Accept the connections that wait; if there are too many, close those that have been silent longest."""
        for _ in range(_ACCEPTED_AT_ONCE):
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                return
            self._make_room()

    def _make_room(self) -> None:
        if len(self.active_channels) <= min(self.limits.connections, self.limits.peer_connections):
            return
        *others, new = self.active_channels.values()
        peer = new.addr[0]
        if peer not in ("localhost", self.adj.trusted_proxy):  # waitress calls the peer of a Unix socket localhost
            self._limit([channel for channel in others if channel.addr[0] == peer], self.limits.peer_connections, new)
        self._limit(others, self.limits.connections, new)

    def _limit(self, others: list[Channel], maximum: int, new: Channel) -> None:
        """If there are as many other connections, close the one that has been silent longest, or else the new one."""
        if len(others) < maximum or sum(not channel.will_close for channel in others) < maximum:
            return
        waiting: Iterable[Channel] = (channel for channel in others if channel.is_waiting())
        min(waiting, key=lambda channel: channel.heard, default=new).close_soon()
        self._closed += 1
        self.metrics.closed_connections.labels("crowded").inc()


class TcpListener(Listener, TcpWSGIServer):
    """A server on a TCP port."""

    def set_reuse_addr(self) -> None:
        """Let other processes of the same user listen on the same port, if the settings say so; called before bind."""
        super().set_reuse_addr()
        if self.adj.reuse_port:
            cast(socket.socket, self.socket).setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


class UnixListener(Listener, UnixWSGIServer):
    """A server on a Unix socket."""
