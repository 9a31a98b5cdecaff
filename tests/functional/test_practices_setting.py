"""The setting ``paymentagg.practices``."""

import pytest

from paymentagg.app import build
from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.settings import Practices, read_settings

POSTGRESQL = {"sqlalchemy.url": "postgresql://localhost/practices"}
MANY = {"paymentagg.practices": "many"}
KEYS = {"paymentagg.access": "keys"}


def test_there_is_one_practice_unless_the_setting_says_many() -> None:
    assert read_settings({}, {}).practices is Practices.ONE
    assert read_settings(MANY | KEYS, {}).practices is Practices.MANY
    assert read_settings(MANY, {"PAYMENTAGG_PRACTICES": "one"}).practices is Practices.ONE


def test_another_value_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"^PAYMENTAGG_PRACTICES: must be one or many"):
        read_settings({}, {"PAYMENTAGG_PRACTICES": "two"})


def test_many_practices_need_keys() -> None:
    with pytest.raises(InvalidParameter, match=r"^paymentagg.practices: many needs .*; set paymentagg.access = keys"):
        build(POSTGRESQL | MANY)


def test_many_practices_need_postgresql() -> None:
    with pytest.raises(InvalidParameter, match=r"^paymentagg.practices: many needs PostgreSQL, .*; set sqlalchemy.url"):
        build({"sqlalchemy.url": "sqlite:///practices.sqlite"} | MANY | KEYS)
    build(POSTGRESQL | MANY | KEYS)
