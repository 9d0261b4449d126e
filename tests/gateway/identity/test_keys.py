"""The keys that seal tokens, and what they do not open."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from events.clock import ManualClock, SystemClock
from events.nats.vault import MemoryVault
from events.refusals import Unauthenticated
from gateway.identity.claims import Claims, from_bytes, to_bytes
from gateway.identity.keys import SETTLED, ZERO, KeyRing
from gateway.identity.tokens import Tokens
from tests.gateway.identity.people import SETTINGS, gone, people


def tampered(token: str) -> list[str]:
    data = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    found = []
    for place in (0, 5, 20, 60, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        found.append(urlsafe_b64encode(bytes(changed)).decode().rstrip("="))
    return found


async def test_a_forged_or_changed_token_opens_nothing(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        stranger = await KeyRing.open(MemoryVault(), SystemClock(), tmp_path / "elsewhere")
        sealed = to_bytes(them.tokens.read(them.admin))
        forged = [
            stranger.seal(sealed),
            Fernet(Fernet.generate_key()).encrypt(sealed).decode(),
            *tampered(them.admin),
            them.admin[:-4],
            them.admin + "A" * 2000,
            "garbage",
            "é",
            "gAAAAA",
        ]
        for text in forged:
            await gone(them, text, words="Could not recognize Fernet token")


async def test_what_our_key_sealed_but_is_no_token_opens_nothing(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        for data in (b"", b"\x00", b"\x93\x01\x02\x03", b"nonsense"):
            await gone(them, them.tokens.keys.seal(data), words="Could not recognize Fernet token")


async def test_tokens_outlive_a_restart_and_two_rotations_less_one(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock) as them:
        vault = them.world.cloud.vault
        other = await KeyRing.open(vault, clock, tmp_path / "fernet")  # of another gateway
        again = Tokens(them.fold, SETTINGS, clock, await KeyRing.open(vault, clock, tmp_path / "fernet"))
        assert (await again.authenticate(them.admin)).user_name == "admin"
        assert await again.keys.rotate(3) > ZERO  # perhaps not every gateway knows the staged key yet
        clock.advance(SETTLED.total_seconds())
        assert await again.keys.rotate(3) == ZERO
        assert other.unseal(again.keys.seal(b"new")) == b"new"  # it knew the staged key before
        again._opened.clear()
        assert (await again.authenticate(them.admin)).user_name == "admin"
        clock.advance(SETTLED.total_seconds())
        assert await again.keys.rotate(3) == ZERO
        assert other.unseal(again.keys.seal(b"newer")) is None
        await other.refresh()
        assert other.unseal(again.keys.seal(b"newer")) == b"newer"
        again._opened.clear()
        with pytest.raises(Unauthenticated):
            await again.authenticate(them.admin)


async def test_gateways_that_begin_at_once_have_the_same_keys(tmp_path: Path) -> None:
    vault, clock = MemoryVault(), ManualClock()
    rings = await asyncio.gather(*(KeyRing.open(vault, clock, tmp_path / str(n)) for n in range(3)))
    assert len({repr(ring.keys) for ring in rings}) == 1
    old = rings[0].seal(b"text")
    clock.advance(SETTINGS.identity.token_key_age + 1)
    await asyncio.gather(*(ring.mind(SETTINGS.identity) for ring in rings))
    assert {max(ring.keys.by_number) for ring in rings} == {2}
    texts = [old, *(ring.seal(b"text") for ring in rings)]
    assert all(ring.unseal(text) for ring in rings for text in texts)


async def test_the_keys_that_an_older_cloud_has_in_files_are_taken_over(tmp_path: Path) -> None:
    files = tmp_path / "fernet"
    files.mkdir()
    keys = {number: Fernet.generate_key() for number in (0, 3, 4)}
    for number, key in keys.items():
        (files / str(number)).write_bytes(key)
    vault, clock = MemoryVault(), SystemClock()
    ring = await KeyRing.open(vault, clock, files)
    for key in keys.values():
        assert ring.unseal(Fernet(key).encrypt(b"old").decode()) == b"old"
    assert Fernet(keys[4]).decrypt(ring.seal(b"new") + "==") == b"new"  # the highest number seals
    assert not files.exists()
    assert (await KeyRing.open(vault, clock, files)).keys == ring.keys


async def test_claims_survive_being_sealed(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        admin = them.tokens.read(them.admin)
        for id in ("default", "f" * 32, "F" * 32, "ab " * 10 + "ab", ""):
            claims = Claims(
                user=id,
                methods=("password", "token"),
                scope="domain",
                scope_id=id,
                issued_at=admin.issued_at,
                expires_at=admin.expires_at + timedelta(microseconds=1),
                audit_ids=admin.audit_ids * 2,
                application_credential=id,
            )
            assert from_bytes(to_bytes(claims)) == claims
