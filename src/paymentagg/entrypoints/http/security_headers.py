"""What every answer says of how it may be used."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What an answer says where it hasn't said something better itself."""

OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""What answers over https say beyond that."""


def add_missing(headers: list[tuple[str, str]], scheme: str) -> None:
    """Add what isn't said yet."""
    said = {name.lower() for name, _ in headers}
    table = HEADERS | OVER_TLS if scheme == "https" else HEADERS
    headers += [(name, value) for name, value in table.items() if name.lower() not in said]
