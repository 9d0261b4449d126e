"""One cloud's users in another: assertions for service providers, and taking those of others.

Source: Identity API reference, "OS-FEDERATION", "Generate assertions"; SAML 2.0 Bindings, "HTTP POST", "PAOS".
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from events.fold import Fold
from events.identity import domain as domains
from events.identity import group as groups
from events.identity import missing
from events.identity import service_provider as service_providers
from events.identity.identity_provider import IdentityProvider
from events.identity.service_provider import ServiceProvider
from events.refusals import Invalid, Unauthenticated
from gateway import bodies
from gateway.identity import grants
from gateway.identity.domain import named as named_domain
from gateway.identity.federation import saml, signon, xml
from gateway.identity.federation.rules import Attributes
from gateway.identity.targets import forbidden
from gateway.identity.tokens import Tokens
from gateway.serving import Answer, Call
from gateway.tokens import Token

LARGEST = 1 << 18  # bytes of a response
LONGEST = 4096  # characters of a relay state


class _Id(msgspec.Struct, forbid_unknown_fields=True):
    id: str


class _Identity(msgspec.Struct, forbid_unknown_fields=True):
    token: _Id
    methods: list[str] = []


class _Scope(msgspec.Struct, forbid_unknown_fields=True):
    service_provider: _Id


class _Auth(msgspec.Struct, forbid_unknown_fields=True):
    identity: _Identity
    scope: _Scope


class Wanted(msgspec.Struct):
    """A request for an assertion."""

    auth: _Auth


def entity(call: Call) -> str:
    """The name under which this cloud vouches."""
    return call.cloud.settings.federation.entity_id or f"{call.root}/v3/OS-FEDERATION/saml2/idp"


async def metadata(call: Call) -> Answer:
    """This cloud as an identity provider."""
    signer = await saml.signing(call.cloud.vault)
    document = saml.metadata(signer, entity(call), f"{call.root}/v3/OS-FEDERATION/saml2/sso")
    return Answer(body=xml.written(document), media_type="text/xml")


async def assert_(call: Call, body: Any) -> Answer:
    """An assertion of the user of a token, for a service provider. Raises Invalid, NotFound, Forbidden."""
    answer, provider = await _response(call, body)
    return _answer(answer, provider)


async def assert_enveloped(call: Call, body: Any) -> Answer:
    """The same in an envelope, for an enhanced client. Raises Invalid, NotFound, Forbidden."""
    answer, provider = await _response(call, body)
    return _answer(saml.enveloped(answer, f"{provider.relay_state_prefix}{uuid4().hex}"), provider)


def _answer(document: xml.Element, provider: ServiceProvider) -> Answer:
    headers = {"X-sp-url": provider.sp_url, "X-auth-url": provider.auth_url}
    return Answer(body=xml.written(document), media_type="text/xml", headers=headers)


async def _response(call: Call, body: Any) -> tuple[xml.Element, ServiceProvider]:
    try:
        wanted = msgspec.convert(body, Wanted).auth
    except msgspec.ValidationError as fault:
        raise Invalid(bodies.explain(str(fault))) from fault
    provider = call.fold.get(service_providers, wanted.scope.service_provider.id)
    if provider is None:
        raise missing("Service Provider", wanted.scope.service_provider.id)
    if not provider.enabled:
        signon.log.info("service provider %s is disabled", provider.id)
        raise forbidden()
    tokens = call.cloud.part(Tokens)
    token = tokens.valid(tokens.read(wanted.identity.token.id))
    if token.project is None or token.access_rules is not None:
        raise forbidden("Use a project scoped token when attempting to create a SAML assertion")
    signer = await saml.signing(call.cloud.vault)
    told = _told(call.fold, token, call)
    answer = saml.response(signer, entity(call), provider.sp_url, token.user_name, told, call.cloud.clock.now())
    return answer, provider


def _told(fold: Fold, token: Token, call: Call) -> dict[str, list[str]]:
    """What another cloud is told of a user."""
    mine = []
    for actor in grants.actors(fold, token.user, grants.Told(token.groups, call.cloud.clock.now())):
        group = fold.get(groups, actor.removeprefix("group:")) if actor.startswith("group:") else None
        home = fold.get(domains, group.domain) if group else None
        if group and home:
            named = {"name": group.name, "domain": {"name": home.name}}
            mine.append(f"JSON:{msgspec.json.encode(named).decode()}")
    return {
        "openstack_user": [token.user_name],
        "openstack_roles": sorted(token.role_names),
        "openstack_project": [token.project_name or ""],
        "openstack_project_domain": [named_domain(fold, token.project_domain or "")["name"]],
        "openstack_user_domain": [named_domain(fold, token.user_domain)["name"]],
        "openstack_groups": mine,
    }


# Taking others' assertions


def audience(call: Call) -> str:
    """As which this cloud takes others' word."""
    return f"{call.cloud.settings.gateway.public_url.rstrip('/')}{call.face.path}"


