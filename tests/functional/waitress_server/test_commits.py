"""The tests' own server that pauses before a COMMIT."""

from pathlib import Path

import pytest

from commits import committing


def test_a_server_that_does_not_start_fails_its_test_with_what_it_wrote(tmp_path: Path, sqlite_url: str) -> None:
    with pytest.raises(AssertionError, match=r"\[server:main\]"), committing(tmp_path, sqlite_url, threads="many"):
        pass
