"""Credentials over HTTP. What they hold is read from the vault. Source: Identity API reference, "Credentials"."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from events.identity import credential as credentials
from events.identity import missing
from events.identity.credential import Credential, CredentialChanged, CredentialCreated
from events.identity.record import Change, Make
from events.ids import new_hex
from events.refusals import Invalid
from gateway.identity import cleaning, shapes
from gateway.identity.delegation import guard_credentials, is_delegated
from gateway.identity.listing import asked, collection, filtered
from gateway.identity.proof import expecting
from gateway.serving import Call

SHAPES = {
    "blob": shapes.STRING,
    "type": shapes.Shape(types=("string",), least=1, most=255),
    "user_id": shapes.Shape(types=("string",), least=1, most=64),
    "project_id": shapes.OPTIONAL_ID,
}


async def blob(call: Call, credential: Credential) -> str:
    return (await call.cloud.vault.get(cleaning.blob(credential.blob)) or b"").decode()


async def view(call: Call, credential: Credential) -> dict[str, Any]:
    return {
        "id": credential.id,
        "user_id": credential.user,
        "project_id": credential.project_id,
        "type": credential.kind,
        "blob": await blob(call, credential),
        "links": {"self": f"{call.root}/v3/credentials/{credential.id}"},
    }


async def make(call: Call, made: CredentialCreated, secret: str) -> Credential:
    """First the secret, then what names it; neither if the credential is refused."""
    name = cleaning.blob(made.blob)
    await call.cloud.vault.put(name, secret.encode("utf-8", "surrogatepass"))
    try:
        return await call.do(credentials, Make(id=made.id, made=made))
    except BaseException:
        await call.cloud.vault.delete(name)
        raise


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new credential. Raises Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "credential")
    required = ("blob", "type", "user_id", *(("project_id",) if given.get("type") == "ec2" else ()))
    shapes.check("credential", given, SHAPES, required=required)
    call.enforce({"target.credential.user_id": given["user_id"]})
    guard_credentials(call.who)
    id = ec2_id(_access(given["blob"])) if given["type"].lower() == "ec2" else new_hex()
    made = CredentialCreated(
        id=id, user=given["user_id"], kind=given["type"], blob=new_hex(), project_id=given.get("project_id")
    )
    return {"credential": await view(call, await make(call, made, given["blob"]))}


def _access(blob: str) -> str:
    """The access key in the blob of an EC2 credential. Raises Invalid."""
    try:
        value = msgspec.json.decode(blob)
    except msgspec.DecodeError as fault:
        raise Invalid("Invalid blob in credential") from fault
    if not value or not isinstance(value, dict):
        raise expecting("blob", "credential")
    if not isinstance(value.get("access"), str):
        raise expecting("access", "credential")
    return str(value["access"])


def ec2_id(access: str) -> str:
    """The id of the credential with this access key."""
    return sha256(access.encode("utf-8", "surrogatepass")).hexdigest()


async def listed(call: Call) -> dict[str, Any]:
    """The credentials that the caller may see and the query asks for."""
    every = call.table.verdict(call.operation, call.who) is True
    if not every:
        call.enforce({"target.credential.user_id": call.who.user})
    user = asked(call, "user_id") if every else call.who.user
    found = call.fold.all(credentials) if user is None else call.fold.by(credentials, "user", user)
    if is_delegated(call.who):
        found = []
    found = filtered(call, found, {"type": lambda c: c.kind, "user_id": lambda c: c.user})
    answer = collection(call, "credentials", found, lambda credential: credential)
    answer["credentials"] = [await view(call, credential) for credential in answer["credentials"]]
    return answer


def _find(call: Call, id: str) -> Credential:
    credential = call.fold.get(credentials, id)
    call.enforce({} if credential is None else {"target.credential.user_id": credential.user})
    if credential is None:
        raise missing("credential", id)
    guard_credentials(call.who)
    return credential


async def show(call: Call) -> dict[str, Any]:
    """One credential. Raises NotFound, Forbidden."""
    return {"credential": await view(call, _find(call, call.path["id"]))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Another secret in place of the one; all else stays, and may be repeated. Raises NotFound, Invalid, Forbidden."""
    given = shapes.inner(body, "credential")
    credential = _find(call, call.path["id"])
    same = {"user_id": credential.user, "type": credential.kind, "project_id": credential.project_id}
    given = {name: value for name, value in given.items() if name not in same or value != same[name]}
    shapes.check("credential", given, {"blob": SHAPES["blob"]}, required=("blob",), extra=False)
    if credential.kind.lower() == "ec2":
        _access(given["blob"])
        before, after = msgspec.json.decode(await blob(call, credential) or "{}"), msgspec.json.decode(given["blob"])
        for key in ("trust_id", "app_cred_id", "access_token_id", "access_id"):
            if before.get(key) != after.get(key):
                raise Invalid(f"{key} can not be updated for credential")
    name = new_hex()
    await call.cloud.vault.put(cleaning.blob(name), given["blob"].encode("utf-8", "surrogatepass"))
    state = await call.do(credentials, Change(id=credential.id, to=CredentialChanged(blob=name)))
    await call.cloud.vault.delete(cleaning.blob(credential.blob))
    return {"credential": await view(call, state)}


async def delete(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    await cleaning.delete_secret(call, _find(call, call.path["id"]))
