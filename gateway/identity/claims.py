"""What a token says of itself, and the bytes of that, which are sealed.

Former versions of the bytes are read for as long as a token may live.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

Scope = Literal["project", "domain", "system", "unscoped"]
SCOPES: tuple[Scope, ...] = ("project", "domain", "system", "unscoped")
# In this order they are bits of sealed tokens: a further one comes last.
METHODS = (
    "password",
    "token",
    "application_credential",
    "totp",
    "external",
    "mapped",
    "openid",
    "saml2",
    "oauth1",
    "ec2credential",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_HEXADECIMAL = re.compile(r"[0-9a-f]{32}\Z").match

Packed = bytes | None
"""An id: `x` and 16 bytes if it is hexadecimal, else `t` and the text."""


class Federated(Struct, frozen=True, kw_only=True):
    """Who vouched for a user, and what groups they were said to be in."""

    provider: str
    protocol: str
    groups: tuple[str, ...] = ()


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says of itself."""

    user: str
    methods: tuple[str, ...]
    scope: Scope
    scope_id: str | None = None
    issued_at: datetime
    expires_at: datetime
    audit_ids: tuple[str, ...]  # its own, and that of the first of those it descends from
    application_credential: str | None = None
    trust: str | None = None
    access_token: str | None = None  # of OAuth 1
    federated: Federated | None = None


class _Sealed(Struct, frozen=True, gc=False, array_like=True):
    version: int
    user: Packed
    methods: int  # bits, in the order of METHODS
    scope: int
    scope_id: Packed
    issued: int  # microseconds since 1970
    expires: int
    audit_ids: tuple[bytes, ...]
    application_credential: Packed
    trust: Packed = None
    access_token: Packed = None
    provider: Packed = None
    protocol: Packed = None
    groups: tuple[bytes, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Sealed).decode


def moment(time: datetime) -> str:
    """A time as tokens show it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def timed(text: str) -> datetime:
    """A time of ISO 8601, UTC unless it says otherwise. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def new_audit_id(random: bytes) -> str:
    """How 16 random bytes stand in answers."""
    return urlsafe_b64encode(random).rstrip(b"=").decode()


def to_bytes(claims: Claims) -> bytes:
    federated = claims.federated
    sealed = _Sealed(
        version=1,
        user=_pack(claims.user),
        methods=sum(1 << METHODS.index(method) for method in set(claims.methods)),
        scope=SCOPES.index(claims.scope),
        scope_id=_pack(claims.scope_id),
        issued=(claims.issued_at - EPOCH) // MICROSECOND,
        expires=(claims.expires_at - EPOCH) // MICROSECOND,
        audit_ids=tuple([urlsafe_b64decode(id + "==") for id in claims.audit_ids]),
        application_credential=_pack(claims.application_credential),
        trust=_pack(claims.trust),
        access_token=_pack(claims.access_token),
        provider=_pack(federated.provider) if federated else None,
        protocol=_pack(federated.protocol) if federated else None,
        groups=tuple([_packed(id) for id in federated.groups]) if federated else (),
    )
    return _encode(sealed)


def from_bytes(data: bytes) -> Claims:
    """Raises ValueError if these are no claims."""
    try:
        return _open(_decode(data))
    except (msgspec.DecodeError, IndexError, OverflowError) as fault:  # of another version, or purpose
        raise ValueError("these are no claims") from fault


def _open(sealed: _Sealed) -> Claims:
    provider = _unpack(sealed.provider)
    return Claims(
        user=_unpack(sealed.user) or "",
        methods=tuple([method for bit, method in enumerate(METHODS) if sealed.methods >> bit & 1]),
        scope=SCOPES[sealed.scope],
        scope_id=_unpack(sealed.scope_id),
        issued_at=EPOCH + sealed.issued * MICROSECOND,
        expires_at=EPOCH + sealed.expires * MICROSECOND,
        audit_ids=tuple([new_audit_id(data) for data in sealed.audit_ids]),
        application_credential=_unpack(sealed.application_credential),
        trust=_unpack(sealed.trust),
        access_token=_unpack(sealed.access_token),
        federated=None
        if provider is None
        else Federated(
            provider=provider,
            protocol=_unpack(sealed.protocol) or "",
            groups=tuple([_unpacked(id) for id in sealed.groups]),
        ),
    )


def _packed(id: str) -> bytes:
    return b"x" + bytes.fromhex(id) if _HEXADECIMAL(id) else b"t" + id.encode()


def _unpacked(packed: bytes) -> str:
    return packed[1:].hex() if packed.startswith(b"x") else packed[1:].decode()


def _pack(id: str | None) -> Packed:
    return None if id is None else _packed(id)


def _unpack(packed: Packed) -> str | None:
    return None if packed is None else _unpacked(packed)
