"""Credentials over HTTP, and those of EC2 by their access keys. What they hold is read from the vault.

Source: Identity API reference, "Credentials"; version 2.0, "OS-EC2".
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from events.identity import credential as credentials
from events.identity import project as projects
from events.identity import user as users
from events.identity.credential import ChangeCredential, CreateCredential, Credential
from events.ids import new_hex
from events.refusals import Invalid, NotFound
from gateway.identity import cleaning, shapes
from gateway.identity.listing import asked, collection, filtered, self_link
from gateway.identity.personas import allow, sees_all
from gateway.identity.proof import expecting
from gateway.serving import Call

SHAPES = {
    "blob": shapes.STRING,
    "type": shapes.Shape(types=("string",), least=1, most=255),
    "user_id": shapes.Shape(types=("string",), least=1, most=64),
    "project_id": shapes.OPTIONAL_ID,
}


def not_found(id: str) -> NotFound:
    return NotFound(f"Could not find credential: {id}.")


async def _blob(call: Call, credential: Credential) -> str:
    return (await call.cloud.vault.get(cleaning.blob(credential.blob)) or b"").decode()


async def view(call: Call, credential: Credential) -> dict[str, Any]:
    return {
        "id": credential.id,
        "user_id": credential.user,
        "project_id": credential.project_id,
        "type": credential.kind,
        "blob": await _blob(call, credential),
        "links": {"self": f"{call.root}/v3/credentials/{credential.id}"},
    }


async def _make(call: Call, wish: CreateCredential, blob: str) -> Credential:
    """First the secret, then what names it; neither if the credential is refused."""
    name = cleaning.blob(wish.blob)
    await call.cloud.vault.put(name, blob.encode("utf-8", "surrogatepass"))
    try:
        return await call.do(credentials, wish)
    except BaseException:
        await call.cloud.vault.delete(name)
        raise


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new credential. Raises Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "credential")
    required = ("blob", "type", "user_id", *(("project_id",) if given.get("type") == "ec2" else ()))
    shapes.check("credential", given, SHAPES, required=required)
    allow(call.who.is_admin or call.who.user == given["user_id"], "create_credential")
    _guard_restricted(call)
    id = new_hex()
    if given["type"] == "ec2":
        id = _ec2_id(_access(given["blob"]))
    wish = CreateCredential(
        id=id, user=given["user_id"], kind=given["type"], blob=new_hex(), project_id=given.get("project_id")
    )
    return {"credential": await view(call, await _make(call, wish, given["blob"]))}


def _guard_restricted(call: Call) -> None:
    """An application credential makes no secrets that outlive it. Raises Forbidden."""
    allow(call.who.application_credential is None, "create_credential")


def _access(blob: str) -> str:
    """The access key in the blob of an EC2 credential. Raises Invalid."""
    try:
        value = msgspec.json.decode(blob)
    except msgspec.DecodeError as fault:
        raise Invalid("Invalid blob in credential") from fault
    if not isinstance(value, dict):
        raise Invalid("Invalid blob in credential")
    if not isinstance(value.get("access"), str):
        raise expecting("blob", "credential")
    return str(value["access"])


def _ec2_id(access: str) -> str:
    return sha256(access.encode("utf-8", "surrogatepass")).hexdigest()


async def listed(call: Call) -> dict[str, Any]:
    """The credentials that the caller may see and the query asks for."""
    user = asked(call, "user_id") if sees_all(call.who) else call.who.user
    found = call.fold.all(credentials) if user is None else call.fold.by(credentials, "user", user)
    found = filtered(call, found, {"type": lambda c: c.kind, "user_id": lambda c: c.user})
    answer = collection(call, "credentials", found, lambda credential: credential)
    answer["credentials"] = [await view(call, credential) for credential in answer["credentials"]]
    return answer


def _find(call: Call, id: str, operation: str, *, read: bool = False) -> Credential:
    credential = call.fold.get(credentials, id)
    mine = credential is not None and credential.user == call.who.user
    allow(mine or call.who.is_admin or (read and sees_all(call.who)), operation)
    if credential is None:
        raise not_found(id)
    return credential


async def show(call: Call) -> dict[str, Any]:
    """One credential. Raises NotFound, Forbidden."""
    return {"credential": await view(call, _find(call, call.path["id"], "get_credential", read=True))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Forbidden."""
    given = shapes.inner(body, "credential")
    shapes.check("credential", given, SHAPES, least=1)
    credential = _find(call, call.path["id"], "update_credential")
    _guard_restricted(call)
    allow(call.who.is_admin or given.get("user_id", call.who.user) == call.who.user, "update_credential")
    kind = given.get("type", credential.kind)
    if kind == "ec2" and _ec2_id(_access(given.get("blob") or await _blob(call, credential))) != credential.id:
        raise Invalid("The access key of a credential cannot change.")
    wish = ChangeCredential(
        id=credential.id,
        kind=kind,
        user=given.get("user_id", credential.user),
        project_id=given.get("project_id", credential.project_id),
        blob=new_hex() if "blob" in given else credential.blob,
    )
    if "blob" in given:
        await call.cloud.vault.put(cleaning.blob(str(wish.blob)), given["blob"].encode("utf-8", "surrogatepass"))
    state = await call.do(credentials, wish)
    if "blob" in given:
        await call.cloud.vault.delete(cleaning.blob(credential.blob))
    return {"credential": await view(call, state)}


