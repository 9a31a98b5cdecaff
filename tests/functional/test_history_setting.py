"""The setting ``paymentagg.history_days``, and that both entry points keep what it asks for."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from webtest import TestApp

from api import sync
from builders import patient_row
from command import Command
from paymentagg.adapters.sql.tables import row_changes
from paymentagg.app import main
from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.settings import read_settings

NAME, VARIABLE = "paymentagg.history_days", "PAYMENTAGG_HISTORY_DAYS"


def test_ninety_days_are_the_default_and_the_environment_beats_the_ini_file() -> None:
    assert read_settings({}, {}).history_days == 90
    assert read_settings({NAME: "0"}, {}).history_days == 0
    assert read_settings({NAME: "0"}, {VARIABLE: "36500"}).history_days == 36_500


@pytest.mark.parametrize("value", ["", "-1", "36501", "1.5", "90 days", "٩"])
def test_a_wrong_number_of_days_is_refused(value: str) -> None:
    with pytest.raises(InvalidParameter, match=NAME):
        read_settings({NAME: value}, {})
    with pytest.raises(InvalidParameter, match=VARIABLE):
        read_settings({}, {VARIABLE: value})


@pytest.mark.parametrize(("days", "rows"), [("1", 1), ("0", 0)])
def test_over_http_rows_are_kept_unless_the_setting_is_zero(database_url: str, days: str, rows: int) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": database_url, NAME: days}))
    for name in ("Rick", "Roy"):
        sync(app, "/patients", [patient_row("5", firstName=name)])
    assert kept(database_url) == rows


@pytest.mark.parametrize(("days", "rows"), [("1", 1), ("0", 0)])
def test_on_the_console_rows_are_kept_unless_the_setting_is_zero(tmp_path: Path, days: str, rows: int) -> None:
    script = Command(tmp_path, None)
    for name in ("Rick", "Roy"):
        snapshot = f'[{{"externalId": "5", "firstName": "{name}", "lastName": "Deckard"}}]'.encode()
        assert script.run("--patients", "-", stdin=snapshot, **{VARIABLE: days}).returncode == 0
    assert kept(f"sqlite:///{tmp_path / 'paymentagg.sqlite'}") == rows


def kept(url: str) -> int:
    """Return how many rows of the history there are."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(row_changes)) or 0
