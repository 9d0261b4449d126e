"""Mappings over HTTP. Source: Identity API reference, "OS-FEDERATION", "Mappings"."""

from __future__ import annotations

from typing import Any

from events.identity import mapping as mappings
from events.identity import missing
from events.identity.mapping import Mapping, MappingChanged, MappingCreated
from events.identity.record import Change, Delete, Make
from events.refusals import Invalid
from gateway.identity import shapes
from gateway.identity.federation import rules
from gateway.identity.federation.naming import id_of
from gateway.identity.listing import collection
from gateway.serving import Call


def view(call: Call, mapping: Mapping) -> dict[str, Any]:
    return {
        "id": mapping.id,
        "rules": mapping.rules,
        "schema_version": mapping.schema_version,
        "links": {"self": f"{call.root}/v3/OS-FEDERATION/mappings/{mapping.id}"},
    }


def _given(body: Any) -> tuple[tuple[dict[str, Any], ...], str]:
    """The rules of a body, and their version. Raises Invalid."""
    given = shapes.inner(body, "mapping") if body else {}
    if "rules" not in given:
        raise Invalid("'rules' is a required property\n")
    version = given.get("schema_version") or rules.VERSIONS[0]
    if not isinstance(version, str):
        raise Invalid(f"{shapes.shown(version)} is not of type 'string'\n")
    rules.read(given["rules"], version)
    return tuple(given["rules"]), version


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new mapping. Raises Invalid, Conflict."""
    given, version = _given(body)
    made = MappingCreated(id=id_of(call), rules=given, schema_version=version)
    return {"mapping": view(call, await call.do(mappings, Make(id=made.id, made=made)))}


async def listed(call: Call) -> dict[str, Any]:
    """All mappings."""
    return collection(call, "mappings", call.fold.all(mappings), lambda mapping: view(call, mapping))


async def show(call: Call) -> dict[str, Any]:
    """One mapping. Raises NotFound."""
    id = call.path["id"]
    return {"mapping": view(call, call.find(mappings, id, missing("mapping", id)))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Replace the rules; without a version they are of the first. Raises NotFound, Invalid."""
    given, version = _given(body)
    event = MappingChanged(rules=given, schema_version=version)
    return {"mapping": view(call, await call.do(mappings, Change(id=call.path["id"], to=event)))}


async def delete(call: Call) -> None:
    """Delete a mapping; who comes by a protocol of it is nobody from then on. Raises NotFound."""
    await call.do(mappings, Delete(id=call.path["id"]))
