"""Access control: the roles, the permissions of each role, and the caller."""

import enum

import msgspec

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import Forbidden


class Role(enum.StrEnum):
    """The role of an API key."""

    READER = "reader"
    SYNCER = "syncer"
    CLERK = "clerk"
    ADMIN = "admin"


class Permission(enum.StrEnum):
    """The permissions that a role can have."""

    ENTER = "enter"
    """Learn which paths and methods exist."""
    READ = "read"
    """Read patients and payments, as they are and as they were."""
    SYNC = "sync"
    """Send a snapshot."""
    READ_SYNCS = "read-syncs"
    """Read the reports of the key's own syncs."""
    READ_ALL_SYNCS = "read-all-syncs"
    """Read the reports of all syncs."""
    PREVIEW = "preview"
    """See what a snapshot would change, before and after."""
    RAISE_LIMIT = "raise-limit"
    """Set a deletion limit above the guard's."""
    UNDO = "undo"
    """Take back a sync."""


_READING = {Permission.ENTER, Permission.READ, Permission.READ_SYNCS, Permission.READ_ALL_SYNCS}
_PERMISSIONS = {
    Role.READER: _READING,
    Role.SYNCER: {Permission.ENTER, Permission.SYNC, Permission.READ_SYNCS},
    Role.CLERK: _READING | {Permission.SYNC, Permission.PREVIEW},
    Role.ADMIN: set(Permission),
}


def roles_with(permission: object) -> list[Role]:
    """Return the roles that have the permission; none if it isn't a Permission."""
    return [role for role in Role if permission in _PERMISSIONS[role]]


class Principal(msgspec.Struct, frozen=True):
    """The caller: an API key's public id and role. ``key_id`` is None for the admin of this machine."""

    key_id: str | None
    role: Role

    def may(self, permission: object) -> bool:
        """Return whether the role has the permission; False if it isn't a Permission."""
        return permission in _PERMISSIONS[self.role]

    @property
    def syncs_of(self) -> str | None:
        """The key whose syncs this caller may read; None if it may read all of them."""
        return None if self.may(Permission.READ_ALL_SYNCS) else self.key_id

    def own(self, idempotency_key: str) -> str:
        """Return the idempotency key prefixed with the key id, so that two API keys can use the same one.

        An idempotency key contains no space, so a space separates the two unambiguously.
        """
        return idempotency_key if self.key_id is None else f"{self.key_id} {idempotency_key}"

    def check_limit(self, limit: DeletionLimit, guard: DeletionLimit) -> None:
        """Check the deletion limit that the caller has set.

        Raises:
            Forbidden: the limit is above the guard's, and the caller isn't an admin.
        """
        if limit.exceeds(guard) and not self.may(Permission.RAISE_LIMIT):
            raise Forbidden(
                f"max_delete: a key with the role {self.role} can't exceed the guard's limit, which is {guard}; "
                "lower max_delete, leave it out, or use a key with the role admin"
            )


LOCAL_ADMIN = Principal(None, Role.ADMIN)
"""The caller if no API keys are required: the admin of this machine."""
