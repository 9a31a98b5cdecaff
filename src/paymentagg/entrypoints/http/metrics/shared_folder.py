"""The folder in which the processes of a host count together: each has a place there, which outlives it.

prometheus_client names the files of a process after its id, so each restart adds files, and removing those of a dead
process makes sums fall, which Prometheus takes for a restart of all. Here a process takes the first place whose lock is
free. The kernel frees the lock however the process ends, and the next one goes on counting in the same files.
"""

import fcntl
import os
from functools import cache
from itertools import count
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from paymentagg.domain.errors import InvalidParameter

ENVIRONMENT = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder; prometheus_client reads it too."""


class SharedFolder:
    """The folder, and the place of this process in it, which it keeps until it ends.

    Raises:
        InvalidParameter: the folder can't be used.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._place = next(place for place in count() if self._take(place))
        except OSError as error:
            raise InvalidParameter(ENVIRONMENT, f"can't be used: {error.strerror}") from None
        mark_process_dead(self._place, path)  # type: ignore[no-untyped-call]  # the library has types only in part
        place = self._place
        values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]  # the library has types only in part

    def registry(self) -> CollectorRegistry:
        """Return a registry of what all processes have counted, and of the present state of those that live."""
        for lock in self._path.glob("*.lock"):
            if int(lock.stem) != self._place:
                self._clear_if_free(lock)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._path))  # type: ignore[no-untyped-call]  # the library has types only in part
        return registry

    def _take(self, place: int) -> bool:
        """Take a place if it is free."""
        lock = os.open(self._path / f"{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        return True  # the lock stays open until the process ends

    def _clear_if_free(self, path: Path) -> None:
        """Remove the present state of a process that has ended, not its counts. None can take its place meanwhile."""
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            mark_process_dead(int(path.stem), str(self._path))  # type: ignore[no-untyped-call]  # the library has types only in part
        except BlockingIOError:
            pass  # it lives
        finally:
            os.close(lock)


@cache
def shared_folder(path: str) -> SharedFolder:
    """Return the folder; a process takes one place in it, however many applications it makes."""
    return SharedFolder(path)
