"""The command line of paymentagg-sync, parsed."""

from decimal import Decimal
from pathlib import Path

import pytest

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.entrypoints.console.command_line import BUILTIN_INI
from paymentagg.entrypoints.console.sync_options import parse


def test_both_forms_say_which_file_holds_which_model() -> None:
    assert parse(["--input-file", "a", "--model-name", "payment"]).files == {"payment": "a"}
    assert list(parse(["--payments", "b", "--patients", "a"]).files.items()) == [("patient", "a"), ("payment", "b")]


def test_a_limit_is_taken_as_it_is_without_a_floor() -> None:
    assert parse(["--patients", "a", "--max-delete", "50%"]).max_delete == DeletionLimit(percent=Decimal(50), floor=0)
    assert parse(["--patients", "a", "--max-delete", "3000"]).max_delete == DeletionLimit(rows=3000, floor=0)
    assert parse(["--patients", "a"]).max_delete is None


def test_the_defaults_ask_for_nothing_special() -> None:
    options = parse(["--patients", "a"])

    assert (options.verbosity, options.color, options.progress) == (1, True, True)
    assert not any((options.dry_run, options.strict, options.json, options.traceback, options.rejects))


def test_v_alone_asks_for_every_change() -> None:
    assert parse(["-v", "--patients", "a"]).verbosity == parse(["--verbosity", "2", "--patients", "a"]).verbosity == 2


def test_the_settings_come_from_the_ini_file_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(["--patients", "a"]).ini == str(BUILTIN_INI)

    (tmp_path / "development.ini").touch()
    assert parse(["--patients", "a"]).ini == "development.ini"

    (tmp_path / "own.ini").touch()
    assert parse(["--patients", "a", "-c", "own.ini"]).ini == "own.ini"
    assert parse(["--patients", "a", "-c", "own.ini#other"]).ini == "own.ini#other"


def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--patients", "-", "--payments", "-"])

    assert ended.value.code == 2
    assert "paymentagg-sync: error: only one of" in capsys.readouterr().err
