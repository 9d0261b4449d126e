"""By a passcode that changes every half minute: its seed is a credential of type `totp`, in base32.

Source: RFC 6238; Keystone's administrator guide, "Time-based One-time Password (TOTP)".
"""

from __future__ import annotations

import base64
import binascii
import hmac

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from msgspec import Struct

from events.identity import credential as credentials
from events.identity import passcode as passcodes
from events.identity.passcode import UsePasscode
from events.refusals import Unauthenticated
from gateway.identity import cleaning, compliance
from gateway.identity.proof import Proven, Reference, Text, expecting, find_user, is_enabled
from gateway.serving import Call

NAME = "totp"
DIGITS = 6
PERIOD = 30  # seconds


class UserPasscode(Reference):
    passcode: Text | None = None


class Body(Struct):
    user: UserPasscode | None = None


async def prove(call: Call, body: Body) -> Proven:
    """Whose passcode it is; it is used up by that. Raises Unauthenticated, Invalid."""
    given = body.user
    if given is None:
        raise expecting("user", NAME)
    user = find_user(call.fold, given)
    if user is None or not is_enabled(call.fold, user) or not compliance.is_active(call, user):
        raise Unauthenticated()
    for credential in call.fold.by(credentials, "user", user.id):
        if credential.kind == NAME:
            blob = await call.cloud.vault.get(cleaning.blob(credential.blob)) or b""
            step = fitting(call, blob, given.passcode or "")
            if step is not None:
                await call.cloud.execute(passcodes, UsePasscode(id=credential.id, step=step), call.origin)
                return Proven(user=user, methods=[NAME])
    raise Unauthenticated()


def fitting(call: Call, seed: bytes, passcode: str) -> int | None:
    """The step to which a passcode belongs, of those that are looked at; none if to no such."""
    now = int(call.cloud.clock.now().timestamp()) // PERIOD
    for step in range(now, now - 1 - call.cloud.settings.identity.totp_previous_windows, -1):
        right = generate(seed, step)
        if right is not None and hmac.compare_digest(right, passcode.encode("utf-8", "replace")):
            return step
    return None


def generate(seed: bytes, step: int) -> bytes | None:
    """The passcode of a step; none if the seed is none."""
    try:
        key = base64.b32decode(seed + b"=" * (-len(seed) % 8))
        return TOTP(key, DIGITS, SHA1(), PERIOD, enforce_key_length=False).generate(step * PERIOD)
    except (binascii.Error, ValueError):
        return None
