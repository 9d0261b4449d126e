"""Secrets: one suite over the vault in memory and the vault on NATS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from events.nats.server import NatsServer
from events.nats.vault import MemoryVault, NatsVault, Vault, WrongKey
from events.nats.wire import Wire

NAME = ("compute", "server", "web", "user_data")


@pytest.fixture(params=["memory", "nats"])
async def vault(request: Any, no_task_is_left: None, tmp_path: Path) -> AsyncIterator[Vault]:
    if request.param == "memory":
        yield MemoryVault()
        return
    server = NatsServer(tmp_path / "nats", sync="2m")
    await server.start()
    wire = await Wire.connect([server.url], server.cloud)
    yield await NatsVault.open(wire, tmp_path / "keys")
    await wire.close()
    await server.stop()


async def test_a_secret_is_read_back(vault: Vault) -> None:
    assert await vault.get(NAME) is None
    await vault.put(NAME, b"secret")
    assert await vault.get(NAME) == b"secret"
    assert await vault.get(("compute", "server", "web", "password")) is None


async def test_a_secret_is_replaced(vault: Vault) -> None:
    await vault.put(NAME, b"old")
    await vault.put(NAME, b"")
    assert await vault.get(NAME) == b""


async def test_a_deleted_secret_is_gone(vault: Vault) -> None:
    await vault.put(NAME, b"secret")
    await vault.delete(NAME)
    await vault.delete(NAME)
    await vault.delete("never was")
    assert await vault.get(NAME) is None
    await vault.put(NAME, b"new")
    assert await vault.get(NAME) == b"new"


async def test_names_are_kept_apart(vault: Vault) -> None:
    await vault.put(("a", "b.c"), b"1")
    await vault.put(("a", "b", "c"), b"2")
    assert (await vault.get(("a", "b.c")), await vault.get(("a", "b", "c"))) == (b"1", b"2")


async def test_what_is_stored_is_unreadable_and_bound_to_its_name() -> None:
    vault = MemoryVault()
    await vault.put("a", b"very secret")
    (sealed,) = vault.entries.values()
    assert b"secret" not in sealed
    await vault.put("a", b"very secret")
    assert vault.entries["a"] != sealed
    vault.entries["b"] = sealed
    with pytest.raises(WrongKey):
        await vault.get("b")
    vault.entries["c"] = b"\x07" + sealed
    with pytest.raises(WrongKey, match="format"):
        await vault.get("c")


async def test_another_key_does_not_open_the_vault(wire: Wire, tmp_path: Path) -> None:
    vault = await NatsVault.open(wire, tmp_path / "keys")
    await vault.put("a", b"secret")
    key = tmp_path / "keys" / "master"
    assert key.stat().st_mode & 0o777 == 0o600
    assert await (await NatsVault.open(wire, tmp_path / "keys")).get("a") == b"secret"
    kept = key.read_bytes()
    key.write_bytes(bytes(32))
    with pytest.raises(WrongKey, match="does not open"):
        await NatsVault.open(wire, tmp_path / "keys")
    key.unlink()
    with pytest.raises(WrongKey, match="missing"):
        await NatsVault.open(wire, tmp_path / "keys")
    assert not key.exists()
    key.write_bytes(kept)
    assert await (await NatsVault.open(wire, tmp_path / "keys")).get("a") == b"secret"


async def test_secrets_outlive_a_restart(server: NatsServer, tmp_path: Path) -> None:
    wire = await Wire.connect([server.url], server.cloud)
    await (await NatsVault.open(wire, tmp_path / "keys")).put("a", b"secret")
    await wire.close()
    await server.stop()
    await server.start()
    wire = await Wire.connect([server.url], server.cloud)
    assert await (await NatsVault.open(wire, tmp_path / "keys")).get("a") == b"secret"
    await wire.close()
