"""Any number of histories: `python -m tests.simulation.soak --seeds 10000`. It goes on where it was stopped.

What was done is kept in `.cache/soak`, in a file for each state of the code: another code begins anew. A failure prints
its seed and the newest commits, and is told again at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.test_servers import outcome

ROOT = Path(__file__).parents[2]
CODE = ("events", "handlers", "agents", "projections", "tests/simulation")  # what a history depends on
EVERY = 60.0  # seconds between two words of how far it has come


def digest(root: Path = ROOT) -> str:
    """Another one for any other code."""
    said = sha256()
    for folder in CODE:
        for file in sorted((root / folder).rglob("*.py")):
            said.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return said.hexdigest()[:16]


class Done:
    """The seeds that were tried, and what went wrong in them; in a file, a line for each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self.told: dict[int, str] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # it was stopped in the middle of a line
            self.told[entry["seed"]] = entry["told"]

    def add(self, seed: int, told: str) -> None:
        self.told[seed] = told
        with self._file.open("a") as file:
            file.write("\n" + json.dumps({"seed": seed, "told": told}))  # the last line may be half of one


def soak(done: Done, first: int, seeds: int, jobs: int) -> list[int]:
    """Try what was not tried; the seeds that failed, ever."""
    wanted = range(first, first + seeds)
    left = [seed for seed in wanted if seed not in done.told]
    print(f"{seeds - len(left)} of {seeds} seeds are done already", flush=True)
    spoken = time.monotonic()
    pool = ProcessPoolExecutor(jobs, get_context("spawn"))
    try:
        futures = {pool.submit(outcome, seed): seed for seed in left}
        for count, future in enumerate(as_completed(futures), 1):
            seed, told = futures[future], future.result()
            done.add(seed, told)
            if told:
                print(f"seed {seed}:\n{told}\n", flush=True)
            if time.monotonic() - spoken > EVERY:
                spoken = time.monotonic()
                print(f"{seeds - len(left) + count} of {seeds}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    return [seed for seed in wanted if done.told[seed]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--nice", type=int, default=10, help="19 for the background")
    options = parser.parse_args()
    os.nice(options.nice)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: the histories under way are the last
    done = Done(ROOT / ".cache" / "soak" / f"{digest()}.jsonl")
    failed = soak(done, options.first, options.seeds, options.jobs)
    print(f"{options.seeds} seeds from {options.first}: {len(failed)} failed {failed or ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
