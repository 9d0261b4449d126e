"""What a replay came to, beside what happened: a table for the terminal, and a drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, timedelta
from html import escape

from msgspec import Struct

from gateway.history import History, Outcome
from gateway.replaying import Replayed
from gateway.traces import span

MOST = 12  # hosts, or reasons, that the table lists
WIDTH, HEIGHT, PAD = 1180, 470, 54  # pixels
BEFORE, AFTER = "#9aa4b1", "#2f6fde"  # as it was, as it would have been
STYLE = """
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px;fill:#1f2933}
.faint{fill:#66717e;font-size:11px}.big{font-size:18px;font-weight:600}.strong{font-weight:600}
.axis{stroke:#c9d0d8}.grid{stroke:#eceff3}
"""


class Side(Struct, frozen=True, kw_only=True):
    """One of the two outcomes, in figures."""

    asked: int
    placed: int
    running: int
    failed: int
    unfinished: int  # neither ran nor failed while it was looked at, or was deleted before
    placing: tuple[float, ...]  # seconds from asked for to placed, in order
    starting: tuple[float, ...]  # seconds from asked for to running, in order
    hosts: dict[str, int]  # servers placed on each
    vcpus: dict[str, int]  # that they asked for, together
    reasons: dict[str, int]  # of failures


class Comparison(Struct, frozen=True, kw_only=True):
    """Both, and how many were placed alike."""

    was: Side
    replayed: Side
    same: int  # servers that came to the same host
    refused: int  # later requests that the replay's servers were in no state for


def compare(history: History, replayed: Replayed) -> Comparison:
    """The figures of a history and of its replay."""
    pairs = [(one, replayed.outcomes.get(id)) for id, one in history.outcomes.items()]
    same = sum(was.host is not None and new is not None and was.host == new.host for was, new in pairs)
    return Comparison(
        was=_side(history.outcomes.values(), len(pairs)),
        replayed=_side(replayed.outcomes.values(), len(pairs)),
        same=same,
        refused=replayed.refused,
    )


def _side(outcomes: Iterable[Outcome], asked: int) -> Side:
    some = list(outcomes)
    placed = [one for one in some if one.placed_at is not None]
    running = [one for one in some if one.running_at is not None]
    failed = [one for one in some if one.failed is not None]
    vcpus: Counter[str] = Counter()
    for one in placed:
        vcpus[str(one.host)] += one.vcpus
    return Side(
        asked=asked,
        placed=len(placed),
        running=len(running),
        failed=len(failed),
        unfinished=asked - len({one.id for one in (*running, *failed)}),
        placing=tuple(sorted(_seconds(one.placed_at - one.asked_at) for one in placed if one.placed_at)),
        starting=tuple(sorted(_seconds(one.running_at - one.asked_at) for one in running if one.running_at)),
        hosts=dict(sorted(Counter(str(one.host) for one in placed).items())),
        vcpus=dict(sorted(vcpus.items())),
        reasons=dict(Counter(_reason(one) for one in failed).most_common()),
    )


def _reason(one: Outcome) -> str:
    """Why it failed, in words that are the same for each."""
    return str(one.failed).replace(one.id, "…").partition(" | ")[0][:100]


def _seconds(time: timedelta) -> float:
    return time.total_seconds()


def at(values: tuple[float, ...], part: float) -> float | None:
    """The value below which this part of all lies; None of none."""
    return values[min(int(len(values) * part), len(values) - 1)] if values else None


# As text


def text(history: History, found: Comparison, title: str) -> list[str]:
    """The table."""
    was, new = found.was, found.replayed
    begin, end = (f"{one.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for one in (history.begin, history.end))
    lines = [f"{title}; {begin} to {end} UTC", "", _line("", "as it was", "replayed")]
    for name in ("asked", "placed", "running", "failed", "unfinished"):
        lines.append(_line(f"servers {name}" + " for" * (name == "asked"), getattr(was, name), getattr(new, name)))
    for what, a, b in (("placed", was.placing, new.placing), ("running", was.starting, new.starting)):
        for part, word in ((0.5, "p50"), (0.99, "p99")):
            lines.append(_line(f"until {what}, {word}", _time(at(a, part)), _time(at(b, part))))
    lines.append(_line("hosts with servers", len(was.hosts), len(new.hosts)))
    lines.append(_line("vCPUs placed on the fullest host", _most(was.vcpus), _most(new.vcpus)))
    lines.append(_line("vCPUs placed on the emptiest host with any", _least(was.vcpus), _least(new.vcpus)))
    lines.append(_line("placed on the same host", "", found.same))
    if found.refused:
        lines.append(_line("later requests refused", "", found.refused))
    names = sorted({*was.hosts, *new.hosts})
    lines += ["", _line("servers placed by host", "", "")]
    lines += [_line(f"  {name[:38]}", was.hosts.get(name, 0), new.hosts.get(name, 0)) for name in names[:MOST]]
    if len(names) > MOST:
        lines.append(f"  and {len(names) - MOST} more hosts")
    reasons = list(dict.fromkeys((*was.reasons, *new.reasons)))
    if reasons:
        lines += ["", _line("failures by reason", "", "")]
        for reason in reasons[:MOST]:
            lines += [f"  {reason}", _line("", was.reasons.get(reason, 0), new.reasons.get(reason, 0))]
    return [*lines, "", "In a replay decisions take no time, and a host takes as long for a server as it took then."]


def _line(name: str, was: object, new: object) -> str:
    return f"{name:<44}{was!s:>14}{new!s:>14}".rstrip()


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else span(timedelta(seconds=seconds))


def _most(amounts: dict[str, int]) -> int:
    return max(amounts.values(), default=0)


def _least(amounts: dict[str, int]) -> int:
    return min(amounts.values(), default=0)


# As a drawing


def svg(found: Comparison, title: str) -> str:
    """Servers by host, and how many ran within how long, before and after."""
    half = WIDTH / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img"><style>{STYLE}</style><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{PAD}" y="34" class="big">{escape(title)}</text>'
        f"{_key(PAD, 58, BEFORE, 'as it was')}{_key(PAD + 110, 58, AFTER, 'replayed')}"
        f"{_bars(found, PAD, half - PAD / 2)}{_curves(found, half + PAD, WIDTH - PAD)}</svg>"
    )


def _key(x: float, y: float, color: str, name: str) -> str:
    return (
        f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="3" fill="{color}"/>'
        f'<text x="{x + 18}" y="{y}" class="faint">{name}</text>'
    )


def _frame(left: float, right: float, name: str, below: str, highest: float) -> tuple[str, float, float]:
    """Axes and a grid; the drawing, and where its upper and lower ends are."""
    top, bottom = 116.0, HEIGHT - 62.0
    parts = [f'<text x="{left}" y="{top - 18}" class="strong">{name}</text>']
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - (bottom - top) * part
        kind = "axis" if part == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="faint" x="{left - 8}" y="{y + 4}" text-anchor="end">{highest * part:g}</text>')
    middle = (left + right) / 2
    parts.append(f'<text class="faint" x="{middle}" y="{HEIGHT - 18}" text-anchor="middle">{below}</text>')
    return "".join(parts), top, bottom


def _bars(found: Comparison, left: float, right: float) -> str:
    names = sorted({*found.was.hosts, *found.replayed.hosts})
    sides = ((found.was.hosts, BEFORE), (found.replayed.hosts, AFTER))
    most = max((count for hosts, _ in sides for count in hosts.values()), default=1)
    highest = -(-most // 4) * 4
    frame, top, bottom = _frame(left, right, "Servers placed, by host", "hosts", highest)
    parts = [frame]
    room = (right - left) / max(len(names), 1)
    for number, name in enumerate(names):
        for side, (hosts, color) in enumerate(sides):
            count = hosts.get(name, 0)
            high = (bottom - top) * count / highest
            width = min(room * 0.36, 34)
            x = left + room * (number + 0.5) + (side - 1) * width
            parts.append(
                f'<rect x="{x:.1f}" y="{bottom - high:.1f}" width="{max(width - 1, 0.5):.1f}" height="{high:.1f}" '
                f'rx="2" fill="{color}"><title>{escape(name)}: {count}</title></rect>'
            )
        if room > 46:
            x = left + room * (number + 0.5)
            shown = escape(name if len(name) * 6 < room else name[: int(room / 6) - 1] + "…")
            parts.append(f'<text class="faint" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{shown}</text>')
    return "".join(parts)


def _curves(found: Comparison, left: float, right: float) -> str:
    name, below = "Running within, % of those asked for", "time since it was asked for"
    frame, top, bottom = _frame(left, right, name, below, 100)
    sides = ((found.was, BEFORE), (found.replayed, AFTER))
    longest = max((side.starting[-1] for side, _ in sides if side.starting), default=1.0) or 1.0
    parts = [frame]
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + (right - left) * part
        time = span(timedelta(seconds=longest * part)) if part else "0"
        parts.append(f'<text class="faint" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{time}</text>')
    for side, color in sides:
        points, y = [f"M{left:.1f} {bottom:.1f}"], bottom
        for number, seconds in enumerate(side.starting):
            x = left + (right - left) * seconds / longest
            points.append(f"L{x:.1f} {y:.1f}")
            y = bottom - (bottom - top) * (number + 1) / max(side.asked, 1)
            points.append(f"L{x:.1f} {y:.1f}")
        points.append(f"L{right:.1f} {y:.1f}")
        parts.append(f'<path d="{"".join(points)}" fill="none" stroke="{color}" stroke-width="2.5"/>')
    return "".join(parts)
