"""Tokens over HTTP. Source: Identity API reference, "Authentication and token management"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from events.fold import Fold
from events.identity import application_credential as application_credentials
from events.identity import missing
from events.identity import oauth_access_token as access_tokens
from events.identity import revocation as revocations
from events.identity import role as roles
from events.identity import trust as trusts
from events.identity.revocation import RevokeToken
from events.identity.trust import UseTrust
from events.refusals import NotFound, Unauthenticated
from gateway.identity import access_rule, auth, compliance, grants, methods, receipts
from gateway.identity.catalog import catalog
from gateway.identity.claims import Claims, moment
from gateway.identity.domain import named as named_domain
from gateway.identity.domain import view as domain_view
from gateway.identity.federation import service_provider
from gateway.identity.listing import asked, collection, flag, self_link
from gateway.identity.project import view as project_view
from gateway.identity.proof import Proven
from gateway.identity.receipts import Receipts
from gateway.identity.role import plain
from gateway.identity.targets import forbidden
from gateway.identity.tokens import Tokens, Unentitled
from gateway.serving import Answer, Call
from gateway.tokens import Role, Token


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
        if token.trust is None:
            found["is_domain"] = False
    elif token.scope == "domain":
        found["domain"] = named_domain(fold, token.domain or "")
    elif token.scope == "system":
        found["system"] = {"all": True}
    if token.scope != "unscoped":
        found["roles"] = list(token.roles) if token.trust is None else _whole(fold, token.roles)
        if asked(call, "nocatalog") is None:
            found["catalog"] = catalog(fold, call.base, token, call.cloud.settings.identity)
    providers = service_provider.enabled(fold)
    if providers:
        found["service_providers"] = providers
    if token.access_token is not None:
        lent = fold.get(access_tokens, token.access_token)
        consumer = lent.consumer if lent is not None else None
        found["OS-OAUTH1"] = {"access_token_id": token.access_token, "consumer_id": consumer}
    if token.application_credential is not None:
        credential = fold.get(application_credentials, token.application_credential)
        if credential is not None:
            restricted = not credential.unrestricted
            found["application_credential"] = {"id": credential.id, "name": credential.name, "restricted": restricted}
            if credential.access_rules:
                rules = [access_rule.plain(credential.user, rule) for rule in credential.access_rules]
                found["application_credential"]["access_rules"] = rules
    trust = fold.get(trusts, token.trust) if token.trust is not None else None
    if trust is not None:
        found["OS-TRUST:trust"] = {
            "id": trust.id,
            "trustor_user": {"id": trust.trustor},
            "trustee_user": {"id": trust.trustee},
            "impersonation": trust.impersonation,
        }
    return {"token": found}


def _whole(fold: Fold, held: Iterable[Role]) -> list[dict[str, Any]]:
    """Roles with all that is to be said of them: of trusts they are shown so."""
    return [plain(role) for one in held if (role := fold.get(roles, one.id)) is not None]


async def issue(call: Call, body: Any) -> Answer:
    """A new token, or a receipt for who has to prove more. Raises Invalid, Unauthenticated, NotFound, Forbidden."""
    tokens, offered = call.cloud.part(Tokens), methods.offered(call.cloud.settings)
    request = auth.read(body, offered)
    proven = await auth.prove(call, request)
    auth.guard_scope(call.cloud.settings, request, proven)
    target = auth.target(call.fold, call.cloud.clock.now(), request.scope, proven)
    if not receipts.suffices(proven.user, _with_receipt(call, proven), offered):
        return _receipt(call, proven, offered)
    text, _ = tokens.issue(proven, target)
    try:
        token = tokens.tell(text)  # it has to give something
    except NotFound as fault:
        raise Unauthenticated() from fault
    if target.trust is not None and target.trust.remaining_uses is not None:
        await call.cloud.execute(trusts, UseTrust(id=target.trust.id), call.origin)
    return Answer(status=201, body=document(call, token), headers={"X-Subject-Token": text})


def _with_receipt(call: Call, proven: Proven) -> list[str]:
    """The methods by which a user has proved who they are, now and before. Raises Unauthenticated."""
    text = call.request.headers.get(receipts.HEADER)
    if text:
        before = call.cloud.part(Receipts).proved(text, proven.user)
        proven.methods = list(dict.fromkeys([*proven.methods, *before]))
    return proven.methods


def _receipt(call: Call, proven: Proven, offered: tuple[str, ...]) -> Answer:
    receipt = call.cloud.part(Receipts).give(proven.user.id, proven.methods)
    body = receipts.view(call.fold, proven.user, receipt, offered)
    return Answer(status=401, body=body, headers={receipts.HEADER: receipt.text})


def _subject(call: Call, operation: str) -> tuple[str, Claims, Token]:
    """The token that the call is about. Raises NotFound, Forbidden."""
    text = call.request.headers.get("x-subject-token")
    if not text:
        call.enforce({}, operation)
        raise NotFound("No token in the request")
    tokens = call.cloud.part(Tokens)
    claims = tokens.read(text)
    call.enforce({"target.token.user_id": claims.user}, operation)
    asks = call.request.method != "DELETE"
    try:
        return text, claims, tokens.tell(text, allow_expired=asks and flag(call, "allow_expired"))
    except Unentitled as fault:
        raise missing("token", text) from fault


async def validate(call: Call) -> Answer:
    """What another token says; by HEAD whether it holds. Raises NotFound, Forbidden."""
    by_head = call.request.method == "HEAD"
    text, _, token = _subject(call, "identity:check_token" if by_head else "identity:validate_token")
    if token.access_rules is not None and "openstack-identity-access-rules" not in call.request.headers:
        raise NotFound("Failed to validate token")  # who asks would not keep to them
    return Answer(body=document(call, token), headers={"X-Subject-Token": text})


async def revoke(call: Call) -> None:
    """Void a token, and those made of it unless `cascade` says no. Raises NotFound, Forbidden."""
    _, claims, _ = _subject(call, "identity:revoke_token")
    chain = asked(call, "cascade") is None or flag(call, "cascade")
    await call.do(revocations, RevokeToken(id=claims.audit_ids[0], until=claims.expires_at, chain=chain))


async def show_catalog(call: Call) -> dict[str, Any]:
    """The catalog of the caller's token. Raises Forbidden unless it is for a project."""
    if call.who.scope != "project":
        raise forbidden()
    found = catalog(call.fold, call.base, call.who, call.cloud.settings.identity)
    return {"catalog": found, "links": {"self": self_link(call)}}


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
