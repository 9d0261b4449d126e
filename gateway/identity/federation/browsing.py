"""Signing on with a browser, for a dashboard: to the identity provider and back, and with a token to the dashboard.

The way out is sealed as tokens are, and bound to a cookie, so that only the browser that went out comes back; it ends
once. A code is redeemed with PKCE, and the ID token must carry the nonce; an assertion must answer the very request.
Source: OpenID Connect Core 1.0, "Authentication using the Authorization Code Flow"; RFC 7636, 9700; SAML 2.0 Profiles,
"Web Browser SSO"; Identity API reference, "Web Single Sign On authentication".
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from html import escape
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from events.identity import federation_protocol as protocols
from events.identity import identity_provider as identity_providers
from events.refusals import Invalid, Unauthenticated
from gateway.identity.federation import signon
from gateway.identity.federation.fetching import Unreachable
from gateway.identity.federation.openid import Untrue, attributes
from gateway.identity.federation.providers import provider_of, secret_of
from gateway.identity.tokens import Tokens
from gateway.serving import Answer, Call

PATIENCE = timedelta(minutes=10)  # how long a user may take to sign on at the provider
COOKIE = "cumulog_websso"
CALLBACK = "/v3/auth/OS-FEDERATION/identity_providers/{id}/protocols/{protocol}/websso/callback"
LONGEST = 4096  # characters of a code, and of a state


class Journey(Struct, frozen=True, tag="websso"):
    """What is to be known when the browser comes back."""

    provider: str
    protocol: str
    origin: str
    id: str  # of the journey, which ends once
    nonce: str
    verifier: str
    until: datetime


def _origin(call: Call) -> str:
    """The dashboard that asks. Raises Invalid, Unauthenticated."""
    origin = call.request.query_params.get("origin")
    if not origin:
        raise Invalid("Request must have an origin query parameter")
    trusted = [url.strip() for url in call.cloud.settings.federation.trusted_dashboards.split(",")]
    if origin not in filter(None, trusted):
        signon.log.info("%r is no trusted dashboard", origin[:LONGEST])
        raise Unauthenticated()
    return origin


async def start(call: Call) -> Answer:
    """Send a browser to the one provider that has the protocol. Raises Invalid, Unauthenticated, Busy."""
    _origin(call)
    settings, found = call.cloud.settings.federation, []
    for protocol in call.fold.by(protocols, "id", call.path["protocol"]):
        provider = call.fold.get(identity_providers, protocol.provider)
        if provider is not None and provider.enabled and (provider.id in settings.oidc or provider.id in settings.saml):
            found.append(provider)
    if len(found) != 1:
        raise Unauthenticated()
    return await _leave(call, found[0].id, call.path["protocol"])


async def start_at(call: Call) -> Answer:
    """Send a browser to the provider of the path. Raises Invalid, NotFound, Forbidden, Unauthenticated, Busy."""
    return await _leave(call, call.path["id"], call.path["protocol"])


async def _leave(call: Call, provider: str, protocol: str) -> Answer:
    origin = _origin(call)
    signon.protocol_of(call, signon.provider_of(call, provider).id, protocol)
    until = call.cloud.clock.now() + PATIENCE
    id, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    journey = Journey(provider, protocol, origin, id, nonce, verifier, until)
    known = provider_of(call, provider)
    if known is None:
        return _leave_for_saml(call, journey)
    try:
        endpoint = (await known.published()).authorization_endpoint
    except Unreachable as fault:
        raise signon.unreachable(provider, fault) from fault
    if not endpoint:
        raise Unauthenticated()
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": known.settings.client_id,
        "redirect_uri": _redirect(call, provider, protocol),
        "scope": known.settings.scopes,
        "state": _sealed(call, journey),
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return _away(endpoint, asked, _cookie(call, id))


def _leave_for_saml(call: Call, journey: Journey) -> Answer:
    """The journey itself is the cookie: what the provider passes on may be short only."""
    from gateway.identity.federation import clouds, saml, xml

    settings = call.cloud.settings.federation.saml.get(journey.provider)
    public = call.cloud.settings.gateway.public_url.rstrip("/")
    if settings is None or not settings.sso_url or not public:
        raise Unauthenticated()
    where = f"{public}{call.face.path}{CALLBACK.format(id=journey.provider, protocol=journey.protocol)}"
    wanted = saml.request(
        f"_{journey.nonce}", clouds.audience(call), where, settings.sso_url, saml.POST, call.cloud.clock.now()
    )
    asked = {"SAMLRequest": saml.deflated(xml.written(wanted)), "RelayState": journey.id}
    return _away(settings.sso_url, asked, _cookie(call, _sealed(call, journey), posted=True))


def _away(url: str, asked: dict[str, str], cookie: str) -> Answer:
    location = f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(asked)}"
    return Answer(status=302, headers={"Location": location, "Set-Cookie": cookie, **_UNSEEN})


def _sealed(call: Call, journey: Journey) -> str:
    return call.cloud.part(Tokens).keys.seal(msgspec.json.encode(journey))


_UNSEEN = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def _cookie(call: Call, value: str, age: int = int(PATIENCE.total_seconds()), *, posted: bool = False) -> str:
    """One that comes back with a link, or if `posted` with a form of another site, which browsers do over TLS only."""
    secure = "; Secure" if call.base.startswith("https:") else ""
    site = "None" if posted and secure else "Lax"
    path = f"{urlsplit(call.root).path}/v3/auth/OS-FEDERATION"
    return f"{COOKIE}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite={site}{secure}"


def _redirect(call: Call, provider: str, protocol: str) -> str:
    return call.root + CALLBACK.format(id=provider, protocol=protocol)


async def come_back(call: Call) -> Answer:
    """A page that takes a browser to the dashboard with a token. Raises Unauthenticated, Forbidden, Busy."""
    journey = _journey(call, call.request.query_params.get("state", ""))
    if not secrets.compare_digest(call.request.cookies.get(COOKIE, "").encode(), journey.id.encode()):
        raise Unauthenticated()
    provider = signon.provider_of(call, journey.provider)
    protocol = signon.protocol_of(call, journey.provider, journey.protocol)
    known = provider_of(call, provider.id)
    code = call.request.query_params.get("code", "")
    if known is None or not code or len(code) > LONGEST:
        raise Unauthenticated()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _redirect(call, provider.id, protocol.id),
        "code_verifier": journey.verifier,
        "client_id": known.settings.client_id,
    }
    ours = await secret_of(call, provider.id)
    try:
        endpoint = (await known.published()).token_endpoint
        answer = await known.fetch(endpoint, form=form, auth=known.credentials(ours) if ours else None)
        said = await known.claims(str(answer.get("id_token", "")), known.settings.client_id, journey.nonce)
        said = await known.with_more(said, str(answer.get("access_token", "")))
    except Untrue as fault:
        signon.log.info("a sign-on at %s was refused: %s", provider.id, fault)
        raise Unauthenticated() from fault
    except Unreachable as fault:
        raise signon.unreachable(provider.id, fault) from fault
    await signon.use_once(call, ("websso", journey.id), journey.until)
    proven = await signon.vouched(call, provider, protocol, attributes(said), "HTTP_OIDC_ISS")
    text, _ = await signon.issue(call, proven)
    return _page(call, journey.origin, text)


async def posted_back(call: Call) -> Answer:
    """The same from a SAML provider, which has the browser send a form. Raises Unauthenticated, Forbidden."""
    from gateway.identity.federation import clouds

    journey = _journey(call, call.request.cookies.get(COOKIE, ""))
    provider = signon.provider_of(call, journey.provider)
    protocol = signon.protocol_of(call, journey.provider, journey.protocol)
    brought = await clouds.brought(call)
    if not secrets.compare_digest(brought.relay_state.encode(), journey.id.encode()):
        raise Unauthenticated()
    told = await clouds.attributes(call, provider, brought, f"_{journey.nonce}")
    proven = await signon.vouched(call, provider, protocol, told, "MELLON_IDP")
    text, _ = await signon.issue(call, proven)
    return _page(call, journey.origin, text)


def _journey(call: Call, sealed: str) -> Journey:
    """The journey that ends here. Raises Unauthenticated."""
    data = call.cloud.part(Tokens).keys.unseal(sealed) if len(sealed) <= LONGEST else None
    try:
        journey = msgspec.json.decode(data or b"", type=Journey)
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise Unauthenticated() from fault
    here = (journey.provider, journey.protocol) == (call.path["id"], call.path["protocol"])
    if not here or journey.until <= call.cloud.clock.now():
        raise Unauthenticated()
    return journey


def _page(call: Call, origin: str, token: str) -> Answer:
    script = "document.forms[0].submit()"
    digest = urlsafe_b64encode(hashlib.sha256(script.encode()).digest()).decode()
    digest = digest.replace("-", "+").replace("_", "/")
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Signing on</title></head><body>\n'
        f'<form method="post" action="{escape(origin)}">\n'
        f'<input type="hidden" name="token" value="{escape(token)}">\n'
        '<noscript><input type="submit" value="Continue"></noscript>\n'
        f"</form>\n<script>{script}</script>\n</body></html>\n"
    )
    headers = {
        **_UNSEEN,
        "Content-Security-Policy": f"default-src 'none'; script-src 'sha256-{digest}'; frame-ancestors 'none'",
        "Set-Cookie": _cookie(call, "", 0),
    }
    return Answer(body=page.encode(), media_type="text/html; charset=utf-8", headers=headers)
