"""Makes a request of the application that an ini file configures, so the console uses the same wiring as HTTP."""

import configparser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError
from typing import Any

from plaster import PlasterError, get_loader
from pyramid.scripting import prepare
from transaction import TransactionManager

from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.settings import UNPREPARED


def request_of(ini: str, stack: ExitStack) -> Any:  # Pyramid has no types
    """Return a request of the application, whose database isn't prepared yet; the stack closes it.

    Raises:
        InvalidParameter: the file can't be read, or a setting is invalid.
    """
    try:
        loader = get_loader(ini, protocols=["wsgi"])  # called only once, since it is slow
        loader.get_wsgi_app_settings()
    except configparser.InterpolationError as error:
        # Its own message quotes the value, which may be a URL with a password.
        reason = f"{error.option} in [{error.section}] can't be read: write each % as %%"
        raise InvalidParameter("argument -c/--config", f"{ini}: {reason}") from error
    except (configparser.Error, LookupError, PackageNotFoundError, PlasterError, OSError, UnicodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidParameter("argument -c/--config", f"{ini} is not a Pyramid ini file: {reason}") from error
    environment = prepare(registry=loader.get_wsgi_app(defaults={UNPREPARED: "true"}).registry)
    stack.callback(environment["closer"])
    return environment["request"]


@contextmanager
def committed(manager: TransactionManager, before_commit: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Run the block in a transaction: commit it, or abort it if the block raises an error or dooms it."""
    manager.begin()
    try:
        yield
        if manager.isDoomed():
            manager.abort()
        else:
            before_commit()
            manager.commit()
    except BaseException:
        with suppress(Exception):  # report the first error; a failed rollback doesn't commit anything
            manager.abort()
        raise
