"""The OpenID providers that the operator's settings name, as this gateway knows them."""

from __future__ import annotations

from gateway.identity.federation.naming import client_secret
from gateway.identity.federation.openid import Provider
from gateway.serving import Call


class Providers:
    """The OpenID providers as this gateway knows them, by the ids of identity providers."""

    def __init__(self) -> None:
        self.by_id: dict[str, Provider] = {}


def provider_of(call: Call, id: str) -> Provider | None:
    """The OpenID provider that the settings name for an identity provider."""
    settings = call.cloud.settings.federation
    if id not in settings.oidc:
        return None
    if Providers not in call.cloud.parts:
        call.cloud.put(Providers())
    known = call.cloud.part(Providers).by_id
    if id not in known:
        known[id] = Provider(settings.oidc[id], settings, call.cloud.clock)
    return known[id]


async def secret_of(call: Call, id: str) -> str | None:
    """The secret that the OpenID provider gave this cloud."""
    found = await call.cloud.vault.get(client_secret(id))
    return None if found is None else found.decode()
