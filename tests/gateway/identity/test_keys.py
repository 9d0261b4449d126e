"""Keys that several gateways share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.identity.keys import KeyRepository


def test_gateways_that_begin_at_once_seal_with_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for turn in range(20):
            found = list(threads.map(lambda _, turn=turn: KeyRepository(tmp_path / str(turn)), range(8)))
            assert all(other.unseal(one.seal(b"token")) == b"token" for one in found for other in found)
            assert {file.name for file in (tmp_path / str(turn)).iterdir()} == {"0", "1"}