async def brought(call: Call) -> saml.Brought:
    """What the body brings. Raises Unauthenticated, TooLarge."""
    data = await bodies.read(call.request, LARGEST)
    try:
        return saml.brought(data)
    except xml.Unreadable as fault:
        signon.log.info("what came is no response: %s", fault)
        raise Unauthenticated() from fault


async def attributes(
    call: Call, provider: IdentityProvider, came: saml.Brought, request: str | None = None
) -> Attributes:
    """What a response says of whoever brings it, once. Raises Unauthenticated."""
    settings, public = call.cloud.settings.federation, call.cloud.settings.gateway.public_url.rstrip("/")
    known = settings.saml.get(provider.id)
    if known is None or not public:  # an address that the request itself chose would prove nothing
        signon.log.info("%s: SAML needs a setting, and gateway.public_url", provider.id)
        raise Unauthenticated()
    try:
        expected = saml.Expected(
            certificate=Path(known.certificate).read_text(),
            issuer=known.entity_id,
            recipient=f"{public}{call.request.url.path}",
            audience=audience(call),
            request=request,
        )
        found = saml.said(came.response, expected, call.cloud.clock.now(), timedelta(seconds=settings.clock_skew))
    except (xml.Unreadable, OSError, UnicodeError) as fault:
        signon.log.info("an assertion of %s was refused: %s", provider.id, fault)
        raise Unauthenticated() from fault
    await signon.use_once(call, ("assertion", provider.id, found.id), found.until)
    return found.attributes


# Enhanced clients


class Errand(msgspec.Struct, frozen=True, tag="saml2"):
    """What is to be known when a client comes back from its identity provider."""

    provider: str
    request: str


async def ask_client(call: Call, provider: IdentityProvider) -> Answer:
    """A request for a client to carry to its identity provider. Raises Unauthenticated."""
    if provider.id not in call.cloud.settings.federation.saml or not call.cloud.settings.gateway.public_url:
        raise Unauthenticated()
    here = f"{call.cloud.settings.gateway.public_url.rstrip('/')}{call.request.url.path}"
    id, issuer = f"_{uuid4().hex}", audience(call)
    wanted = saml.request(id, issuer, here, "", saml.PAOS, call.cloud.clock.now())
    state = call.cloud.part(Tokens).keys.seal(msgspec.json.encode(Errand(provider.id, id)))
    answer = saml.asked_by_client(wanted, here, issuer, state)
    return Answer(status=200, body=xml.written(answer), media_type="application/vnd.paos+xml")


def errand(call: Call, provider: IdentityProvider, came: saml.Brought) -> str | None:
    """The request that a client was sent with, if it was."""
    data = call.cloud.part(Tokens).keys.unseal(came.relay_state) if len(came.relay_state) <= LONGEST else None
    if data is None:
        return None
    try:
        found = msgspec.json.decode(data, type=Errand)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return found.request if found.provider == provider.id else None
