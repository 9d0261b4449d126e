"""What an identity provider's word adds to what is shown of a user.

Source: Identity API reference, "Users", `federated`; "List groups to which a user belongs", `membership_expires_at`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from events.identity import expiring_membership as expiring_memberships
from events.identity import federated_user as federated_users
from events.identity import federation_protocol as protocols
from events.identity import group as groups
from events.identity import identity_provider as identity_providers
from events.identity.federated_user import LinkUser, UnlinkUser
from events.identity.group import Group
from events.identity.user import User
from events.refusals import Conflict, Invalid
from gateway.bodies import explain
from gateway.identity import grants
from gateway.identity.claims import moment
from gateway.identity.listing import asked
from gateway.serving import Call

MOST = 64  # providers that know a user

Text = Annotated[str, Meta(max_length=255)]
Key = tuple[str, str, str]  # provider, protocol, unique id


class _Protocol(Struct):
    protocol_id: Text
    unique_id: Text


class _Federated(Struct):
    idp_id: Text
    protocols: Annotated[list[_Protocol], Meta(min_length=1, max_length=MOST)]


FILTERS = {"idp_id": "provider", "protocol_id": "protocol", "unique_id": "unique_id"}


def view(call: Call, user: str) -> dict[str, Any]:
    """Who vouches for a user, by identity provider; nothing if nobody does."""
    found: dict[str, list[dict[str, str]]] = {}
    for link in call.fold.by(federated_users, "user", user):
        found.setdefault(link.provider, []).append({"protocol_id": link.protocol, "unique_id": link.unique_id})
    return {"federated": [{"idp_id": idp, "protocols": links} for idp, links in found.items()]} if found else {}


def take(call: Call, members: dict[str, Any], user: str = "") -> list[Key] | None:
    """Who vouches for a user, by the member `federated`, which is taken out; None: it says nothing of that.

    Raises Invalid, and Conflict if another user is known so.
    """
    try:
        given = msgspec.convert(members.pop("federated", []), Annotated[list[_Federated], Meta(max_length=MOST)])
    except msgspec.ValidationError as fault:
        raise Invalid(explain(str(fault))) from fault
    found = []
    for one in given:
        if call.fold.get(identity_providers, one.idp_id) is None:
            raise Invalid(f"Could not find Identity Provider: {one.idp_id}")
        for link in one.protocols:
            if call.fold.get(protocols, (one.idp_id, link.protocol_id)) is None:
                raise Invalid(
                    f"Could not find federated protocol {link.protocol_id} for Identity Provider: {one.idp_id}."
                )
            found.append((one.idp_id, link.protocol_id, link.unique_id))
    for key in found:
        other = call.fold.get(federated_users, key)
        if other is not None and other.user != user:
            raise Conflict("Conflict occurred attempting to store federated_user - Duplicate entry.")
    return found or None


async def link(call: Call, user: str, keys: Iterable[Key] | None) -> None:
    """Have these vouch for a user, and nobody else; None: all stays as it is. Raises Conflict."""
    if keys is None:
        return
    wanted = set(keys)
    for former in call.fold.by(federated_users, "user", user):
        if former.key not in wanted:
            await call.do(federated_users, UnlinkUser(id=former.key))
    for key in sorted(wanted):
        await call.do(federated_users, LinkUser(id=key, user=user))


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
    return {"membership_expires_at": moment(found.until) if found is not None else None}
