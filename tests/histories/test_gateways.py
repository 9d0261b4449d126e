"""Several gateways are one cloud: what one has answered, every other knows. Real processes, paused and deposed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.histories.gateways import gateways
from tests.histories.recording import record
from tests.histories.revocations import WAYS, revocation

SEEDS = 1
ANSWERS = 300
KINDS = {"project", "port", "network", "security_group", "server", "metadata"}


async def test_histories_are_linearizable(tmp_path: Path, seed: int) -> None:
    """While gateways and NATS servers stand still for up to a second, and the journal's leader steps down."""
    async with gateways(tmp_path / "cloud", 3, handlers=1, hosts=("a",)) as cloud:
        recording = await record(cloud, seed=seed, answers=ANSWERS)
        told = "\n\n".join(recording.violations())
        assert not told, f"seed {seed}: {told}"
        assert recording.told.total() >= ANSWERS, recording.told
        assert {one.kind.name for one in recording.registers if any(op.is_write for op in one.history)} == KINDS
        # 0.1 s are the aim, which `python -m benchmarks.fences` measures: here the machine may be busy.
        token = await cloud.login()
        assert max([await revocation(cloud, token, way) for way in WAYS]) < 3.0


async def test_without_fences_they_are_not(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    async with gateways(tmp_path / "cloud", 3, fenced=False, handlers=1, hosts=("a",)) as cloud:
        for seed in range(20):  # of which two in five notice
            recording = await record(cloud, seed=seed, answers=200)
            if recording.violations():
                return
    pytest.fail(f"nobody noticed: {recording.told}")
