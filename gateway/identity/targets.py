"""What identity's rules are told of the things that they are asked about, and how far a caller's sight reaches."""

from __future__ import annotations

from typing import Protocol, TypeVar

from events.identity import missing
from events.refusals import Forbidden
from gateway.serving import Call


class Homed(Protocol):
    """What is in a domain."""

    @property
    def domain(self) -> str: ...


S = TypeVar("S", bound=Homed)


def domain_of(call: Call) -> str | None:
    """The domain to which the caller's sight ends in this call; None: they see all. Raises Forbidden."""
    if call.table.verdict(call.operation, call.who) is True:
        return None
    call.enforce(target(call.who.domain))
    return call.who.domain or ""


def seen(call: Call, kind: str, id: str, found: S | None, **own: str) -> S:
    """What was looked for and found; whether it is there is said to who may see it. Raises NotFound, Forbidden."""
    call.enforce(target(found.domain if found else None, **own))
    if found is None:
        raise missing(kind, id)
    return found


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


def forbidden(why: str = "") -> Forbidden:
    """What is said to who may not; strangers are not told why: that stands in the log, if anywhere."""
    return Forbidden(f"You are not authorized to perform the requested action{': ' if why else ''}{why}.")
