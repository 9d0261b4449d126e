"""Keys of EC2, and tokens for who signs a request with them.

Source: Identity API reference, "OS-EC2"; the Identity service's `ec2tokens` and `s3tokens`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from events.identity import application_credential as application_credentials
from events.identity import credential as credentials
from events.identity import missing
from events.identity import project as projects
from events.identity import user as users
from events.identity.credential import Credential, CredentialCreated
from events.ids import new_hex
from events.refusals import Forbidden, Invalid, NotFound, Unauthenticated
from gateway.bodies import explain
from gateway.identity import cleaning, credential, signatures
from gateway.identity.claims import timed
from gateway.identity.delegation import guard_credentials
from gateway.identity.listing import links
from gateway.identity.proof import Proven, is_enabled
from gateway.identity.signatures import Signed
from gateway.identity.token import document
from gateway.identity.tokens import Target, Tokens
from gateway.identity.trusting import find as find_trust
from gateway.serving import Answer, Call

FRESH = timedelta(minutes=15)  # how long a signature is good for


async def _view(call: Call, one: Credential) -> dict[str, Any]:
    blob = await _blob(call, one)
    access = blob.get("access")
    return {
        "user_id": one.user,
        "tenant_id": one.project_id,
        "access": access,
        "secret": blob.get("secret"),
        "trust_id": blob.get("trust_id"),
        "links": {"self": f"{call.root}/v3/users/{one.user}/credentials/OS-EC2/{access}"},
    }


async def _blob(call: Call, one: Credential) -> dict[str, Any]:
    blob: dict[str, Any] = msgspec.json.decode(await credential.blob(call, one) or "{}")
    return blob


def _guard(call: Call) -> str:
    """The user of the path, whose keys the caller may see or change. Raises NotFound, Forbidden."""
    user = call.path["id"]
    call.enforce({"user_id": user, "target.credential.user_id": user})
    if call.fold.get(users, user) is None:
        raise missing("user", user)
    guard_credentials(call.who)
    return user


async def create(call: Call, body: Any) -> dict[str, Any]:
    """New keys for a user in a project. Raises NotFound, Forbidden."""
    user = _guard(call)
    wanted = body.get("tenant_id") if isinstance(body, dict) else None
    if not isinstance(wanted, str) or call.fold.get(projects, wanted) is None:
        raise missing("project", str(wanted)[:64])
    access, secret = new_hex(), new_hex()
    made = CredentialCreated(id=credential.ec2_id(access), user=user, kind="ec2", blob=new_hex(), project_id=wanted)
    blob = msgspec.json.encode({"access": access, "secret": secret, "trust_id": None}).decode()
    return {"credential": await _view(call, await credential.make(call, made, blob))}


async def listed(call: Call) -> dict[str, Any]:
    """A user's keys. Raises NotFound, Forbidden."""
    user = _guard(call)
    found = [one for one in call.fold.by(credentials, "user", user) if one.kind == "ec2"]
    shown = [await _view(call, one) for one in found]
    return {"credentials": shown, "links": links(call)}


def _find(call: Call) -> Credential:
    user, id = _guard(call), credential.ec2_id(call.path["access"])
    found = call.fold.get(credentials, id)
    if found is None or found.user != user:
        raise missing("credential", id)
    return found


async def show(call: Call) -> dict[str, Any]:
    """One of a user's keys. Raises NotFound, Forbidden."""
    return {"credential": await _view(call, _find(call))}


async def delete(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    await cleaning.delete_secret(call, _find(call))


# Tokens


async def issue(call: Call, body: Any) -> Answer:
    """A token for who signed a request to EC2. Raises Unauthenticated, NotFound, Invalid."""
    text, shown = await _issue(call, body, signatures.is_right)
    return Answer(body=shown, headers={"X-Subject-Token": text})


async def issue_for_s3(call: Call, body: Any) -> Answer:
    """What the token of who signed a request to S3 says. Raises Unauthenticated, NotFound, Invalid."""
    return Answer(body=(await _issue(call, body, signatures.is_right_for_s3))[1])


async def _issue(call: Call, body: Any, is_right: Callable[[Signed, str], bool]) -> tuple[str, dict[str, Any]]:
    signed = _read(body)
    if signed.access is None:
        raise Unauthenticated()
    known = call.fold.get(credentials, credential.ec2_id(signed.access))
    if known is None or known.kind != "ec2":
        raise NotFound("EC2 access key not found.")
    blob = await _blob(call, known)
    if not is_right(signed, str(blob.get("secret", ""))):
        raise Unauthenticated()
    proven, target = _prove(call, known, blob)
    _guard_time(call, signed)
    tokens = call.cloud.part(Tokens)
    text, claims = tokens.issue(proven, target)
    try:
        token = tokens.valid(claims)  # it has to give something
    except (NotFound, Forbidden) as fault:
        raise Unauthenticated() from fault
    return text, document(call, token)


def _read(body: Any) -> Signed:
    if not body or not isinstance(body, dict):
        raise Invalid("request must include a request body")
    given = body.get("credentials") or body.get("credential") or body.get("ec2Credentials") or {}
    try:
        return msgspec.convert(given, Signed)
    except msgspec.ValidationError as fault:
        raise Invalid(explain(str(fault))) from fault


def _prove(call: Call, known: Credential, blob: dict[str, Any]) -> tuple[Proven, Target]:
    """Whose keys they are, with what was lent when they were made, and what for.

    Raises Unauthenticated, NotFound, Forbidden.
    """
    user, lent, trust = call.fold.get(users, known.user), None, None
    if blob.get("trust_id"):
        trust = find_trust(call.fold, str(blob["trust_id"]), call.cloud.clock.now())
        if known.user != (trust.trustor if trust.impersonation else trust.trustee):
            raise Unauthenticated()
        user = call.fold.get(users, trust.trustee)
    if user is None or not is_enabled(call.fold, user) or blob.get("access_token_id"):
        raise Unauthenticated()
    if blob.get("app_cred_id"):
        lent = call.fold.get(application_credentials, str(blob["app_cred_id"]))
        if lent is None or (lent.user, lent.project_id) != (user.id, known.project_id):
            raise Unauthenticated()
    proven = Proven(user=user, methods=["ec2credential"], credential=lent)
    return proven, Target(scope="project", id=known.project_id, trust=trust)


def _guard_time(call: Call, signed: Signed) -> None:
    """Raises Unauthenticated if it was signed long ago."""
    if signed.timestamp is None:
        return
    try:
        time = timed(signed.timestamp)
    except (ValueError, OverflowError) as fault:
        raise Unauthenticated() from fault
    if call.cloud.clock.now() - FRESH > time:
        raise Unauthenticated()
