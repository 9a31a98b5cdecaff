"""Every command of README.md and docs/ is run as it stands there, and prints what is shown below it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from docs import fences, shell
from docs.comparison import agrees
from docs.workshop import workshop
from postgres import own_postgres


@pytest.mark.parametrize("page", [page for page in fences.pages() if page.run_here], ids=lambda page: page.name)
def test_the_commands_of_the_page_do_what_it_says(
    page: fences.Page, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    server = request.getfixturevalue("server_of_pages") if "postgresql" in page.presupposed else None
    prepared = workshop(folder, page.presupposed, server)
    commands = [command for fence in page.run_here for command in fence.commands]

    typed = [
        *((text, 0) for text in prepared.preparation),
        *((prepared.here(each.text), each.status) for each in commands),
    ]
    outcomes = shell.run(typed, folder, prepared.environment, out)

    first = len(prepared.preparation)
    assert [(text, done.printed) for (text, _), done in zip(typed, outcomes[:first], strict=False) if done.status] == []
    for command, outcome in zip(commands, outcomes[first:], strict=True):
        printed = prepared.as_shown(outcome.printed)
        where = f"{page.name}:{command.line}: {command.text}\nprinted:\n{printed}"
        status_is_right = outcome.status == command.status
        assert status_is_right, f"{where}\nexit status: {outcome.status}"
        output_is_right = not command.shown or agrees(printed, command.shown)
        assert output_is_right, f"{where}\nshown:\n{command.shown}"


@pytest.fixture(scope="module")
def server_of_pages() -> Iterator[sa.URL]:
    """A PostgreSQL server of the pages alone: they name its roles and databases as an installation would."""
    with own_postgres() as server:
        yield server.url
