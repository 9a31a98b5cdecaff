"""The setting ``paymentagg.read_url``."""

import pytest

from paymentagg.app import build
from paymentagg.domain.errors import InvalidParameter

POSTGRESQL = {"sqlalchemy.url": "postgresql://localhost/practice"}


def test_there_is_no_replica_unless_the_setting_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build(POSTGRESQL).database.replica_is_available is None
    assert build(POSTGRESQL | {"paymentagg.read_url": ""}).database.replica_is_available is None
    url = "postgresql://nobody@127.0.0.1:1/none"
    assert build(POSTGRESQL | {"paymentagg.read_url": url}).database.replica_is_available is False
    monkeypatch.setenv("PAYMENTAGG_READ_URL", url)
    assert build(POSTGRESQL).database.replica_is_available is False


@pytest.mark.parametrize(
    "url", ["a secret", "sqlite:///secret.sqlite", "mysql://secret@host/practice", "postgresql://host:secret/practice"]
)
def test_what_isnt_the_url_of_a_replica_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^paymentagg.read_url: must ") as refused:
        build(POSTGRESQL | {"paymentagg.read_url": url})
    assert "secret" not in str(refused.value)


def test_sqlite_has_no_replicas() -> None:
    settings = {"sqlalchemy.url": "sqlite:///practice.sqlite", "paymentagg.read_url": "postgresql://host/practice"}
    with pytest.raises(
        InvalidParameter, match=r"^paymentagg.read_url: only PostgreSQL has replicas; .* sqlalchemy.url"
    ):
        build(settings)
