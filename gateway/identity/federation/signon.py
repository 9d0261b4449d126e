"""Signing on by an identity provider's word: who vouches, for whom, and who they are here.

Source: Identity API reference, "OS-FEDERATION", "Authenticating".
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from events.identity import federation_protocol as protocols
from events.identity import identity_provider as identity_providers
from events.identity import mapping as mappings
from events.identity import missing
from events.identity import name as names
from events.identity.federation_protocol import FederationProtocol
from events.identity.identity_provider import IdentityProvider
from events.identity.name import Take
from events.ids import new_id
from events.refusals import Busy, Conflict, NotFound, Unauthenticated
from gateway.identity import compliance, methods, receipts
from gateway.identity.claims import METHODS, Federated
from gateway.identity.federation import people, rules
from gateway.identity.federation.protocol import not_found
from gateway.identity.federation.rules import Attributes, Unmapped
from gateway.identity.proof import Proven, is_enabled
from gateway.identity.targets import forbidden
from gateway.identity.token import document
from gateway.identity.tokens import Target, Tokens
from gateway.serving import Answer, Call

log = logging.getLogger("cumulog.federation")

_FORM = "application/x-www-form-urlencoded"
SYNC = "3.0"  # version of mappings by which what is not told any more is taken back


def provider_of(call: Call, id: str) -> IdentityProvider:
    """An enabled provider. Raises NotFound, Forbidden."""
    provider = call.fold.get(identity_providers, id)
    if provider is None:
        raise missing("Identity Provider", id)
    if not provider.enabled:
        log.info("identity provider %s is disabled", id)
        raise forbidden()
    return provider


def protocol_of(call: Call, provider: str, id: str) -> FederationProtocol:
    """Raises NotFound."""
    protocol = call.fold.get(protocols, (provider, id))
    if protocol is None:
        raise not_found(provider, id)
    return protocol


async def prove(call: Call, provider_id: str, protocol_id: str) -> Proven:
    """Who comes with a provider's word in the request. Raises NotFound, Forbidden, Unauthenticated, Busy."""
    provider = provider_of(call, provider_id)
    protocol = protocol_of(call, provider_id, protocol_id)
    if _brings_response(call):
        from gateway.identity.federation import clouds  # libraries that most clouds need not load

        came = await clouds.brought(call)
        told = await clouds.attributes(call, provider, came, clouds.errand(call, provider, came))
        return await vouched(call, provider, protocol, told, "MELLON_IDP")
    scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated()
    return await vouched(call, provider, protocol, await _bearer(call, provider, token.strip()), "HTTP_OIDC_ISS")


def _brings_response(call: Call) -> bool:
    """Whether the body is a response of SAML."""
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return call.request.method == "POST" and (media_type.endswith("xml") or media_type == _FORM)


async def _bearer(call: Call, provider: IdentityProvider, token: str) -> Attributes:
    # Libraries that most clouds need not load.
    from gateway.identity.federation.fetching import Unreachable
    from gateway.identity.federation.openid import Untrue, attributes
    from gateway.identity.federation.providers import provider_of, secret_of

    known = provider_of(call, provider.id)
    if known is None:
        log.info("no OpenID provider is set for %s", provider.id)
        raise Unauthenticated()
    try:
        return attributes(await known.of_bearer(token, await secret_of(call, provider.id)))
    except Untrue as fault:
        log.info("a token of %s was refused: %s", provider.id, fault)
        raise Unauthenticated() from fault
    except Unreachable as fault:
        raise unreachable(provider.id, fault) from fault


async def use_once(call: Call, what: tuple[str, ...], until: datetime) -> None:
    """Raises Unauthenticated if that was used before, whichever gateway it came to."""
    try:
        await call.do(names, Take(id=("used", *what), holder=new_id(), until=until))
    except Conflict as fault:
        raise Unauthenticated() from fault


def unreachable(provider: str, fault: Exception) -> Busy:
    log.warning("identity provider %s: %s", provider, fault)
    return Busy(f"Identity Provider {provider} does not answer.", retry_after=5)


async def vouched(
    call: Call, provider: IdentityProvider, protocol: FederationProtocol, attributes: Attributes, issuer: str
) -> Proven:
    """Who they are here of whom a provider says `attributes`, with its own name in `issuer`.

    Raises NotFound, Forbidden, Unauthenticated, Conflict.
    """
    named = attributes.get(protocol.remote_id_attribute or issuer)
    if provider.remote_ids and not named:
        raise Unauthenticated()
    if provider.remote_ids and not set(named or ()) <= set(provider.remote_ids):
        log.info("%s was vouched for by %s, which is none of its remote ids", provider.id, named)
        raise forbidden()
    mapping = call.fold.get(mappings, protocol.mapping)
    if mapping is None:
        raise missing("mapping", protocol.mapping)
    try:
        mapped = rules.apply(rules.read(mapping.rules, mapping.schema_version), mapping.schema_version, attributes)
        return await _here(call, provider, protocol, mapped, sync=mapping.schema_version == SYNC)
    except Unmapped as fault:
        log.info("mapping %s: %s", mapping.id, fault)
        raise Unauthenticated() from fault


async def _here(
    call: Call, provider: IdentityProvider, protocol: FederationProtocol, mapped: rules.Mapped, *, sync: bool
) -> Proven:
    method = protocol.id if protocol.id in METHODS else "mapped"
    groups = people.groups_of(call, mapped)
    if mapped.user.type == "local":
        user = people.local(call, mapped)
        if not is_enabled(call.fold, user):
            raise Unauthenticated()
        return Proven(user=user, methods=[method])
    user = await people.shadow(call, provider, protocol, mapped)
    if not is_enabled(call.fold, user):
        raise Unauthenticated()
    await people.confirm(call, provider, user, groups)
    if mapped.projects or sync:
        await people.provision(call, provider, user, mapped, sync=sync)
    told = Federated(provider=provider.id, protocol=protocol.id, groups=groups)
    return Proven(user=user, methods=[method], federated=told)


def still(call: Call, told: Federated) -> None:
    """Raises NotFound, Forbidden if a provider's word counts no more."""
    protocol_of(call, provider_of(call, told.provider).id, told.protocol)


async def issue(call: Call, proven: Proven) -> tuple[str, dict[str, Any]]:
    """An unscoped token, and what it says. Raises Unauthenticated."""
    await compliance.admit(call, proven)
    tokens = call.cloud.part(Tokens)
    offered = methods.offered(call.cloud.settings)
    if not receipts.suffices(proven.user, proven.methods, offered):
        raise Unauthenticated()
    text, claims = tokens.issue(proven, Target(scope="unscoped"))
    try:
        return text, document(call, tokens.valid(claims))
    except NotFound as fault:
        raise Unauthenticated() from fault


async def sign_on(call: Call) -> Answer:
    """An unscoped token for whom the provider of the path vouches; an enhanced client is sent there. As `prove`."""
    if call.request.method == "GET" and "paos" in call.request.headers:
        from gateway.identity.federation import clouds  # libraries that most clouds need not load

        provider = provider_of(call, call.path["id"])
        protocol_of(call, provider.id, call.path["protocol"])
        return await clouds.ask_client(call, provider)
    text, body = await issue(call, await prove(call, call.path["id"], call.path["protocol"]))
    return Answer(status=201, body=body, headers={"X-Subject-Token": text})
