"""Signatures of requests in the manner of Amazon's web services: what they are over, and whether they are right.

Source: AWS General Reference, "Signature Version 2", "Signature Version 4"; Amazon S3, "Signing and authenticating REST
requests". Versions 0 and 1 are not taken: they can be forged.
"""

from __future__ import annotations

import hmac
from base64 import b64encode, urlsafe_b64decode
from binascii import Error
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import quote

from msgspec import Struct

V4 = "AWS4-HMAC-SHA256"
S3_SERVICES = ("s3", "iam", "sts")


class Signed(Struct, kw_only=True):
    """A request as whoever received it tells of it, and its signature."""

    access: str | None = None
    signature: str | None = None
    host: str = ""
    verb: str = ""
    path: str = ""
    params: dict[str, Any] = {}
    headers: dict[str, str] = {}
    body_hash: str = ""
    token: str = ""  # of S3: the text that was signed, in Base64

    @property
    def timestamp(self) -> str | None:
        """When it was signed, as the request says; nothing if it does not say."""
        found = self.params.get("Timestamp") or self.headers.get("X-Amz-Date") or self.params.get("X-Amz-Date")
        return str(found) if found else None


def is_right(signed: Signed, secret: str) -> bool:
    """Whether a request to EC2 was signed with the secret; some clients leave the host's port out."""
    hosts = {signed.host, signed.host.rpartition(":")[0] or signed.host}
    try:
        return any(_same(signed.signature, _signature(signed, host, secret)) for host in hosts)
    except UnicodeError:
        return False


def is_right_for_s3(signed: Signed, secret: str) -> bool:
    """Whether the text that a request to S3 was boiled down to was signed with the secret."""
    try:
        return _is_right_for_s3(signed, secret, urlsafe_b64decode(signed.token))
    except (Error, ValueError):
        return False


def _is_right_for_s3(signed: Signed, secret: str, text: bytes) -> bool:
    if not text.startswith(b"AWS4"):
        return _same(signed.signature, b64encode(hmac.digest(secret.encode(), text, sha1)).decode())
    parts = text.split(b"\n")
    scope = parts[2].split(b"/") if len(parts) == 4 else []
    if parts[0] != V4.encode() or len(scope) != 4 or scope[3] != b"aws4_request":
        return False
    day, region, service = (part.decode("utf-8", "replace") for part in scope[:3])
    return service in S3_SERVICES and _same(
        signed.signature, hmac.digest(_key(secret, day, region, service), text, sha256).hex()
    )


def _same(given: str | None, right: str | None) -> bool:
    return given is not None and right is not None and hmac.compare_digest(given.encode(), right.encode())


def _signature(signed: Signed, host: str, secret: str) -> str | None:
    """The right signature; None of a request that tells too little, or is signed in another manner."""
    if signed.params.get("SignatureVersion") == "2":
        params = {**signed.params, "SignatureMethod": "HmacSHA256"}
        text = f"{signed.verb}\n{host}\n{signed.path}\n{_query(params)}"
        return b64encode(hmac.digest(secret.encode(), text.encode(), sha256)).decode()
    by_header = signed.headers.get("Authorization", "").startswith(V4)
    if by_header or signed.params.get("X-Amz-Algorithm") == V4:
        return _version_4(signed, secret, by_header=by_header)
    return None


def _version_4(signed: Signed, secret: str, *, by_header: bool) -> str | None:
    def said(name: str) -> str:
        if by_header:
            return signed.headers["Authorization"].partition(f"{name}=")[2].split(",")[0]
        return str(signed.params.get(f"X-Amz-{name}", ""))

    _, _, place = said("Credential").partition("/")
    scope = place.split("/")
    date = signed.headers.get("X-Amz-Date") or str(signed.params.get("X-Amz-Date", ""))
    if len(scope) != 4 or not date.startswith(scope[0]):
        return None
    headers = {name.lower().strip(): value.strip() for name, value in signed.headers.items()}
    names = said("SignedHeaders")
    shown = "".join(f"{name}:{headers[name]}\n" for name in names.split(";") if name in headers)
    verb = signed.verb.upper()
    query = "" if verb == "POST" else _query(signed.params)  # the body of a POST has it
    request = "\n".join((verb, signed.path, query, shown, names, signed.body_hash))
    text = "\n".join((V4, date, place, sha256(request.encode()).hexdigest()))
    return hmac.digest(_key(secret, *scope[:3]), text.encode(), sha256).hex()


def _key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), sha256)
    return key


def _query(params: dict[str, Any]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(str(params[name]), safe='-_~')}" for name in sorted(params))
