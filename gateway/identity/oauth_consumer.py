"""Consumers of OAuth 1 over HTTP. Source: Identity API reference, "OS-OAUTH1"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import oauth_consumer as consumers
from events.identity.oauth_consumer import Consumer, ConsumerChanged, ConsumerMade
from events.identity.record import Change, Make
from events.ids import new_hex
from events.refusals import NotFound
from gateway.identity import cleaning, shapes
from gateway.identity.listing import collection
from gateway.serving import Call

SHAPES = {"description": shapes.DESCRIPTION}


def view(call: Call, consumer: Consumer) -> dict[str, Any]:
    return {
        "id": consumer.id,
        "description": consumer.description,
        **consumer.extra,
        "links": {"self": f"{call.root}/v3/OS-OAUTH1/consumers/{consumer.id}"},
    }


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new consumer with its secret, shown this once. Raises Invalid."""
    given = shapes.inner(body, "consumer")
    extra = shapes.check("consumer", given, SHAPES)
    made, secret = ConsumerMade(id=new_hex(), description=given.get("description"), extra=extra), new_hex()
    await call.cloud.vault.put(cleaning.oauth_secret(made.id), secret.encode())
    return {"consumer": {**view(call, await call.do(consumers, Make(id=made.id, made=made))), "secret": secret}}


async def listed(call: Call) -> dict[str, Any]:
    """All consumers."""
    return collection(call, "consumers", call.fold.all(consumers), lambda consumer: view(call, consumer))


def _find(call: Call) -> Consumer:
    return call.find(consumers, call.path["id"], NotFound("Consumer not found"))


async def show(call: Call) -> dict[str, Any]:
    """One consumer. Raises NotFound."""
    return {"consumer": view(call, _find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "consumer")
    extra = shapes.check("consumer", given, SHAPES, least=1)
    if "secret" in given:
        raise shapes.wrong(
            "consumer", given, f"{shapes.shown(given)} should not be valid under {{'required': ['secret']}}"
        )
    consumer = _find(call)
    event = ConsumerChanged(
        description=given.get("description", UNSET), extra={**consumer.extra, **extra} if extra else UNSET
    )
    return {"consumer": view(call, await call.do(consumers, Change(id=consumer.id, to=event)))}


async def delete(call: Call) -> None:
    """Delete a consumer and what it was lent. Raises NotFound."""
    await cleaning.delete_consumer(call, _find(call))
