"""Key pairs over HTTP: imported, or made here and told once. Source: Compute API reference, "Keypairs (keypairs)"."""

from __future__ import annotations

import asyncio
import hashlib
import re
from base64 import b64decode
from binascii import Error as BadBase64
from datetime import datetime
from typing import Annotated, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import UNSET, Meta, Struct, UnsetType

from events.compute import keypair as keypairs
from events.compute.keypair import CreateKeypair, DeleteKeypair, Keypair
from events.fold import Known
from events.refusals import Invalid, NotFound, OverQuota
from gateway.compute import quota, words
from gateway.compute.server_wish import checked_name
from gateway.links import Link, with_query
from gateway.microversions import since
from gateway.serving import Answer, Call

BITS = 2048  # of the keys made here
KINDS = re.compile(
    r"(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)\Z"
)
_OLD_NAME = re.compile(r"[_\- a-zA-Z0-9]+\Z")
_NAME = re.compile(r"[_\- a-zA-Z0-9@.]+\Z")


class NewKeypair(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    public_key: Annotated[str, Meta(max_length=65535)] | UnsetType = UNSET
    type: Annotated[Literal["ssh", "x509"] | UnsetType, since(2, 2)] = UNSET
    user_id: Annotated[Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType, since(2, 10)] = UNSET


class CreateKeypairBody(Struct, forbid_unknown_fields=True):
    keypair: NewKeypair


class KeypairBrief(Struct, kw_only=True):
    name: str
    public_key: str
    fingerprint: str
    type: Annotated[str | UnsetType, since(2, 2)] = "ssh"


class MadeView(KeypairBrief, kw_only=True):
    user_id: str
    private_key: str | UnsetType = UNSET


class KeypairView(KeypairBrief, kw_only=True):
    user_id: str
    id: int
    created_at: datetime
    updated_at: None = None
    deleted: bool = False
    deleted_at: None = None


class MadeAnswer(Struct):
    keypair: MadeView


class KeypairAnswer(Struct):
    keypair: KeypairView


class Listed(Struct):
    keypair: KeypairBrief


class KeypairList(Struct):
    keypairs: list[Listed]
    keypairs_links: Annotated[list[Link] | UnsetType, since(2, 35)] = UNSET


class Pair(Struct, frozen=True):
    public_key: str
    fingerprint: str
    private_key: str | UnsetType = UNSET


async def create(call: Call, body: CreateKeypairBody) -> Answer:
    """A key that is brought, or below 2.92 a new one. Raises Invalid, Conflict, OverQuota, Forbidden."""
    new = body.keypair
    name = checked_name(new.name)
    pattern = _NAME if call.version >= (2, 92) else _OLD_NAME
    if not pattern.match(name):
        shown = r"^[_\\- a-zA-Z0-9@.]+$" if call.version >= (2, 92) else r"^[_\\- a-zA-Z0-9]+$"
        raise Invalid(f"Invalid input for field/attribute name. Value: {name}. {name!r} does not match '{shown}'")
    user = _user(call, new.user_id or None)
    kind: Literal["ssh", "x509"] = new.type or "ssh"
    if new.public_key is UNSET and call.version >= (2, 92):
        raise words.missing(call, "public_key", "keypair")
    most = quota.limits(call, call.project)["key_pairs"]
    if call.fold.get(keypairs, (user, name)) is None and 0 <= most <= call.fold.count(keypairs, "user", user):
        raise OverQuota("Quota exceeded, too many key pairs.")
    pair = await _pair(kind, new.public_key)
    wish = CreateKeypair(id=(user, name), kind=kind, public_key=pair.public_key, fingerprint=pair.fingerprint)
    state = await call.do(keypairs, wish)
    view = MadeView(
        name=state.name,
        public_key=state.public_key,
        fingerprint=state.fingerprint,
        type=state.kind,
        user_id=state.user,
        private_key=pair.private_key,
    )
    return Answer(body=MadeAnswer(view), status=201 if call.version >= (2, 2) else 200)


async def _pair(kind: str, given: str | UnsetType) -> Pair:
    if given is not UNSET:
        return Pair(given, _fingerprint(given) if kind == "ssh" else _certificate_fingerprint(given))
    if kind == "x509":
        raise Invalid("This cloud makes no certificates: bring one with public_key.")
    return await asyncio.to_thread(_generate)


def _generate() -> Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    openssh = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    public = openssh.decode() + " Generated-by-Cumulog"
    return Pair(public, _fingerprint(public), private)


def _fingerprint(key: str) -> str:
    """MD5 of a public SSH key, in pairs of digits. Raises Invalid."""
    words_ = key.split(None, 2)
    try:
        if len(words_) >= 2 and KINDS.match(words_[0]) and "\n" not in key.strip():
            blob = b64decode(words_[1], validate=True)
            length = int.from_bytes(blob[:4], "big")
            if blob[4 : 4 + length] == words_[0].encode():
                digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
                return ":".join(digest[i : i + 2] for i in range(0, 32, 2))
    except (BadBase64, ValueError):
        pass
    raise Invalid("Keypair data is invalid: failed to generate fingerprint")


def _certificate_fingerprint(pem: str) -> str:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError as fault:
        raise Invalid(
            f"Keypair data is invalid: failed to generate X509 fingerprint. Error message: {fault}"
        ) from fault
    digest = certificate.fingerprint(hashes.SHA1()).hex()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _user(call: Call, wanted: str | None) -> str:
    """Whose key pairs: the caller's own, or anybody's for who may. Raises Forbidden."""
    user = wanted or call.who.user
    call.enforce({"user_id": user})
    return user


def _asked(call: Call, values: dict[str, list[str]]) -> str:
    return _user(call, values["user_id"][-1] if "user_id" in values and call.version >= (2, 10) else None)


_OF_ONE = frozenset(("user_id",))
_OF_MANY = frozenset(("user_id", "limit", "marker"))


async def show(call: Call) -> KeypairAnswer:
    """One key pair. Raises NotFound, Forbidden."""
    user, name = _asked(call, words.known_queries(call, _OF_ONE)), call.path["name"]
    known: Known[Keypair] | None = call.fold.known(keypairs, (user, name))
    if known is None or known.state.deleted:
        raise NotFound(f"Keypair {name[:255]} not found for user {user}")
    pair = known.state
    view = KeypairView(
        name=pair.name,
        public_key=pair.public_key,
        fingerprint=pair.fingerprint,
        type=pair.kind,
        user_id=pair.user,
        id=known.sequence,
        created_at=known.created_at.replace(tzinfo=None),
    )
    return KeypairAnswer(view)


async def list_(call: Call) -> KeypairList:
    """The key pairs of a user, by name. Raises Invalid, Forbidden."""
    values = words.known_queries(call, _OF_MANY)
    user = _asked(call, values)
    found = sorted(call.fold.by(keypairs, "user", user), key=lambda pair: pair.name)
    links: list[Link] | UnsetType = UNSET
    if call.version >= (2, 35):
        limit = words.limit_of(values, call.cloud.settings.gateway.page)
        found = _after(found, values["marker"][-1] if "marker" in values else None)[:limit]
        if found and len(found) == limit:
            here = f"{call.root}/v2.1/os-keypairs"
            links = [Link("next", with_query(here, call.request.url.query, marker=found[-1].name))]
    views = [
        Listed(KeypairBrief(name=one.name, public_key=one.public_key, fingerprint=one.fingerprint, type=one.kind))
        for one in found
    ]
    return KeypairList(views, links)


def _after(found: list[Keypair], marker: str | None) -> list[Keypair]:
    if marker is None:
        return found
    if all(one.name != marker for one in found):
        raise Invalid(f"Marker {marker[:255]} could not be found.")
    return [one for one in found if one.name > marker]


async def delete(call: Call) -> Answer:
    """Servers made with it keep it. Raises NotFound, Forbidden."""
    user = _asked(call, words.known_queries(call, _OF_ONE))
    await call.do(keypairs, DeleteKeypair(id=(user, call.path["name"][:255])))
    return Answer(status=204 if call.version >= (2, 2) else 202)
