"""Many seeds, for hours: `python -m tests.faults NUMBER`, of each kind of cloud in turn; goes on where it stopped."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.faults.seeds import KINDS, Failed


class Done(Struct, frozen=True, kw_only=True):
    """One seed that was run: a line of the state file."""

    seed: int
    kind: str
    seconds: float
    rested: float = 0.0  # seconds from the last fault's end until nothing was on its way
    fault: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("number", type=int, help="of seeds in all, those of former runs included")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of clouds, which take turns")
    parser.add_argument("--state", type=Path, default=Path(".soak-faults"), help="what was run; a failure is run again")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either way what was started is ended
    signal.signal(signal.SIGINT, signal.default_int_handler)
    done = {(one.seed, one.kind): one for one in _read(options.state) if not one.fault}
    kinds = options.kinds.split(",")
    for seed in range(options.first, options.first + options.number):
        kind = kinds[seed % len(kinds)]
        if (seed, kind) in done:
            continue
        one = _run(seed, kind)
        done[seed, kind] = one
        with options.state.open("ab") as file:
            file.write(msgspec.json.encode(one) + b"\n")
        print(
            f"{kind} {seed}: {one.seconds:.1f} s, rested after {one.rested:.1f} s{' FAILED' if one.fault else ''}",
            flush=True,
        )
        if one.fault:
            print(one.fault, flush=True)
    _sum_up(list(done.values()))


def _read(state: Path) -> list[Done]:
    return [msgspec.json.decode(line, type=Done) for line in state.read_bytes().splitlines()] if state.exists() else []


def _run(seed: int, kind: str) -> Done:
    folder = Path(tempfile.mkdtemp(prefix=f"cumulog-{kind}-{seed}-"))
    begin, rested, fault = time.monotonic(), 0.0, ""
    try:
        rested = asyncio.run(KINDS[kind](seed, folder / "cloud"))
    except Failed as failed:
        fault = str(failed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Done(seed=seed, kind=kind, seconds=time.monotonic() - begin, rested=rested, fault=fault)


def _sum_up(done: list[Done]) -> None:
    """Say how it went; exit with 1 if anything failed."""
    failed = [one for one in done if one.fault]
    for kind, count in sorted(Counter(one.kind for one in done).items()):
        slowest = max(one.rested for one in done if one.kind == kind)
        print(f"{kind}: {count} seeds, {sum(one.kind == kind for one in failed)} failed, slowest rest {slowest:.1f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
