"""What an OpenID provider's tokens say, and whether it is true.

Issuer and client are the operator's settings, all else is found below the issuer and kept for an hour. A key that is
not known is asked for at once, but not again and again. Only signatures by somebody else's private key are proof:
neither `none` nor a shared secret is, whatever a token says of itself.
Source: OpenID Connect Core 1.0, Discovery 1.0; RFC 7519, 7662, 8725, 9068.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError
from msgspec import Struct

from events.clock import Clock
from events.settings import Federation, OpenIdProvider
from gateway.identity.federation.fetching import Unreachable, fetch

KEPT = timedelta(hours=1)  # how long what a provider publishes is not asked for again
AGAIN = timedelta(seconds=10)  # between two questions for keys that are not known
LONGEST = 16_384  # characters of a token
MOST = 64  # keys of a provider
BROAD = 200  # attributes, and values of one
TEXT = 4096  # characters of a value

_NO_LETTER = re.compile(r"[^A-Za-z0-9]")


class Untrue(Exception):
    """A token proves nothing; the message is for the operator's log, not for whoever shows it."""


class Published(Struct, frozen=True):
    """What a provider says of itself."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    introspection_endpoint: str = ""
    userinfo_endpoint: str = ""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__[1:]:
            url = urlsplit(getattr(self, name))
            if getattr(self, name) and (url.scheme not in ("https", urlsplit(self.issuer).scheme) or not url.hostname):
                raise ValueError(f"{name} is less safe than the issuer")


class Provider:
    """One OpenID provider as this gateway knows it."""

    def __init__(self, settings: OpenIdProvider, common: Federation, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._common = common
        self._published: Published | None = None
        self._published_at = clock.now()
        self._keys: list[jwk.Key] = []
        self._keys_at = clock.now() - KEPT
        self._asked_at = clock.now() - KEPT  # for keys, whether they came or not
        self._fault = ""  # why they did not come

    async def fetch(self, url: str, **how: Any) -> dict[str, Any]:
        """Raises Unreachable."""
        if not url:
            raise Unreachable(f"{self.settings.issuer} does not offer that")
        return await fetch(url, self._common.timeout, **how)

    def credentials(self, secret: str) -> tuple[str, str]:
        """As which this cloud asks. Source: RFC 6749, section 2.3.1."""
        return quote(self.settings.client_id, safe=""), quote(secret, safe="")

    async def published(self) -> Published:
        """What the provider says of itself. Raises Unreachable."""
        now = self.clock.now()
        if self._published is None or now - self._published_at > KEPT:
            url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = msgspec.convert(await self.fetch(url), Published)
            except msgspec.ValidationError as fault:
                raise Unreachable(f"{url}: {fault}") from fault
            if found.issuer != self.settings.issuer:
                raise Unreachable(f"{url} is another issuer's: {found.issuer}")
            self._published, self._published_at = found, now
        return self._published

    async def _key(self, kid: str | None, algorithm: str) -> jwk.Key:
        """The key that a token names. Raises Untrue, Unreachable."""
        now = self.clock.now()
        found = self._known(kid, algorithm)
        if (found is None or now - self._keys_at > KEPT) and now - self._asked_at > AGAIN:
            self._asked_at = now
            try:
                await self._refresh()
                self._fault = ""
            except Unreachable as fault:
                self._fault = str(fault)
            found = self._known(kid, algorithm)
        if found is None and self._fault:
            raise Unreachable(self._fault)
        if found is None:
            raise Untrue(f"the issuer has no key {kid!r} for {algorithm}")
        return found

    def _known(self, kid: str | None, algorithm: str) -> jwk.Key | None:
        fitting = [key for key in self._keys if key.alg in (None, algorithm) and (kid is None or key.kid == kid)]
        return fitting[0] if len(fitting) == 1 else None

    async def _refresh(self) -> None:
        document = await self.fetch((await self.published()).jwks_uri)
        published, keys = document.get("keys"), []
        if not isinstance(published, list):
            raise Unreachable("the issuer's keys are no list")
        for one in published[:MOST]:
            try:
                if one.get("use", "sig") == "sig" and one.get("kty") != "oct":
                    keys.append(jwk.import_key(one))
            except (JoseError, ValueError, TypeError, AttributeError, KeyError):
                continue  # of a kind that is not known here
        self._keys, self._keys_at = keys, self.clock.now()

    async def claims(self, token: str, audience: str, nonce: str | None = None) -> dict[str, Any]:
        """What a signed token says. Raises Untrue, Unreachable."""
        if len(token) > LONGEST:
            raise Untrue("the token is too long")
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError, TypeError, RecursionError) as fault:
            raise Untrue(f"it is no signed token: {fault}") from fault
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self.settings.algorithms or not isinstance(kid, str | None):
            raise Untrue(f"signed by {algorithm!r}")
        key = await self._key(kid, algorithm)
        try:
            said = jwt.decode(token, key, algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError, RecursionError) as fault:
            raise Untrue(f"the signature is wrong: {fault}") from fault
        self._hold(said, audience, nonce)
        return said

    def _hold(self, said: dict[str, Any], audience: str, nonce: str | None) -> None:
        registry = jwt.JWTClaimsRegistry(
            now=int(self.clock.now().timestamp()),
            leeway=self._common.clock_skew,
            iss={"essential": True, "value": self.settings.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )
        try:
            registry.validate(said)
        except (JoseError, ValueError, TypeError, OverflowError) as fault:
            raise Untrue(f"it does not hold: {fault}") from fault
        if nonce is not None and said.get("nonce") != nonce:
            raise Untrue("it was made for another sign-on")
        if "azp" in said and isinstance(said["aud"], list) and len(said["aud"]) > 1 and said["azp"] != audience:
            raise Untrue(f"it was made for {said['azp']!r}")

    async def of_bearer(self, token: str, secret: str | None) -> dict[str, Any]:
        """What an access token, or an ID token, says of who shows it. Raises Untrue, Unreachable."""
        audience = self.settings.audience or self.settings.client_id
        if token.count(".") == 2 or not self.settings.introspection:
            said = await self._of_either(token, audience)
        else:
            said = await self._introspected(token, audience, secret)
        return await self.with_more(said, token) if "nonce" not in said else said

    async def with_more(self, said: dict[str, Any], token: str) -> dict[str, Any]:
        """And what the provider tells of the user to who has an access token, if that is set. As `of_bearer`."""
        if not self.settings.userinfo:
            return said
        url = (await self.published()).userinfo_endpoint
        told = await self.fetch(url, headers={"Authorization": f"Bearer {token}"})
        if told.get("sub") != said["sub"]:
            raise Untrue("the provider tells of another user")
        return {**told, **said}

    async def _of_either(self, token: str, audience: str) -> dict[str, Any]:
        """An access token is for the audience, an ID token for the client."""
        try:
            return await self.claims(token, audience)
        except Untrue:
            if audience == self.settings.client_id:
                raise
            return await self.claims(token, self.settings.client_id)

    async def _introspected(self, token: str, audience: str, secret: str | None) -> dict[str, Any]:
        if len(token) > LONGEST or secret is None:
            raise Untrue("it cannot be asked about")
        url = (await self.published()).introspection_endpoint
        said = await self.fetch(url, form={"token": token}, auth=self.credentials(secret))
        if said.get("active") is not True:
            raise Untrue("the issuer says that it does not hold")
        mine = said.get("aud", said.get("client_id"))
        if audience not in (mine if isinstance(mine, list) else [mine]):
            raise Untrue(f"it was made for {mine!r}")
        self._hold({"iss": self.settings.issuer, **said, "aud": audience}, audience, None)
        return {**said, "iss": self.settings.issuer}


def attributes(said: dict[str, Any]) -> dict[str, list[str]]:
    """Claims as mappings name them: `HTTP_OIDC_EMAIL`, as Apache's module passes them on, and `OIDC-email`."""
    found: dict[str, list[str]] = {}
    twice: set[str] = set()
    for claim, value in list(said.items())[:BROAD]:
        values = [_text(one) for one in (value if isinstance(value, list) else [value])[:BROAD] if one is not None]
        found[f"OIDC-{claim}"] = values
        name = f"HTTP_OIDC_{_NO_LETTER.sub('_', claim).upper()}"
        if name in found:
            twice.add(name)  # whoever chooses the names of claims would choose which one counts
        found[name] = values
    return {name: values for name, values in found.items() if name not in twice}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return (value if isinstance(value, str) else msgspec.json.encode(value).decode())[:TEXT]
