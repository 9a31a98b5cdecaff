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


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:6543", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
def test_without_keys_a_site_whose_name_points_here_is_not_served(database_url: str, host: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    post(app, "/patients", PATIENT)
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
        checked(app.get("/patients", headers=headers, status=403), "forbidden", 403)
        emptied = post(app, "/patients?max_delete=100%25", array(), status=403, **headers)
        assert "paymentagg.hosts" in checked(emptied, "forbidden", 403)["detail"]
    assert stored(app) == (1, 0)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:6543", "127.0.0.1:6543", "[::1]", "[::1]:6543"])
def test_without_keys_this_machine_is_served_by_its_own_names(database_url: str, host: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    app.get("/patients", headers={"Host": host}, status=200)


@pytest.mark.parametrize("site", ["cross-site", "Cross-Site"])
def test_without_keys_a_browser_that_comes_from_another_site_is_not_served(database_url: str, site: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    checked(app.get("/patients", headers={"Sec-Fetch-Site": site}, status=403), "forbidden", 403)
    for own in ("same-origin", "none"):
        app.get("/patients", headers={"Sec-Fetch-Site": own}, status=200)


def test_the_hosts_of_the_settings_are_served_and_no_others(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"sqlalchemy.url": database_url, "paymentagg.hosts": "Pay.example.org, [fd00::7]"}
    app = TestApp(main({}, **settings))
    for host in ("pay.example.org", "pay.example.org:443", "[fd00::7]:8080", "localhost"):
        app.get("/patients", headers={"Host": host}, status=200)
    app.get("/patients", headers={"Host": "example.org"}, status=403)
    with_keys = TestApp(main({}, **settings, **{"paymentagg.access": "keys"}))
    with_keys.get("/patients", headers={"Host": "pay.example.org"}, status=401)
    for host in ("example.org", "localhost"):
        with_keys.get("/patients", headers={"Host": host}, status=403)
        with_keys.get("/health/live", headers={"Host": host}, status=200)
    monkeypatch.setenv("PAYMENTAGG_HOSTS", "http://pay.example.org")
    with pytest.raises(InvalidParameter, match=r"^PAYMENTAGG_HOSTS: must be host names without a port"):
        main({}, **settings)


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
