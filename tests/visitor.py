"""A person with a browser without JavaScript, as a WebTest client."""

import re
from typing import Any

from webtest import TestApp, TestResponse, Upload

from api import registry
from builders import array
from paymentagg.domain.sessions import digest_of
from paymentagg.entrypoints.pages.shared import Shared

WITHOUT_WHITE_SPACE = re.compile(r"\s+")


VISITORS: "list[Visitor]" = []
"""All visitors of a test."""


class Visitor:
    """Follows links, sends forms, and keeps the cookie."""

    def __init__(self, app: TestApp, *, address: str = "192.0.2.1") -> None:
        self.app = TestApp(app.app, extra_environ={"REMOTE_ADDR": address, "HTTP_ACCEPT": "text/html"})
        VISITORS.append(self)

    def give_up(self) -> None:
        """Close the files that wait for this browser."""
        shared: Shared = registry(self.app).pages
        token = self.app.cookies.get("paymentagg_session")
        if token:
            shared.desk.sign_out(digest_of(token.rpartition(".")[2]))

    def sign_in(self, key: str, status: int = 303) -> TestResponse:
        """Send the form of the sign-in with this key."""
        form = self.app.get("/ui/sign-in").forms[0]
        form["key"] = key
        return form.submit(status=status)

    def get(self, path: str, status: int = 200) -> TestResponse:
        """Return a page."""
        return self.app.get(path, status=status)

    def token(self) -> str:
        """Return the token of the forms of this browser."""
        found = re.search('name="token" value="([0-9a-f]{64})"', self.app.get("/ui/sign-in", status="*").text)
        if found is None:  # it is signed in, or needn't be
            found = re.search('name="token" value="([0-9a-f]{64})"', self.get("/ui/upload").text)
        assert found is not None
        return found[1]

    def post(self, path: str, status: int = 303, **fields: str) -> TestResponse:
        """Send a form with the token of this browser."""
        return self.app.post(path, fields | {"token": self.token()}, status=status)

    def upload(
        self, patients: list[Any] | None = None, payments: list[Any] | None = None, status: int = 303, **fields: str
    ) -> TestResponse:
        """Send the form of an upload, with these rows as files."""
        form = last_form(self.get("/ui/upload"))
        for name, rows in (("patients", patients), ("payments", payments)):
            if rows is not None:
                form[name] = Upload(f"{name}.json", array(*rows))
        for name, value in fields.items():
            form[name] = value
        submitted: TestResponse = form.submit(status=status)
        return submitted


def last_form(response: TestResponse) -> Any:
    """Return the last form of a page: its main one."""
    return response.forms[max(key for key in response.forms if isinstance(key, int))]


def soup(response: TestResponse) -> Any:  # the types of BeautifulSoup allow everything to be anything
    """Return the elements of a page."""
    return response.html


def text(response: TestResponse) -> str:
    """Return what a page says, in one line."""
    return WITHOUT_WHITE_SPACE.sub(" ", response.html.get_text(" "))
