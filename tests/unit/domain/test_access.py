"""Roles and permissions, and the deletion limits that each role may set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paymentagg.domain.access import LOCAL_ADMIN, Permission, Principal, Role, roles_with
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import Forbidden

READER, SYNCER, CLERK, ADMIN = (Principal("abcd1234", role) for role in Role)

STORES = [*range(60), *range(100, 3000, 100)]
"""Numbers of stored rows: enough of them to find one at which two small limits differ, if there is any."""

limits = st.builds(
    lambda text, floor: DeletionLimit.parse(text, floor=floor),
    st.integers(0, 25).map(str) | st.integers(0, 20).map(lambda fifths: f"{5 * fifths}%"),
    st.integers(0, 20),
)


@given(limits, limits)
def test_a_limit_exceeds_another_if_it_allows_more_for_any_number_of_rows(
    one: DeletionLimit, other: DeletionLimit
) -> None:
    more = [stored for stored in STORES if min(one.allowed(stored), stored) > min(other.allowed(stored), stored)]
    assert one.exceeds(other) == bool(more)


@pytest.mark.parametrize(
    ("guard", "limit", "above"),
    [
        ("20%", "20%", False),
        ("20%", "19.9%", False),
        ("20%", "20.1%", True),
        ("20%", "100", False),  # the floor
        ("20%", "101", True),
        ("20%", "0", False),
        ("3000", "3000", False),
        ("3000", "3001", True),
        ("3000", "1%", True),  # exceeds it in a large enough store
        ("50", "100", False),  # the floor is higher
        ("100%", "100%", False),
        ("100%", "999999999999", False),
    ],
)
def test_only_an_admin_may_set_a_limit_above_the_guards(guard: str, limit: str, above: bool) -> None:
    configured, asked = DeletionLimit.parse(guard, floor=100), DeletionLimit.parse(limit)
    ADMIN.check_limit(asked, configured)
    LOCAL_ADMIN.check_limit(asked, configured)
    for principal in (SYNCER, CLERK):
        if above:
            with pytest.raises(Forbidden, match=r"^max_delete: .* the guard's limit, which is "):
                principal.check_limit(asked, configured)
        else:
            principal.check_limit(asked, configured)


@pytest.mark.parametrize(
    ("limit", "floor", "words"),
    [
        ("20%", 100, "20%, or 100 rows if that is more"),
        ("12.5%", 0, "12.5%"),
        ("30", 0, "30 rows"),
        ("30", 100, "100 rows"),
    ],
)
def test_a_limit_says_what_it_allows(limit: str, floor: int, words: str) -> None:
    assert str(DeletionLimit.parse(limit, floor=floor)) == words


def test_a_value_that_is_no_permission_is_never_allowed() -> None:
    for principal in (READER, SYNCER, CLERK, ADMIN, LOCAL_ADMIN):
        assert principal.may(Permission.ENTER)
        assert not principal.may("closed")
        assert not principal.may(None)


def test_an_idempotency_key_belongs_to_its_api_key() -> None:
    assert LOCAL_ADMIN.own("monday") == "monday"
    assert SYNCER.own("monday") != Principal("other123", Role.SYNCER).own("monday")


def test_a_clerk_may_do_what_a_reader_and_a_syncer_may_and_preview_but_not_what_only_an_admin_may() -> None:
    allowed = {permission for permission in Permission if CLERK.may(permission)}
    others = {permission for permission in Permission if READER.may(permission) or SYNCER.may(permission)}
    assert allowed == others | {Permission.PREVIEW}
    assert set(Permission) - allowed == {Permission.RAISE_LIMIT, Permission.UNDO}
    assert roles_with(Permission.PREVIEW) == [Role.CLERK, Role.ADMIN]


def test_a_syncer_sees_their_own_syncs_and_an_admin_all() -> None:
    assert SYNCER.syncs_of == SYNCER.key_id
    assert CLERK.syncs_of is None
    assert ADMIN.syncs_of is None
    assert LOCAL_ADMIN.syncs_of is None
