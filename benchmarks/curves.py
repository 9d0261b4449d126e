"""Curves of latency and memory against size, as SVG pictures: `python -m benchmarks.curves docs/scale.json docs`.

Both axes but memory's upright one are logarithmic. Forty lines of SVG are less than a plotting library brings along.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.scale import Point

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 128, 40, 48
FONT = 'font-family="sans-serif" font-size="12"'
COLOURS = ("#1f6feb", "#bf3989", "#1a7f37", "#9a6700", "#57606a")


class Curve(Struct, frozen=True):
    """One line, and the value that it is to stay below, if any."""

    name: str
    values: Sequence[float]
    bound: float | None = None


def draw(title: str, unit: str, sizes: Sequence[int], curves: Sequence[Curve], *, logarithmic: bool) -> str:
    """The picture."""
    highest = max(max(*curve.values, curve.bound or 0.0) for curve in curves) * 1.1
    lowest = min(min(curve.values) for curve in curves) / 1.5 if logarithmic else 0.0
    right, low = _axis(math.log(sizes[0]), math.log(sizes[-1] * 1.0001), LEFT, WIDTH - RIGHT), HEIGHT - BOTTOM
    turn: Callable[[float], float] = math.log if logarithmic else float
    up = _axis(turn(lowest), turn(highest), low, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{title}</text>',
    ]
    for size in sizes:
        x = right(math.log(size))
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{low}" stroke="#d8dee4"/>')
        parts.append(f'<text x="{x:.1f}" y="{low + 18}" text-anchor="middle">{size:,}</text>'.replace(",", "\u2009"))
    for value in _marks(lowest, highest, logarithmic):
        y = up(turn(value))
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#d8dee4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts.append(f'<text x="{LEFT - 6}" y="{TOP - 8}" text-anchor="end">{unit}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">live servers</text>')
    for colour, curve in zip(COLOURS, curves, strict=False):
        places = [(right(math.log(size)), up(turn(value))) for size, value in zip(sizes, curve.values, strict=True)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{curve.name}</text>')
        if curve.bound is not None:
            y = up(turn(curve.bound))
            across = f'x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"'
            parts.append(f'<line {across} stroke="{colour}" stroke-dasharray="4"/>')
    return "\n".join([*parts, "</svg>", ""])


def _axis(begin: float, end: float, first: float, last: float) -> Callable[[float], float]:
    return lambda value: first + (value - begin) / ((end - begin) or 1.0) * (last - first)


def _marks(lowest: float, highest: float, logarithmic: bool) -> list[float]:
    """Round values between two."""
    if logarithmic:
        powers = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
        marks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    else:
        step = 10.0 ** math.floor(math.log10(highest)) / 4
        while highest / step > 8:
            step *= 2
        marks = [step * number for number in range(9)]
    return [mark for mark in marks if lowest <= mark <= highest]


def pictures(points: Sequence[Point]) -> dict[str, str]:
    """The pictures, by the names of their files."""
    sizes = [point.servers for point in points]
    latency = [
        Curve("p50 (60)", [point.p50 for point in points], 60.0),
        Curve("p99 (250)", [point.p99 for point in points], 250.0),
    ]
    memory = [
        Curve("gateway (1 229)", [point.memory["gateway"] for point in points], 1229.0),
        Curve("handlers", [point.memory["handlers"] for point in points]),
        Curve("NATS", [point.memory["nats"] for point in points]),
    ]
    dead = f"{points[-1].hosts:,} hosts, after {points[-1].dead:,} dead".replace(",", "\u2009")
    return {
        "scale-latency.svg": draw(f"create → ACTIVE, one at a time; {dead}", "ms", sizes, latency, logarithmic=True),
        "scale-memory.svg": draw(f"memory; {dead}", "MiB", sizes, memory, logarithmic=False),
    }


def main() -> None:
    results, folder = map(Path, sys.argv[1:3])
    for name, picture in pictures(msgspec.json.decode(results.read_bytes(), type=list[Point])).items():
        (folder / name).write_text(picture)


if __name__ == "__main__":
    main()
