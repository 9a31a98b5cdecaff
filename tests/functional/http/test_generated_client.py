"""A client that openapi-python-client makes of /openapi.json, as docs/integrators.md says, and a real server."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from docs.fences import page
from keyring import Keyring
from paymentagg.domain.access import Role
from postgres import empty
from project import SAMPLES
from server import Server, serving

PACKAGE = "paymentagg_client"
SITE = "https://paymentagg.example.org"
COMMANDS = [
    command.text
    for fence in page("docs/integrators.md").run_here
    for command in fence.commands
    if "openapi.json" in command.text
]
"""The commands of the page that make the client."""


class Api:
    """The operations of a generated client: ``api.list_patients(limit=1)`` returns what its ``sync`` does."""

    def __init__(self, address: str, key: str | None) -> None:
        self.models = importlib.import_module(f"{PACKAGE}.models")
        self.types = importlib.import_module(f"{PACKAGE}.types")
        package = importlib.import_module(PACKAGE)
        hooks = {"event_hooks": {"response": [exactly]}}
        if key is None:
            self._client = package.Client(f"http://{address}", httpx_args=hooks)
        else:
            self._client = package.AuthenticatedClient(f"http://{address}", token=key, httpx_args=hooks)

    def close(self) -> None:
        """Close the client's connections."""
        self._client.get_httpx_client().close()

    def detailed(self, operation: str, *arguments: Any, **parameters: Any) -> Any:
        """Return the response with its status and headers."""
        return operations()[operation].sync_detailed(*arguments, client=self._client, **parameters)

    def __getattr__(self, operation: str) -> Any:
        """Return the function of an operation, which returns what was parsed."""
        return lambda *arguments, **parameters: self.detailed(operation, *arguments, **parameters).parsed


def exactly(response: Any) -> None:
    """Let a response make decimals of numbers, as the page says."""
    response.json = lambda: json.loads(response.read(), parse_float=Decimal)


def operations() -> dict[str, ModuleType]:
    """Return the modules of the operations that the generator has written."""
    folder = Path(importlib.import_module(PACKAGE).__path__[0]) / "api"
    files = [file for file in folder.glob("*/*.py") if file.stem != "__init__"]
    return {file.stem: importlib.import_module(f"{PACKAGE}.api.{file.parent.name}.{file.stem}") for file in files}


@pytest.fixture(scope="module")
def server(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str, str]]:
    """A server that requires keys, on each engine; the keys of an admin and of a reader."""
    if shared_database_url.startswith("postgresql"):
        empty(shared_database_url)
    keys = Keyring(shared_database_url)
    admin, reader = keys.key(Role.ADMIN), keys.key(Role.READER)
    keys.store.close()
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, shared_database_url, {"paymentagg.access": "keys"}) as running:
        yield running, admin, reader


