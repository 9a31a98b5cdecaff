"""What is previewed on a page waits in one process, to which nginx sends all requests of the browser."""

from builders import patient_row
from deployment.client import Browser
from deployment.installation import Installation
from paymentagg.domain.access import Role

BROWSERS = 8


def test_what_is_previewed_through_nginx_is_applied_whatever_process_has_it(installed: Installation) -> None:
    for number in range(BROWSERS):
        person = signed_in(installed)
        preview = person.preview([patient_row("5", middleName=f"{number}")])
        waiting = ["What would change" in person.through(one).get("/ui/upload") for one in installed.direct]
        assert sorted(waiting) == [False, False, False, True]
        sync = person.apply(preview)
        changed = installed.nginx.get("/patients/5", installed.bearer()).json
        assert changed["middleName"] == f"{number}"
        assert installed.nginx.get(f"/syncs/{sync}", installed.bearer()).status == 200


def test_a_preview_that_another_process_has_isnt_applied_and_the_page_says_what_to_do(installed: Installation) -> None:
    person = signed_in(installed)
    preview = person.preview([patient_row("5", middleName="elsewhere")])
    for one in installed.direct:
        browser = person.through(one)
        if "What would change" not in browser.get("/ui/upload"):
            page = browser.send("/ui/upload/apply", {"preview": preview}, 404)
            assert "preview again" in page
    assert person.apply(preview)


def signed_in(installed: Installation) -> Browser:
    """Return a browser in which a clerk is signed in."""
    person = Browser(installed.nginx)
    person.sign_in(installed.keys.key(Role.CLERK))
    return person
