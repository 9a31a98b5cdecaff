"""The limits for clients, and the minimum rate at which they must send and read."""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """The limits for clients: times in seconds, rates in bytes per second, sizes in bytes."""

    grace: float = 10
    """Time for the headers of a request, and the time before ``pace`` applies to its body or to its response."""
    pace: int = 8 * 1024
    """Minimum rate at which a client sends a body or reads a response."""
    idle: float = 30
    """Time between two requests, and before the first; the longest silence that a faster transfer can make up for."""
    connections: int = 900
    """Maximum of open connections; above it the one that has been silent longest is closed. Must be below waitress's
    ``connection_limit``, at which waitress stops accepting."""
    peer_connections: int = 200
    """The same for the connections from one address, except that of a trusted proxy."""
    body_memory: int = 32 * 1024 * 1024
    """Maximum of memory for the bodies of all requests; what is above it is written to temporary files."""
    drain: float = 30
    """Time for running requests to finish when the server is stopped."""
    interval: float = 1
    """Time between two checks of these limits."""


class Pace:
    """Compares a transfer with the minimum rate.

    The credit is the time for which the client may be silent: it begins with ``grace``, each byte adds to it, and it
    never exceeds ``idle``. An average over the whole transfer would allow hours of silence after a fast start.
    """

    def __init__(self, limits: Limits, now: float, transferred: int = 0) -> None:
        self._limits = limits
        self._credit = limits.grace
        self._time = now
        self._transferred = transferred

    def is_too_slow(self, now: float, transferred: int) -> bool:
        """Return whether the client is too slow, given the bytes that were transferred until now."""
        earned = (transferred - self._transferred) / self._limits.pace
        ceiling = max(self._limits.grace, self._limits.idle)
        self._credit = min(ceiling, self._credit + earned) - (now - self._time)
        self._time, self._transferred = now, transferred
        return self._credit < 0
