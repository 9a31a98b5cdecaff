"""The settings of paymentagg and of its server, with their meanings and defaults, as tables in Markdown."""

from paymentagg.entrypoints import settings as application
from paymentagg.entrypoints.waitress_server import server

URL = "sqlalchemy.url"


def settings() -> str:
    """Return a table of all settings of ``[app:main]``."""
    rows = [
        f"| `{URL}` | `PAYMENTAGG_DATABASE_URL` | an SQLite file, `paymentagg.sqlite` | the URL of the database |",
    ]
    for name, default in application.DEFAULTS.items():
        shown = f"`{default}`" if default else "none"
        variable = name.replace(".", "_").upper()
        rows.append(f"| `{name}` | `{variable}` | {shown} | {application.MEANINGS[name]} |")
    rows.append("| | `PAYMENTAGG_PRACTICE` | none | the practice that console scripts work for, as `--practice` |")
    return "\n".join(["| ini | environment | default | meaning |", "| --- | --- | --- | --- |", *rows])


def server_settings() -> str:
    """Return a table of all settings of ``[server:main]``."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in server.SETTINGS.items()]
    return "\n".join(["| setting | meaning |", "| --- | --- |", *rows])
