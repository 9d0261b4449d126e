"""What an identity provider's word adds to what is shown of a user.

Source: Identity API reference, "Users", `federated`; "List groups to which a user belongs", `membership_expires_at`.
"""

from __future__ import annotations

from typing import Any

from events.identity import expiring_membership as expiring_memberships
from events.identity import federated_user as federated_users
from events.identity import group as groups
from events.identity.group import Group
from events.identity.user import User
from gateway.identity import grants
from gateway.identity.listing import asked
from gateway.serving import Call

FILTERS = {"idp_id": "provider", "protocol_id": "protocol", "unique_id": "unique_id"}


def view(call: Call, user: str) -> dict[str, Any]:
    """Who vouches for a user, by identity provider; nothing if nobody does."""
    found: dict[str, list[dict[str, str]]] = {}
    for link in call.fold.by(federated_users, "user", user):
        found.setdefault(link.provider, []).append({"protocol_id": link.protocol, "unique_id": link.unique_id})
    return {"federated": [{"idp_id": idp, "protocols": links} for idp, links in found.items()]} if found else {}


def asked_for(call: Call, found: list[User]) -> list[User]:
    """Those for whom somebody vouches as the query says; all if it says nothing of that."""
    wanted = {field: value for name, field in FILTERS.items() if (value := asked(call, name)) is not None}
    if not wanted:
        return found
    return [
        user
        for user in found
        if any(
            all(getattr(link, field) == value for field, value in wanted.items())
            for link in call.fold.by(federated_users, "user", user.id)
        )
    ]


def groups_of(call: Call, user: str, others: list[Group]) -> list[Group]:
    """The groups that a user is in for a time, but for others."""
    told = (call.fold.get(groups, one.group) for one in grants.lasting(call.fold, user, call.cloud.clock.now()))
    return [group for group in told if group is not None and group not in others]


def until(call: Call, user: str, group: str) -> dict[str, Any]:
    """When a user's membership ends, if it does."""
    found = call.fold.get(expiring_memberships, (group, user))
    return {"membership_expires_at": found.until.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if found is not None else None}
