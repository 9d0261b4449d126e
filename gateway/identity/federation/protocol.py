"""Protocols of identity providers over HTTP. Source: Identity API reference, "OS-FEDERATION", "Protocols"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import federation_protocol as protocols
from events.identity import mapping as mappings
from events.identity.federation_protocol import (
    FederationProtocol,
    FederationProtocolChanged,
    FederationProtocolCreated,
)
from events.identity.record import Change, Make
from events.refusals import Invalid, NotFound
from gateway.identity import shapes
from gateway.identity.federation import cleaning, identity_provider
from gateway.identity.federation.naming import id_of
from gateway.identity.listing import collection
from gateway.identity.shapes import Shape
from gateway.serving import Call

MAPPING = Shape(types=("string",), least=1, most=64)
SHAPES = {"mapping_id": MAPPING, "remote_id_attribute": Shape(types=("string", "null"), most=64)}
CHANGES = {"mapping_id": MAPPING, "remote_id_attribute": Shape(types=("string",), most=64)}


def not_found(provider: str, id: str) -> NotFound:
    return NotFound(f"Could not find federated protocol {id} for Identity Provider: {provider}.")


def find(call: Call) -> FederationProtocol:
    """The protocol of the path. Raises NotFound."""
    key = (call.path["id"], call.path["protocol"])
    return call.find(protocols, key, not_found(*key))


def view(call: Call, protocol: FederationProtocol) -> dict[str, Any]:
    provider = f"{call.root}/v3/OS-FEDERATION/identity_providers/{protocol.provider}"
    return {
        "id": protocol.id,
        "mapping_id": protocol.mapping,
        "links": {"self": f"{provider}/protocols/{protocol.id}", "identity_provider": provider},
    }


def _mapping(call: Call, id: str) -> str:
    if call.fold.get(mappings, id) is None:
        raise Invalid(f"Invalid mapping id: {id}")
    return id


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new protocol of a provider. Raises NotFound, Invalid, Conflict."""
    given = shapes.inner(body, "protocol")
    shapes.check("protocol", given, SHAPES, required=("mapping_id",), extra=False)
    mapping = _mapping(call, given["mapping_id"])
    provider = identity_provider.find(call)
    made = FederationProtocolCreated(
        provider=provider.id,
        id=id_of(call, "protocol"),
        mapping=mapping,
        remote_id_attribute=given.get("remote_id_attribute"),
    )
    return {"protocol": view(call, await call.do(protocols, Make(id=(made.provider, made.id), made=made)))}


async def listed(call: Call) -> dict[str, Any]:
    """The protocols of a provider."""

    def shown(protocol: FederationProtocol) -> dict[str, Any]:
        return {
            **view(call, protocol),
            "idp_id": protocol.provider,
            "remote_id_attribute": protocol.remote_id_attribute,
        }

    return collection(call, "protocols", call.fold.by(protocols, "provider", call.path["id"]), shown)


async def show(call: Call) -> dict[str, Any]:
    """One protocol. Raises NotFound."""
    return {"protocol": view(call, find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "protocol")
    shapes.check("protocol", given, CHANGES, required=("mapping_id",), extra=False)
    event = FederationProtocolChanged(
        mapping=_mapping(call, given["mapping_id"]), remote_id_attribute=given.get("remote_id_attribute", UNSET)
    )
    wish = Change(id=(call.path["id"], call.path["protocol"]), to=event)
    return {"protocol": view(call, await call.do(protocols, wish))}


async def delete(call: Call) -> None:
    """Delete a protocol, and the users who were known by it alone. Raises NotFound."""
    await cleaning.delete_protocol(call, find(call))