async def delete(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    await cleaning.delete_secret(call, _find(call, call.path["id"], "delete_credential"))


# EC2


async def _ec2_view(call: Call, credential: Credential) -> dict[str, Any]:
    blob = msgspec.json.decode(await _blob(call, credential) or "{}")
    access = blob.get("access")
    return {
        "user_id": credential.user,
        "tenant_id": credential.project_id,
        "access": access,
        "secret": blob.get("secret"),
        "trust_id": None,
        "links": {"self": f"{call.root}/v3/users/{credential.user}/credentials/OS-EC2/{access}"},
    }


def _guard_ec2(call: Call, operation: str, *, read: bool = False) -> str:
    user = call.path["id"]
    allow(call.who.is_admin or call.who.user == user or (read and sees_all(call.who)), operation)
    if call.fold.get(users, user) is None:
        raise NotFound(f"Could not find user: {user}.")
    return user


async def create_ec2(call: Call, body: Any) -> dict[str, Any]:
    """New keys for a user in a project. Raises NotFound, Forbidden."""
    user = _guard_ec2(call, "ec2_create_credential")
    _guard_restricted(call)
    project = body.get("tenant_id") if isinstance(body, dict) else None
    if not isinstance(project, str) or call.fold.get(projects, project) is None:
        raise NotFound(f"Could not find project: {str(project)[:64]}.")
    access, secret = new_hex(), new_hex()
    wish = CreateCredential(id=_ec2_id(access), user=user, kind="ec2", blob=new_hex(), project_id=project)
    blob = msgspec.json.encode({"access": access, "secret": secret, "trust_id": None}).decode()
    return {"credential": await _ec2_view(call, await _make(call, wish, blob))}


async def list_ec2(call: Call) -> dict[str, Any]:
    """A user's keys. Raises NotFound, Forbidden."""
    user = _guard_ec2(call, "ec2_list_credentials", read=True)
    found = [credential for credential in call.fold.by(credentials, "user", user) if credential.kind == "ec2"]
    shown = [await _ec2_view(call, credential) for credential in found]
    return {"credentials": shown, "links": {"next": None, "self": self_link(call), "previous": None}}


def _find_ec2(call: Call, operation: str) -> Credential:
    user, id = _guard_ec2(call, operation, read=operation == "ec2_get_credential"), _ec2_id(call.path["access"])
    credential = call.fold.get(credentials, id)
    if credential is None or credential.user != user:
        raise not_found(id)
    return credential


async def show_ec2(call: Call) -> dict[str, Any]:
    """One of a user's keys. Raises NotFound, Forbidden."""
    return {"credential": await _ec2_view(call, _find_ec2(call, "ec2_get_credential"))}


async def delete_ec2(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    await cleaning.delete_secret(call, _find_ec2(call, "ec2_delete_credential"))
