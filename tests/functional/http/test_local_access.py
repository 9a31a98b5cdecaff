"""Access without API keys: from this machine only, and not by pages of other sites."""

import pytest
from webtest import TestApp

from api import MULTIPART, checked, multipart, part, post, stored
from builders import array, patient_row
from paymentagg.app import main
from paymentagg.domain.errors import InvalidParameter

PATIENT = array(patient_row("5"))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "localhost", "", None])
def test_without_keys_this_machine_is_served(database_url: str, peer: str | None) -> None:
    here = TestApp(main({}, **{"sqlalchemy.url": database_url}), extra_environ=peer_environ(peer))
    post(here, "/patients?max_delete=100%25", PATIENT)
    here.get("/patients", status=200)
    here.get("/syncs", status=200)


@pytest.mark.parametrize("peer", ["192.0.2.1", "128.0.0.1", "::2", "::ffff:192.0.2.1", "fe80::1%eth0", "example.org"])
def test_without_keys_no_other_machine_is_served(database_url: str, peer: str) -> None:
    elsewhere = TestApp(main({}, **{"sqlalchemy.url": database_url}), extra_environ=peer_environ(peer))
    for path in ("/patients", "/nothing", "/syncs"):
        problem = checked(elsewhere.get(path, status=403), "forbidden", 403)
        assert "paymentagg.access = keys" in problem["detail"]
        forged = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
        elsewhere.get(path, headers=forged, status=403)


@pytest.mark.parametrize("origin", ["https://example.org", "http://localhost:81", "https://localhost", "null", ""])
def test_without_keys_a_page_of_another_site_is_not_served(database_url: str, origin: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    body = multipart(part("patients", PATIENT))
    response = post(app, "/snapshot", body, MULTIPART, status=403, Origin=origin)
    checked(response, "forbidden", 403)
    assert stored(app) == (0, 0)
    post(app, "/snapshot", body, MULTIPART, status=403, Origin="http://localhost:80")
    post(app, "/snapshot", body, MULTIPART, status=200, Origin="http://localhost")


def test_a_wrong_setting_stops_the_start(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidParameter, match=r"^paymentagg.access: must be local or keys"):
        main({}, **{"sqlalchemy.url": database_url, "paymentagg.access": "open"})
    monkeypatch.setenv("PAYMENTAGG_ACCESS", "")
    with pytest.raises(InvalidParameter, match=r"^PAYMENTAGG_ACCESS: must be local or keys"):
        main({}, **{"sqlalchemy.url": database_url})


def test_the_environment_beats_the_ini_file(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTAGG_ACCESS", "keys")
    app = TestApp(main({}, **{"sqlalchemy.url": database_url, "paymentagg.access": "local"}))
    app.get("/patients", status=401)


def peer_environ(peer: str | None) -> dict[str, str]:
    """Return the WSGI environment of a peer; None is a server that doesn't set the address."""
    return {} if peer is None else {"REMOTE_ADDR": peer}
