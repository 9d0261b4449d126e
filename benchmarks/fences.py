"""What a fence costs, and how long a revoked token is still good elsewhere: `python -m benchmarks.fences`.

Three gateways over three NATS servers, all on this machine; once with fences and once without.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import aiohttp

from tests.histories.gateways import Gateways, gateways, revocation

READS = 1000
REVOCATIONS = 50


async def reads(cloud: Gateways, clients: int) -> tuple[float, float]:
    """The median of a read's milliseconds, and reads a second, of so many clients at once at one gateway."""
    headers = {"X-Auth-Token": await cloud.login()}
    url = f"{cloud.all[1].url}/identity/v3/projects/{cloud.project}"
    times: list[float] = []

    async def client(http: aiohttp.ClientSession) -> None:
        while len(times) < READS:
            begin = time.perf_counter()
            async with http.get(url, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            times.append(time.perf_counter() - begin)

    async with aiohttp.ClientSession() as http:
        begin = time.perf_counter()
        await asyncio.gather(*(client(http) for _ in range(clients)))
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
        print(f"show, {clients:>2} clients: {slow:.2f} ms, {few:.0f}/s with a fence")
        print(f"{'':17}{quick:.2f} ms, {many:.0f}/s without; times {slow / quick:.2f}, {few / many:.2f}")
    print(f"a revocation is everywhere after {median(late):.1f} ms, p98 {quantiles(late, n=50)[-1]:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
