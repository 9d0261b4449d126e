"""User data of servers: kept in the vault under the server's id, for the guest and for admins to read."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Iterable

from gateway.cloud import Cloud

REMEMBERED = 1000  # texts; each of at most 64 KiB


class Remembered(OrderedDict[str, str]):
    """Base64 texts that were read lately: what stands under a name never changes."""


def _remembered(cloud: Cloud) -> Remembered:
    found: Remembered = cloud.parts.setdefault(Remembered, Remembered())
    return found


def name(server: str) -> str:
    """The name of a server's user data."""
    return f"user_data-{server}"


async def keep(cloud: Cloud, server: str, text: str) -> str:
    """Put away what base64 `text` stands for, as the guest will read it; its name."""
    await cloud.vault.put(name(server), b64decode(text))
    _remember(cloud, name(server), text)
    return name(server)


async def learn(cloud: Cloud, names: Iterable[str | None]) -> None:
    """Have the texts of these names at hand."""
    remembered = _remembered(cloud)
    for one in names:
        if one is not None and one not in remembered:
            found = await cloud.vault.get(one)
            _remember(cloud, one, b64encode(found or b"").decode())


def known(cloud: Cloud, name: str | None) -> str | None:
    """What stands under a name, in base64, if it is at hand."""
    return _remembered(cloud).get(name) if name else None


def _remember(cloud: Cloud, name: str, text: str) -> None:
    remembered = _remembered(cloud)
    remembered[name] = text
    if len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
