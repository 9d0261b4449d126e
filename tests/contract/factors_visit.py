"""What a program does with OpenStack's own library to prove several factors; run by a client's own Python, prints JSON.

Arguments: the URL of identity, a user's id, their password, the seed of their passcodes in base32.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import sys
import time

from keystoneauth1 import session
from keystoneauth1.exceptions import MissingAuthMethods
from keystoneauth1.identity import v3

PERIOD = 30  # seconds of a passcode
LONG = 5  # seconds that one may be on its way


def passcode(seed: str, ago: int) -> str:
    """RFC 6238's, of six digits, so many periods ago; its period does not end while it is on its way."""
    left = PERIOD - time.time() % PERIOD
    if left < LONG:
        time.sleep(left)
    step = int(time.time()) // PERIOD - ago
    digest = hmac.new(base64.b32decode(seed), struct.pack(">Q", step), hashlib.sha1).digest()
    place = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[place : place + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def visit(url: str, user: str, password: str, seed: str) -> dict[str, object]:
    """By a password and a receipt, by both factors at once, and by the token that came of it."""
    met: dict[str, object] = {}
    auth = v3.Auth(url, [v3.PasswordMethod(user_id=user, password=password)], unscoped=True)
    asking = session.Session(auth=auth)
    try:
        asking.get_token()
    except MissingAuthMethods as missing:
        met["receipt"] = missing.methods
        met["required"] = missing.required_auth_methods
        auth.add_method(v3.TOTPMethod(user_id=user, passcode=passcode(seed, 1)))
        auth.receipt = missing.receipt
        token = asking.get_token()
        said = asking.get(f"{url}/auth/tokens", headers={"X-Subject-Token": token}).json()["token"]
        met["methods"] = sorted(said["methods"])
    both = v3.MultiFactor(
        url,
        auth_methods=["v3password", "v3totp"],
        user_id=user,
        password=password,
        passcode=passcode(seed, 0),
        unscoped=True,
    )
    token = session.Session(auth=both).get_token()
    met["at once"] = bool(token)
    met["exchanged"] = bool(session.Session(auth=v3.Token(url, token=token, unscoped=True)).get_token())
    return met


if __name__ == "__main__":
    print(json.dumps(visit(*sys.argv[1:])))
