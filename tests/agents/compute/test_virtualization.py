"""The probe: it boots what works here, and remembers."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from agents.compute.virtualization import Verdict, failure, probe


async def test_the_probe_finds_out_by_booting_and_remembers(tmp_path: Path, real_host: None) -> None:
    cache = tmp_path / "libvirt" / "probe.json"
    first = await probe(cache)
    assert first.virt_type in ("kvm", "qemu")
    before = time.monotonic()
    assert await probe(cache) == first
    assert time.monotonic() - before < 1


async def test_a_verdict_of_another_boot_is_worth_nothing(tmp_path: Path, real_host: None) -> None:
    cache = tmp_path / "probe.json"
    cache.write_bytes(msgspec.json.encode(Verdict("another", "QEMU", "kvm", "long ago")))
    assert (await probe(cache)).boot != "another"


async def test_what_never_ends_counts_as_broken(real_host: None) -> None:
    jumps_to_itself = bytes.fromhex("ebfe")
    assert "did not end" in str(await failure("tcg", "max", 1.0, jumps_to_itself))
