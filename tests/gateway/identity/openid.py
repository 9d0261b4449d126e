"""A cloud that takes the word of a real OpenID provider, and those who come from there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from events import settings as all_settings
from events.settings import Federation, Settings
from gateway.identity.federation.naming import client_secret
from tests.gateway.identity.openid_provider import CLIENT, SECRET, OpenIdProvider
from tests.gateway.identity.people import People, demanding, people

ORIGIN = "https://dashboard.example/auth/websso/"
PATH = "/OS-FEDERATION/identity_providers/acme/protocols/openid"
RULES: list[dict[str, Any]] = [
    {
        "local": [
            {"user": {"name": "{0}", "email": "{1}"}},
            {"groups": "{2}", "domain": {"id": "default"}},
        ],
        "remote": [
            {"type": "HTTP_OIDC_SUB"},
            {"type": "HTTP_OIDC_EMAIL"},
            {"type": "HTTP_OIDC_GROUPS", "whitelist": ["staff", "admins"]},
        ],
    }
]


def configured(provider: OpenIdProvider, **options: Any) -> Settings:
    acme = all_settings.OpenIdProvider(issuer=provider.issuer, client_id=CLIENT, **options)
    offered = demanding(methods="password,token,mapped,openid").identity
    return Settings(identity=offered, federation=Federation(oidc={"acme": acme}, trusted_dashboards=ORIGIN))


@asynccontextmanager
async def federated(
    keys: Path, provider: OpenIdProvider, *, rules: list[dict[str, Any]] = RULES, ttl: int | None = None, **options: Any
) -> AsyncIterator[People]:
    """A cloud that takes the provider's word; group `staff` is a member of project `of-staff`."""
    async with people(keys, settings=configured(provider, **options)) as them:
        await them.world.cloud.vault.put(client_secret("acme"), SECRET.encode())
        acme = {"enabled": True, "remote_ids": [provider.issuer], "authorization_ttl": ttl}
        await them.call("PUT", "/OS-FEDERATION/identity_providers/acme", {"identity_provider": acme})
        version = {"rules": rules, "schema_version": "2.0"}
        assert (await them.call("PUT", "/OS-FEDERATION/mappings/m", {"mapping": version})).status_code == 201
        answer = await them.call("PUT", PATH, {"protocol": {"mapping_id": "m"}})
        assert answer.status_code == 201
        group = await them.make("group", name="staff")
        project = await them.make("project", name="of-staff")
        await them.grant(f"projects/{project['id']}/groups/{group['id']}", "member")
        yield them


async def sign_on(them: People, token: str, method: str = "POST") -> httpx.Response:
    return await them.call(method, f"{PATH}/auth", token="", Authorization=f"Bearer {token}")


async def rescoped(them: People, token: str, method: str = "token", scope: Any = None) -> httpx.Response:
    scope = scope or {"project": {"name": "of-staff", "domain": {"id": "default"}}}
    auth = {"identity": {"methods": [method], method: {"id": token}}, "scope": scope}
    return await them.call("POST", "/auth/tokens", {"auth": auth}, token="")
