"""A key pair of a user: its public half. The private one is answered once and never kept.

    CREATED -> DELETED

Source: Compute API reference, "Keypairs (keypairs)".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, assert_never

from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.refusals import Conflict, NotFound

INDEXES = ("user",)


class Keypair(State, frozen=True, gc=False, kw_only=True):
    user: str
    name: str
    kind: Literal["ssh", "x509"] = "ssh"
    public_key: str
    fingerprint: str

    @property
    def owner(self) -> str | None:
        return None


class KeypairCreated(Event, frozen=True, gc=False, kw_only=True):
    user: str
    name: str
    kind: Literal["ssh", "x509"] = "ssh"
    public_key: str
    fingerprint: str


class KeypairDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = KeypairCreated | KeypairDeleted


class CreateKeypair(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]  # user, name
    kind: Literal["ssh", "x509"] = "ssh"
    public_key: str
    fingerprint: str


class DeleteKeypair(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]


Commands = CreateKeypair | DeleteKeypair


def decide(keypair: Keypair | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises Conflict, NotFound."""
    alive = keypair is not None and not keypair.deleted
    user, name = command.id
    match command:
        case CreateKeypair():
            if alive:
                raise Conflict(f"Key pair '{name}' already exists.")
            values = {key: value for key, value in asdict(command).items() if key != "id"}
            return [KeypairCreated(user=user, name=name, **values)]
        case DeleteKeypair():
            if not alive:
                raise NotFound(f"Keypair {name} not found for user {user}")
            return [KeypairDeleted()]
    assert_never(command)


def evolve(keypair: Keypair | None, event: Events, at: datetime) -> Keypair:
    """The key pair after `event`."""
    match event:
        case KeypairCreated():
            return Keypair(**asdict(event))
        case KeypairDeleted():
            assert keypair is not None, "KeypairDeleted before KeypairCreated"
            return replace(keypair, deleted=True)
    assert_never(event)
