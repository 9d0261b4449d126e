"""A rolling restart of every part under load: nobody outside is refused for longer than a moment, nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.contract.clouds import CUMULOG, cumulog, running
from tests.processes.clouds import THREE, prepare, rest

WORKERS = 2
PATIENCE = 20.0  # seconds in which a request that is told to come back must succeed


class Worker:
    """Creates, shows and deletes, as a careful program does: it comes back when it is told to, and remembers."""

    def __init__(self, url: str, headers: httpx.Headers, server: dict[str, Any]) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers={"X-Auth-Token": headers["X-Auth-Token"]}, timeout=30)
        self._server = server
        self.seen: Counter[str] = Counter()
        self.longest = 0.0  # seconds that an answer took
        self.live: set[str] = set()
        self.done = False

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The answer, when it is one. A connection that was closed is made anew for what may be repeated."""
        begin = time.monotonic()
        while True:
            try:
                answer = await self._http.request(method, path, json=body)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if method == "POST":
                    raise
                self.seen["closed"] += 1
                continue
            self.seen[f"{method} {answer.status_code}"] += 1
            self.longest = max(self.longest, time.monotonic() - begin)
            if answer.status_code != 503:
                return answer
            assert time.monotonic() < begin + PATIENCE, answer.text
            await asyncio.sleep(float(answer.headers["retry-after"]))

    async def work(self) -> None:
        while not self.done:
            made = await self.call("POST", "/compute/v2.1/servers", {"server": self._server})
            assert made.status_code == 202, made.text
            path = f"/compute/v2.1/servers/{made.json()['server']['id']}"
            self.live.add(path)
            for _ in range(3):
                shown = await self.call("GET", path)
                assert shown.status_code == 200, shown.text
                await asyncio.sleep(0.1)
            if len(self.live) > 2:
                path = self.live.pop()
                gone = await self.call("DELETE", path)
                assert gone.status_code in (204, 404), gone.text  # 404: it was done, and its answer lost
        await self._http.aclose()


async def restart_under_load(state: Path, workers: list[Worker]) -> None:
    tasks = [asyncio.create_task(worker.work()) for worker in workers]
    restart = await asyncio.create_subprocess_exec(CUMULOG, "restart", "--state", state)
    restarted = asyncio.create_task(restart.wait())
    async with asyncio.timeout(120):
        await asyncio.wait([restarted, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for worker in workers:
        worker.done = True
    await asyncio.gather(*tasks)
    assert restarted.result() == 0


def test_a_rolling_restart_of_every_part_refuses_nobody_and_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "cloud", hosts=1, arguments=THREE) as cloud:
        admin = cloud.user()
        server = prepare(admin)
        workers = [Worker(cloud.url, admin.headers, server) for _ in range(WORKERS)]
        asyncio.run(restart_under_load(cloud.state, workers))
        servers = rest(admin)
        admin.close()
        print(sum((worker.seen for worker in workers), Counter()), max(worker.longest for worker in workers))
    assert {one["status"] for one in servers} <= {"ACTIVE"}
    live = {path for worker in workers for path in worker.live}
    assert {f"/compute/v2.1/servers/{one['id']}" for one in servers} == live
    checked = cumulog(cloud.state, "verify")
    assert checked.returncode == 0, checked.stdout