@pytest.fixture(scope="module")
def _generated(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package, importable, made once for both engines; if the generator has a warning, the command fails."""
    folder, tools = tmp_path_factory.mktemp("client"), Path(sys.executable).parent
    with serving(folder / "server", f"sqlite:///{migrated_sqlite}") as running:
        script = "\n".join(COMMANDS).replace(SITE, f"http://{running.address}")
        environment = os.environ | {"KEY": "", "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        command = ["/bin/bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def api(server: tuple[Server, str, str], _generated: None) -> Iterator[Api]:
    """The client with the key of an admin."""
    with closing(Api(server[0].address, server[1])) as client:
        yield client


def sample(api: Api, **replaced: Any) -> Any:
    """Return the body of an upload of the sample, with other contents for some of the files."""
    contents = {name: (SAMPLES / f"{name}.json").read_bytes() for name in ("patients", "payments")} | replaced
    files = {name: api.types.File(payload=text, file_name=f"{name}.json") for name, text in contents.items()}
    return api.models.SyncSnapshotBody(**files)


@pytest.mark.usefixtures("_generated")
def test_it_has_a_function_for_every_operation() -> None:
    assert {*operations()} >= {
        *("list_patients", "get_patient", "sync_patients", "list_payments", "get_payment", "sync_payments"),
        *("sync_snapshot", "list_syncs", "get_sync", "list_changes", "list_rejections", "undo_sync", "get_history"),
        *("get_figures", "get_histogram", "list_sync_days", "check_liveness", "check_readiness", "get_description"),
    }


def test_it_walks_over_the_whole_api(api: Api) -> None:
    tried = api.sync_snapshot(body=sample(api), dry_run=True)
    assert (tried.id, tried.patients.created, tried.payments.created) == (None, 4, 6)
    first = api.detailed("sync_snapshot", body=sample(api), idempotency_key="one")
    again = api.detailed("sync_snapshot", body=sample(api), idempotency_key="one")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.parsed == again.parsed

    exact = api.models.ListPatientsCount.EXACT
    page = api.detailed("list_patients", payment_min="10", payment_max="30.00", limit=1, count=exact)
    assert (page.status_code, page.headers["X-Total-Count"]) == (200, "2")
    after = page.headers["Link"].partition("after=")[2].partition(">")[0]
    (rest,) = api.list_patients(payment_min="10", payment_max="30.00", limit=1, after=after)
    assert [each.external_id for each in (*page.parsed, rest)] == ["5", "8"]
    assert api.detailed("list_patients", if_none_match=page.headers["ETag"], limit=1).status_code == 200
    same = api.detailed("get_patient", "8", if_none_match=api.detailed("get_patient", "8").headers["ETag"])
    assert (same.status_code, same.parsed) == (304, None)

    patient = api.get_patient("5", min_sync=first.parsed.id)
    assert str(patient.payment_total) == "17.22"
    assert (patient.date_of_birth.year, patient.created.utcoffset().total_seconds()) == (2094, 0)
    assert [str(each.amount) for each in api.list_payments(external_id="5")] == ["4.46", "5.66", "7.10"]

    rows = [api.models.SentPayment("501", "5", "4.47"), api.models.SentPayment("9", "nobody", 1.5)]
    second = api.sync_payments(body=rows, max_delete="100%")
    assert (second.payments.updated, second.payments.deleted, second.payments.rejected) == (1, 5, 1)
    assert [each.code for each in api.list_rejections(second.id)] == [api.models.RejectionCode.UNKNOWN_PATIENT]
    assert api.list_syncs(limit=1) == [api.get_sync(second.id)]
    (change,) = api.list_changes(second.id, kind=api.models.ChangeKind.UPDATED)
    assert (str(change.before.amount), str(change.after.amount)) == ("4.46", "4.47")
    assert api.get_history(payment="501") == [change]

    figures = api.get_figures()
    assert (figures.payments, str(figures.sum_), str(figures.mean_payment)) == (1, "4.47", "4.47")
    assert sum(each.count for each in api.get_histogram(bins=3)) == 4
    assert api.list_sync_days()[-1].total_after.payments == 1

    undone = api.undo_sync(second.id)
    assert (undone.undoes, undone.payments.created, undone.payments.updated) == (second.id, 5, 1)
    assert str(api.get_payment("501").amount) == "4.46"
    assert api.check_readiness()["status"] == "ok"


def test_errors_are_problems_with_their_members(api: Api, server: tuple[Server, str, str]) -> None:
    problems = api.models.ProblemType

    wrong = api.list_patients(payment_min="1,50")
    assert (wrong.type_, wrong.parameter) == (problems.INVALID_PARAMETER, "payment_min")
    cut = api.sync_snapshot(body=sample(api, patients=b'[{"externalId": "1"'), dry_run=True)
    assert (cut.type_, cut.row) == (problems.INVALID_SNAPSHOT, 1)
    refused = api.sync_patients(body=[api.models.SentPatient("1", "A", "")], dry_run=True, strict=True)
    assert (refused.type_, refused.errors[0].code) == (problems.REJECTED_ROWS, api.models.RejectionCode.BLANK)
    unknown = api.detailed("get_patient", "a/b?c")
    assert (unknown.status_code, unknown.parsed.type_) == (404, problems.NOT_FOUND)

    running, _, reader = server
    for key, status, kind in ((None, 401, problems.UNAUTHORIZED), (reader, 403, problems.FORBIDDEN)):
        with closing(Api(running.address, key)) as client:
            answer = client.detailed("sync_snapshot", body=sample(api))
        assert (answer.status_code, answer.parsed.type_) == (status, kind)
