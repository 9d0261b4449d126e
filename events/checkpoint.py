"""A checkpoint: a signed word of how far the log went, by which a tail that was cut off later is missed.

    {"sequence": 4711, "chain": …, "at": …, "signature": …}

It is written with each epoch that is archived, and to be kept where whoever could cut the log has no access. The key is
in DIR/keys/checkpoints. Source: RFC 8032 (Ed25519).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from msgspec.structs import replace

from events.keys import kept

KEY = "checkpoints"
FOLDER = "checkpoints"  # in DIR


class Checkpoint(Struct, frozen=True, kw_only=True):
    """How far the log went."""

    sequence: int  # of the last entry of an epoch
    chain: str  # of the digests of all epochs up to it
    at: datetime
    signature: str = ""  # base64, over all that stands before it


class Forged(Exception):
    """The checkpoint was not signed with the cloud's key."""


def _key(keys: Path) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(kept(keys / KEY))


def _signed(one: Checkpoint) -> bytes:
    return msgspec.json.encode(replace(one, signature=""))


def sign(one: Checkpoint, keys: Path) -> Checkpoint:
    """The checkpoint with its signature."""
    return replace(one, signature=b64encode(_key(keys).sign(_signed(one))).decode())


def read(file: Path, keys: Path) -> Checkpoint:
    """A checkpoint that the cloud has signed. Raises Forged, OSError."""
    try:
        one = msgspec.json.decode(file.read_bytes(), type=Checkpoint)
        _key(keys).public_key().verify(b64decode(one.signature), _signed(one))
    except (msgspec.DecodeError, InvalidSignature, ValueError) as fault:
        raise Forged(f"{file} is no checkpoint of this cloud") from fault
    return one


def note(path: Path, sequence: int, chain: str, at: datetime) -> Path:
    """The file of the checkpoint in a cloud's directory, `DIR/checkpoints/SEQUENCE.json`; made if it is not there."""
    file = path / FOLDER / f"{sequence}.json"
    if not file.exists():
        write(sign(Checkpoint(sequence=sequence, chain=chain, at=at), path / "keys"), file)
    return file


def write(one: Checkpoint, file: Path) -> None:
    """Put it into a file."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(file.name + ".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(one)) + b"\n")
    draft.replace(file)
