"""docs/nginx.conf: what it lets through, and what it leaves to paymentagg."""

import json
import re

from builders import array, patient_row
from deployment.client import Client
from deployment.installation import Installation
from deployment.nginx import CONFIGURATION
from keyring import forged
from project import PROJECT

LARGE = array(*(patient_row(f"{number}") for number in range(30_000)))
"""More than fits into the buffers of all sockets on the way, so that whoever reads it has to."""


def test_a_body_is_limited_by_paymentagg_and_not_by_nginx() -> None:
    nginx = re.search(r"client_max_body_size ([0-9]+);", CONFIGURATION.read_text())
    server = re.search(r"^max_request_body_size = ([0-9]+)$", (PROJECT / "production.ini").read_text(), re.MULTILINE)
    assert nginx is not None
    assert server is not None
    assert int(nginx[1]) == int(server[1]) - 1


def test_a_large_snapshot_passes_and_one_with_a_wrong_key_is_refused_by_paymentagg(installed: Installation) -> None:
    stranger = Client(installed.nginx.address, "127.0.0.31")
    for _ in range(5):
        answer = stranger.post("/patients", LARGE, {"Authorization": f"Bearer {forged()}"})
        assert (answer.status, answer.code) == (401, "unauthorized")
    answer = installed.nginx.post("/patients", LARGE, installed.bearer())
    assert (answer.status, answer.json["patients"]["created"]) == (200, 30_000)


def test_links_have_the_name_and_the_scheme_that_the_client_has_used(installed: Installation) -> None:
    admin = installed.bearer()
    installed.nginx.post("/patients?max_delete=100%25", array(patient_row("5"), patient_row("6")), admin)
    answer = installed.nginx.get("/patients?limit=1", admin | {"Host": "paymentagg.example.org"})
    assert answer.headers["Link"].startswith("<http://paymentagg.example.org/patients?")
    forwarded = {"X-Forwarded-Host": "evil.example.org", "X-Forwarded-Proto": "https"}
    answer = installed.nginx.get("/patients?limit=1", admin | forwarded)
    assert answer.headers["Link"].startswith("<http://127.0.0.1/patients?")


def test_a_response_is_not_compressed_and_keeps_its_entity_tag(installed: Installation) -> None:
    asked = installed.bearer() | {"Accept-Encoding": "gzip"}
    for path in ("/patients", "/openapi.json"):
        answers = [client.get(path, asked) for client in (installed.nginx, installed.direct[0])]
        assert answers[0].headers["Content-Encoding"] is None
        assert answers[0].headers["ETag"] == answers[1].headers["ETag"]


def test_a_request_has_the_id_that_nginx_gives_it_and_none_that_its_client_chooses(installed: Installation) -> None:
    answer = installed.nginx.get("/patients?limit=1", installed.bearer() | {"X-Request-Id": "chosen"})
    request = answer.headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", request)
    lines = [json.loads(line) for line in installed.audit_log.read_text().splitlines()]
    assert lines[-1]["request"] == request
    assert installed.direct[0].get("/health/live", {"X-Request-Id": "own-id"}).headers["X-Request-Id"] == "own-id"


def test_what_is_searched_for_is_in_no_log_of_nginx(installed: Installation) -> None:
    for path in ("/patients?q=Deckard", "/ui/patients?q=Deckard", "/nowhere?q=Deckard"):
        installed.nginx.get(path)
    logs = list(installed.folder.glob("nginx/*.log"))
    assert logs
    assert not any("Deckard" in file.read_text() for file in logs)
