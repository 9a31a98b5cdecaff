"""Someone with a browser of their own: what they do with the pages, and what their browser complains about."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, WebError

from browser.chromium import MILLISECONDS

Theme = Literal["light", "dark"]

WIDE = 1440
NARROW = 390
_HEIGHT = {WIDE: 900, NARROW: 844}


@dataclass
class Complaints:
    """What a browser has complained about, and the addresses at other hosts that it has asked for."""

    messages: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def expect(self, status: int) -> None:
        """Remove one note that a response had this status; Chromium writes one for each status from 400 on."""
        for message in self.messages:
            if f"Failed to load resource: the server responded with a status of {status} " in message:
                self.messages.remove(message)
                return
        raise AssertionError(f"no response had the status {status}: {self.messages}")


class Person:
    """A browser context with one page at first; as a context manager, it fails at its end if there are complaints.

    Texts are given as people see them; a narrow space in a number is written as a space.
    """

    def __init__(
        self, browser: Browser, address: str, *, scripts: bool = True, theme: Theme = "light", width: int = WIDE
    ) -> None:
        self.address = address
        self.scripts = scripts
        self.complaints = Complaints()
        self.context = browser.new_context(
            base_url=f"http://{address}",
            java_script_enabled=scripts,
            color_scheme=theme,
            viewport={"width": width, "height": _HEIGHT[width]},
        )
        self.context.set_default_timeout(MILLISECONDS)
        self.context.on("console", self._note)
        self.context.on("weberror", self._note_error)
        self.context.on("request", self._note_request)
        self.page: Page = self.context.new_page()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.page.title()  # whatever the browser has sent before its answer has arrived now
        self._sign_out()
        self.context.close()
        if kind is None:
            assert self.complaints == Complaints(), self.complaints

    def open(self, path: str, status: int = 200) -> None:
        """Go to a page, which must answer with this status after all redirects."""
        response = self.page.goto(path)
        assert response is not None
        assert response.status == status, path
        if status >= 400:
            self.expect_status(status)

    def reopen(self, path: str) -> None:
        """Close the page and go to another one in a new tab."""
        self.page.close()
        self.page = self.context.new_page()
        self.open(path)

    def expect_status(self, status: int) -> None:
        """Take a status from 400 on as what the test wants."""
        self.page.title()  # see __exit__
        self.complaints.expect(status)

    def sign_in(self, key: str) -> None:
        """Enter a key on the page of the sign-in, which is open."""
        self.page.get_by_label("Your API key").fill(key)
        self.press("Sign in")

    def press(self, name: str | re.Pattern[str]) -> None:
        """Press the button with this name."""
        self.button(name).click()

    def go_to(self, section: str) -> None:
        """Follow the link to a section, which every page has."""
        self.page.get_by_role("navigation", name="Sections").get_by_role("link", name=section).click()

    def follow(self, name: str | re.Pattern[str]) -> None:
        """Follow the link with this name."""
        self.link(name).click()

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """Return the button with this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str | re.Pattern[str]) -> Locator:
        """Return the link with this name."""
        return self.page.get_by_role("link", name=name, exact=True)

    def heading(self, name: str | re.Pattern[str]) -> Locator:
        """Return the heading of the page if it has this name."""
        return self.page.get_by_role("heading", level=1, name=name, exact=True)

    @property
    def path(self) -> str:
        """The path and the query of the address that the browser shows."""
        parts = urlsplit(self.page.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def _sign_out(self) -> None:
        """End the session, if any: a server keeps the files of only a few uploads."""
        token = re.search(r'name="token" value="(\w+)"', self.context.request.get("/ui/upload").text())
        if token:
            self.context.request.post("/ui/sign-out", form={"token": token[1]})

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.messages.append(f"{message.type} at {message.location['url']}: {message.text}")

    def _note_error(self, error: WebError) -> None:
        self.complaints.messages.append(f"uncaught: {error.error}")

    def _note_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self.address:
            self.complaints.foreign.append(request.url)


Visit = Callable[..., Person]
"""The type of the fixture ``visit``."""
