"""Who may call a route: personas and scopes, deny by default.

Roles come expanded: who has `admin` has `manager`, `member` and `reader` too.
Source: OpenStack's "Consistent and secure default RBAC" goal.
"""

from __future__ import annotations

from msgspec import Struct

from events.refusals import Forbidden
from gateway.tokens import Token


class Who(Struct, frozen=True, kw_only=True):
    """A persona: a role on a scope."""

    name: str
    role: str | None  # None: any token
    scopes: frozenset[str] = frozenset({"project"})
    public: bool = False  # no token needed

    def admits(self, token: Token) -> bool:
        return (self.role is None or self.role in token.role_names) and (not self.scopes or token.scope in self.scopes)


ANYONE = Who(name="anyone", role=None, scopes=frozenset(), public=True)
ANY_TOKEN = Who(name="any token", role=None, scopes=frozenset())
READER = Who(name="reader", role="reader")
MEMBER = Who(name="member", role="member")
MANAGER = Who(name="manager", role="manager")
ADMIN = Who(name="admin", role="admin")
SERVICE = Who(name="service", role="service")
ANY_ADMIN = Who(name="admin of any scope", role="admin", scopes=frozenset())
ANY_READER = Who(name="reader of any scope", role="reader", scopes=frozenset())


def enforce(who: Who, token: Token | None, operation: str, denial: str) -> None:
    """Raises Forbidden with the words of `denial` if `token` may not do `operation`."""
    if token is None or not who.admits(token):
        raise Forbidden(denial.format(operation=operation))
