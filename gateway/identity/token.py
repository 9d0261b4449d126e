"""Tokens over HTTP. Source: Identity API reference, "Authentication and token management"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from events.fold import Fold
from events.identity import application_credential as application_credentials
from events.identity import domain as domains
from events.identity import revocation as revocations
from events.identity.revocation import RevokeToken
from events.refusals import Forbidden, NotFound
from gateway.identity import access_rule, auth, compliance, grants
from gateway.identity.catalog import catalog
from gateway.identity.claims import Claims
from gateway.identity.domain import view as domain_view
from gateway.identity.federation import service_provider
from gateway.identity.listing import collection, flag, self_link
from gateway.identity.personas import allow, sees_all
from gateway.identity.project import view as project_view
from gateway.identity.proof import unauthenticated
from gateway.identity.tokens import Tokens
from gateway.serving import Answer, Call
from gateway.tokens import Token


def moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def named_domain(fold: Fold, id: str) -> dict[str, str]:
    domain = fold.get(domains, id)
    return {"id": id, "name": domain.name if domain else ""}


def document(call: Call, token: Token) -> dict[str, Any]:
    """All that a token says."""
    fold = call.fold
    found: dict[str, Any] = {
        "methods": list(token.methods),
        "user": {
            "domain": named_domain(fold, token.user_domain),
            "id": token.user,
            "name": token.user_name,
            "password_expires_at": compliance.password_end(fold, token.user),
        },
        "audit_ids": list(token.audit_ids),
        "expires_at": moment(token.expires_at),
        "issued_at": moment(token.issued_at),
    }
    if token.provider is not None:
        del found["user"]["password_expires_at"]
        found["user"]["OS-FEDERATION"] = {
            "groups": [{"id": group} for group in token.groups],
            "identity_provider": {"id": token.provider},
            "protocol": {"id": token.protocol},
        }
    if token.scope == "project":
        home = named_domain(fold, token.project_domain or "")
        found["project"] = {"domain": home, "id": token.project, "name": token.project_name}
        found["is_domain"] = False
    elif token.scope == "domain":
        found["domain"] = named_domain(fold, token.domain or "")
    elif token.scope == "system":
        found["system"] = {"all": True}
    if token.scope != "unscoped":
        found["roles"] = list(token.roles)
        if not flag(call, "nocatalog"):
            found["catalog"] = catalog(fold, call.base, token)
    providers = service_provider.enabled(fold)
    if providers:
        found["service_providers"] = providers
    if token.application_credential is not None:
        credential = fold.get(application_credentials, token.application_credential)
        if credential is not None:
            restricted = not credential.unrestricted
            found["application_credential"] = {"id": credential.id, "name": credential.name, "restricted": restricted}
            if credential.access_rules:
                rules = [access_rule.plain(credential.user, rule) for rule in credential.access_rules]
                found["application_credential"]["access_rules"] = rules
    return {"token": found}


async def issue(call: Call, body: Any) -> Answer:
    """A new token. Raises Invalid, Unauthenticated."""
    tokens = call.cloud.part(Tokens)
    request = auth.read(body)
    proven = await auth.prove(call, request)
    text, claims = tokens.issue(proven, *auth.scope(call.fold, request.scope, proven))
    try:
        token = tokens.valid(claims)  # it has to give something
    except NotFound as fault:
        raise unauthenticated() from fault
    return Answer(status=201, body=document(call, token), headers={"X-Subject-Token": text})


def _subject(call: Call, operation: str, *, service: bool = False) -> tuple[str, Claims, Token]:
    """The token that the call is about; a user may ask about their own. Raises NotFound, Forbidden."""
    text = call.request.headers.get("x-subject-token")
    if not text:
        raise NotFound("No token in the request")
    tokens = call.cloud.part(Tokens)
    claims = tokens.read(text)
    token = tokens.valid(claims, allow_expired=flag(call, "allow_expired") and service)
    mine = claims.user == call.who.user
    allow(mine or sees_all(call.who) or (service and "service" in call.who.role_names), operation)
    return text, claims, token


async def validate(call: Call) -> Answer:
    """What another token says; by HEAD whether it holds. Raises NotFound, Forbidden."""
    text, _, token = _subject(call, "validate_token", service=True)
    if token.access_rules is not None and "openstack-identity-access-rules" not in call.request.headers:
        raise NotFound("Failed to validate token")  # who asks would not keep to them
    return Answer(body=document(call, token), headers={"X-Subject-Token": text})


async def revoke(call: Call) -> None:
    """Void a token. Raises NotFound, Forbidden."""
    _, claims, _ = _subject(call, "revoke_token")
    await call.do(revocations, RevokeToken(id=claims.audit_ids[0], until=claims.expires_at))


async def show_catalog(call: Call) -> dict[str, Any]:
    """The catalog of the caller's token. Raises Forbidden unless it is for a project."""
    if call.who.scope != "project":
        raise Forbidden("You are not authorized to perform the requested action.")
    return {"catalog": catalog(call.fold, call.base, call.who), "links": {"self": self_link(call)}}


def _told(call: Call) -> grants.Told:
    return grants.Told(call.who.groups, call.cloud.clock.now())


async def list_projects(call: Call) -> dict[str, Any]:
    """The projects to which the caller's token can be rescoped."""
    return collection(
        call, "projects", grants.projects_of(call.fold, call.who.user, _told(call)), lambda p: project_view(call, p)
    )


async def list_domains(call: Call) -> dict[str, Any]:
    """The domains to which the caller's token can be rescoped."""
    return collection(
        call, "domains", grants.domains_of(call.fold, call.who.user, _told(call)), lambda d: domain_view(call, d)
    )


async def list_systems(call: Call) -> dict[str, Any]:
    """Whether the caller's token can be rescoped to the system."""
    systems = [{"all": True}] if grants.has_system(call.fold, call.who.user, _told(call)) else []
    return {"system": systems, "links": {"self": self_link(call)}}
