"""What a fence costs, and how long a revoked token is still good elsewhere: `python -m benchmarks.fences`.

Three gateways over three NATS servers, all on this machine; once with fences and once without.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from tests.histories.gateways import Gateways, gateways, revocation

READS = 1000
REVOCATIONS = 50


async def reads(cloud: Gateways, clients: int) -> tuple[float, float]:
    """The median of a read's milliseconds, and reads a second, of so many clients at once at one gateway."""
    headers = {"X-Auth-Token": await cloud.login()}
    gateway = cloud.all[1]
    path = f"{gateway.url}/identity/v3/projects/{cloud.project}"
    times: list[float] = []

    async def client() -> None:
        while len(times) < READS:
            begin = time.perf_counter()
            answer = await gateway.http.get(path, headers=headers)
            assert answer.status_code == 200
            times.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return median(times) * 1000, len(times) / (time.perf_counter() - begin)


async def main() -> None:
    found: dict[tuple[bool, int], tuple[float, float]] = {}
    for fenced in (True, False):
        with tempfile.TemporaryDirectory() as directory:
            async with gateways(Path(directory) / "cloud", 3, fenced=fenced) as cloud:
                for clients in (1, 16):
                    await reads(cloud, clients)  # to warm up
                    found[fenced, clients] = await reads(cloud, clients)
                if fenced:
                    late = [await revocation(cloud) * 1000 for _ in range(REVOCATIONS)]
    for clients in (1, 16):
        (slow, few), (quick, many) = found[True, clients], found[False, clients]
        print(
            f"show, {clients:>2} clients: fenced {slow:.2f} ms, {few:.0f}/s; without {quick:.2f} ms, {many:.0f}/s;",
            end=" ",
        )
        print(f"ratio {slow / quick:.2f}, {few / many:.2f}")
    print(f"a revocation is everywhere after {median(late):.1f} ms, p98 {quantiles(late, n=50)[-1]:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
