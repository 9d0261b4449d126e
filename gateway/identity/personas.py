"""Who may call identity's routes: an admin anything, readers of the system see all, those of a domain what is in it.

Source: OpenStack's "Consistent and secure default RBAC" goal; the defaults of the Identity service's policy.
"""

from __future__ import annotations

from events.refusals import Forbidden
from gateway.policy import ANY_ADMIN, ANY_TOKEN, ANYONE, Who
from gateway.serving import Call
from gateway.tokens import Token


class Any_(Who, frozen=True, kw_only=True):
    """One of several personas."""

    others: tuple[Who, ...] = ()

    def admits(self, token: Token) -> bool:
        return any(who.admits(token) for who in self.others)


def _any(name: str, *others: Who) -> Who:
    return Any_(name=name, role=None, others=others)


_SYSTEM = frozenset({"system"})
_DOMAIN = frozenset({"domain"})

ADMIN = ANY_ADMIN
CLOUD_ADMIN = Who(name="admin of a project or the system", role="admin", scopes=frozenset({"project", "system"}))
SYSTEM_READER = _any("admin, or reader of the system", CLOUD_ADMIN, Who(name="", role="reader", scopes=_SYSTEM))
DOMAIN_READER = _any(
    "admin, or reader of system or domain", ADMIN, SYSTEM_READER, Who(name="", role="reader", scopes=_DOMAIN)
)
DOMAIN_MANAGER = _any("admin, or manager of a domain", ADMIN, Who(name="", role="manager", scopes=_DOMAIN))
ROLE_READER = _any("reader of the system, or who may grant", SYSTEM_READER, DOMAIN_MANAGER)
ADMIN_OR_SERVICE = _any("admin or service", ADMIN, Who(name="", role="service", scopes=frozenset()))
SELF = ANY_TOKEN  # and the function looks whose it is
OWN = Who(name="any token but a domain's", role=None, scopes=frozenset({"project", "system", "unscoped"}))


def domain_of(call: Call) -> str | None:
    """The domain to which the caller's sight ends in this call; None: they see all. Raises Forbidden."""
    if call.table.verdict(call.operation, call.who) is True:
        return None
    call.enforce(target(call.who.domain))
    return call.who.domain or ""


def target(domain: str | None, *, user: str | None = None, project: str | None = None) -> dict[str, str]:
    """What a rule is told of a thing that is in `domain`, if it is in any, and is `user`'s or `project`'s own."""
    found = {} if domain is None else dict.fromkeys(_DOMAINS, domain)
    if user is not None:
        found |= {"user_id": user, "target.user.id": user}
    if project is not None:
        found["target.project.id"] = project
    return found


_DOMAINS = (
    *("target.domain_id", "target.domain.id", "target.group.domain_id", "target.project.domain_id"),
    "target.user.domain_id",
)


def forbidden(operation: str, prefix: str = "identity:") -> Forbidden:
    return Forbidden(f"You are not authorized to perform the requested action: {prefix}{operation}.")


__all__ = [
    "ADMIN",
    "ADMIN_OR_SERVICE",
    "ANYONE",
    "CLOUD_ADMIN",
    "DOMAIN_MANAGER",
    "DOMAIN_READER",
    "OWN",
    "ROLE_READER",
    "SELF",
    "SYSTEM_READER",
    "domain_of",
    "forbidden",
    "target",
]
