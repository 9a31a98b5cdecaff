"""Clients of a server or of the nginx before several: of the API, and a browser without JavaScript."""

import http.client
import re
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from api import MULTIPART, multipart, part
from builders import array
from server import PATIENCE, Answer, ask, until

FORM = "application/x-www-form-urlencoded"


class Client:
    """Sends each request over a new connection.

    Args:
        address: host and port.
        source: the address from which it connects.
    """

    def __init__(self, address: str, source: str = "127.0.0.1") -> None:
        self.address = address
        self._source = source

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a GET request."""
        return self.request("GET", path, b"", headers)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send JSON, unless a header says otherwise."""
        return self.request("POST", path, body, {"Content-Type": "application/json", **headers})

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE, source_address=(self._source, 0))
        try:
            return ask(connection, method, path, body or None, headers)
        finally:
            connection.close()


class Browser:
    """Keeps the cookie, and sends forms with their tokens."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._cookie = ""

    def through(self, client: Client) -> "Browser":
        """Return a browser with the same cookie that reaches another server."""
        other = Browser(client)
        other._cookie = self._cookie
        return other

    def get(self, path: str, status: int = 200) -> str:
        """Return the text of a page."""
        return self._sent("GET", path, b"", {}, status)

    def send(self, path: str, fields: Mapping[str, str], status: int = 303, *, form: str = "/ui/upload") -> str:
        """Send a form with the token on the page ``form``."""
        return self._sent("POST", path, urlencode({"token": self._token(form), **fields}).encode(), {}, status)

    def sign_in(self, key: str, status: int = 303) -> str:
        """Send the form of the sign-in."""
        return self.send("/ui/sign-in", {"key": key}, status, form="/ui/sign-in")

    def preview(self, patients: list[Any]) -> str:
        """Upload patients; return what stands for their preview when it is done."""
        token = part("token", self._token("/ui/upload").encode(), None, None)
        body = multipart(token, part("patients", array(*patients)))
        self._sent("POST", "/ui/upload", body, {"Content-Type": MULTIPART}, 303)
        until(lambda: "data-poll" not in self.get("/ui/upload"))
        found = re.search('name="preview" value="([^"]+)"', self.get("/ui/upload"))
        assert found is not None
        return found[1]

    def apply(self, preview: str) -> int:
        """Apply a preview; return the id of the sync."""
        self.send("/ui/upload/apply", {"preview": preview})
        until(lambda: "data-poll" not in self.get("/ui/upload"))
        found = re.search('Done and committed as <a href="/ui/syncs/([0-9]+)"', self.get("/ui/upload"))
        assert found is not None
        return int(found[1])

    def _token(self, path: str) -> str:
        found = re.search('name="token" value="([0-9a-f]{64})"', self.get(path))
        assert found is not None
        return found[1]

    def _sent(self, method: str, path: str, body: bytes, headers: Mapping[str, str], status: int) -> str:
        named = {"Accept": "text/html", "Cookie": self._cookie, "Content-Type": FORM, **headers}
        answer = self.client.request(method, path, body, named)
        text = answer.body.decode()
        assert answer.status == status, text
        for line in answer.headers.get_all("Set-Cookie", []):
            self._cookie = "; ".join(f"{name}={each.value}" for name, each in SimpleCookie(line).items())
        return text
