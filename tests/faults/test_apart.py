"""Gateways, handlers, agents and three NATS servers, each on a machine of its own, while faults befall them."""

from __future__ import annotations

from pathlib import Path

from tests.faults.seeds import apart

SEEDS = 2
SPAN = 2.5  # seconds in which faults begin


async def test_what_was_acknowledged_survives_and_everything_rests(seed: int, tmp_path: Path) -> None:
    await apart(seed, tmp_path / "cloud", SPAN)
