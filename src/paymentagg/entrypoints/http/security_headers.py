"""Security headers of every response."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Defaults; a response may set its own value."""

OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""Additional headers over HTTPS."""


def add_missing(headers: list[tuple[str, str]], scheme: str) -> None:
    """Add the headers that a response doesn't have yet, in place."""
    present = {name.lower() for name, _ in headers}
    table = HEADERS | OVER_TLS if scheme == "https" else HEADERS
    headers += [(name, value) for name, value in table.items() if name.lower() not in present]
