"""Deleting what vouches for users: with it go those users whom nothing else knows."""

from __future__ import annotations

from collections.abc import Iterable

from events.identity import federated_user as federated_users
from events.identity import federation_protocol as protocols
from events.identity import identity_provider as identity_providers
from events.identity import user as users
from events.identity.federated_user import FederatedUser, UnlinkUser
from events.identity.federation_protocol import FederationProtocol
from events.identity.identity_provider import IdentityProvider
from events.identity.record import Delete
from events.refusals import NotFound
from gateway.identity import cleaning, naming
from gateway.serving import Call


def remote_id(value: str) -> tuple[str, str]:
    """The name by which a remote id is claimed."""
    return ("remote_id", value)


async def delete_provider(call: Call, provider: IdentityProvider) -> None:
    await call.do(identity_providers, Delete(id=provider.id))
    for value in provider.remote_ids:
        await naming.release(call, remote_id(value), provider.id)
    for protocol in call.fold.by(protocols, "provider", provider.id):
        await call.do(protocols, Delete(id=(protocol.provider, protocol.id)))
    await _forget(call, call.fold.by(federated_users, "provider", provider.id))


async def delete_protocol(call: Call, protocol: FederationProtocol) -> None:
    await call.do(protocols, Delete(id=(protocol.provider, protocol.id)))
    known = call.fold.by(federated_users, "provider", protocol.provider)
    await _forget(call, [one for one in known if one.protocol == protocol.id])


async def _forget(call: Call, found: Iterable[FederatedUser]) -> None:
    for one in found:
        try:
            await call.do(federated_users, UnlinkUser(id=one.key))
        except NotFound:
            continue  # somebody else was quicker
        user = call.fold.get(users, one.user)
        if user is not None and user.provider is not None and not call.fold.by(federated_users, "user", user.id):
            await cleaning.delete_user(call, user)
