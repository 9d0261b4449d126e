"""Figures, each beside what it is to be at most, or at least."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Iterable

from msgspec import Struct


class Row(Struct):
    """A figure and what it is to be at most, or at least."""

    what: str
    value: float
    unit: str
    bound: float
    least: bool = False

    @property
    def kept(self) -> bool:
        return self.value >= self.bound if self.least else self.value <= self.bound

    def line(self) -> str:
        return f"{self.what:64} {self.value:9.2f} {self.unit:6} {'>=' if self.least else '<='} {self.bound:g}"


def table(rows: Iterable[Row]) -> str:
    """The rows as README has them."""
    lines = ["| what | at most / at least | measured |", "|---|---|---|"]
    for row in rows:
        sign = ">=" if row.least else "<="
        lines.append(f"| {row.what} | {sign} {row.bound:g} {row.unit} | {row.value:.3g} {row.unit} |")
    return "\n".join(lines)


def verdict(rows: Iterable[Row]) -> str:
    """Which figures were missed."""
    missed = [row.what for row in rows if not row.kept]
    return "all figures are kept" if not missed else f"missed: {', '.join(missed)}"


async def median(call: Callable[[], Awaitable[object]], times: int, *, warm: int = 20) -> float:
    """The median of many calls, one after the other, in ms."""
    for _ in range(warm):
        await call()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
