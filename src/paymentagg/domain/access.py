"""Who may what: the roles, what each of them is allowed, and who is asking."""

import enum

import msgspec

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import Forbidden


class Role(enum.StrEnum):
    """What an API key is for."""

    READER = "reader"
    SYNCER = "syncer"
    ADMIN = "admin"


class Permission(enum.StrEnum):
    """What can be allowed."""

    ENTER = "enter"
    """Be told what there is: which paths and methods."""
    READ = "read"
    """Read patients and payments."""
    SYNC = "sync"
    """Bring a snapshot."""
    READ_SYNCS = "read-syncs"
    """Read the reports of one's own syncs."""
    READ_ALL_SYNCS = "read-all-syncs"
    RAISE_LIMIT = "raise-limit"
    """Set a limit on deletions above the guard's."""


_ALLOWED = {
    Role.READER: {Permission.ENTER, Permission.READ},
    Role.SYNCER: {Permission.ENTER, Permission.SYNC, Permission.READ_SYNCS},
    Role.ADMIN: set(Permission),
}


def roles_with(permission: object) -> list[Role]:
    """Return the roles that are allowed this."""
    return [role for role in Role if permission in _ALLOWED[role]]


class Principal(msgspec.Struct, frozen=True):
    """Who is asking: the API key's public id and role. Without a key it is the admin of this machine."""

    key_id: str | None
    role: Role

    def may(self, permission: object) -> bool:
        """Return whether this is allowed; what isn't a Permission never is."""
        return permission in _ALLOWED[self.role]

    @property
    def syncs_of(self) -> str | None:
        """The key whose syncs may be seen, None where all may."""
        return None if self.may(Permission.READ_ALL_SYNCS) else self.key_id

    def own(self, idempotency_key: str) -> str:
        """Return an idempotency key as that of this API key alone: it has no spaces itself."""
        return idempotency_key if self.key_id is None else f"{self.key_id} {idempotency_key}"

    def check_limit(self, limit: DeletionLimit, guard: DeletionLimit) -> None:
        """Refuse a limit on deletions above the guard's.

        Raises:
            Forbidden: it is above, and only an admin may do that.
        """
        if limit.exceeds(guard) and not self.may(Permission.RAISE_LIMIT):
            raise Forbidden(
                f"max_delete: a key of the role {self.role} may set a limit up to the guard's, which is {guard}, "
                "and none above it; leave it out, or use a key of the role admin"
            )


LOCAL_ADMIN = Principal(None, Role.ADMIN)
