"""A trace as a drawing: one SVG, and a page around it that needs nothing else to be read.

A panel for each request; a lane for each resource, and below it one for the agent that worked on it. A dot is a commit,
a pale bar the wait since the lane's commit before it, a full bar a step of the agent. Waits between one commit and the
next are written along the top. Time is not to scale: a wait a thousand times as long is drawn a few times as wide.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise, zip_longest
from math import log2

from msgspec import Struct

from gateway.traces import Moment, Trace, as_words, label, span

WIDTH, LEFT, RIGHT = 1280, 300, 28  # pixels
HEAD, RULER, LANE, GAP = 56, 30, 38, 26
LEAST, DOUBLING = 9.0, 17.0  # pixels of a wait: of the shortest, and for each doubling of a millisecond
MOST_LANES = 60  # of one panel
NARROW = 46  # pixels that a written time needs
LETTER = 6.1  # pixels

COLORS = {  # by service
    "compute": "#2f6fde",
    "network": "#0f9d76",
    "image": "#b4690e",
    "identity": "#8a4fd3",
    "agent": "#52606d",
}
OTHER, FAILED = "#7a7f87", "#d1343b"

STYLE = """
.sheet{fill:#fff}.panel{fill:#f7f8fa;stroke:#e3e6ea}.rule{stroke:#e3e6ea}.path{stroke:#9aa4b1;fill:none}
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px;fill:#1f2933}
.faint{fill:#66717e;font-size:11px}.tiny{fill:#66717e;font-size:10px}.strong{font-weight:600}.big{font-size:19px;font-weight:600}
.on{fill:#fff;font-size:10px}.mono{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:11px}
"""
DARK = """
@media (prefers-color-scheme:dark){.sheet{fill:#14181d}.panel{fill:#1b2128;stroke:#2c343d}.rule{stroke:#2c343d}
.path{stroke:#5b6775}text{fill:#e6eaee}.faint,.tiny{fill:#98a4b1}.on{fill:#fff}
body{background:#14181d;color:#e6eaee}th,td{border-color:#2c343d!important}}
"""


class Drawn(Struct):
    """A part of the drawing, and how high it is."""

    svg: str
    height: int


class Axis:
    """From times to places: by what lies between, not to scale."""

    def __init__(self, times: list[datetime], left: float, right: float) -> None:
        self._times = sorted(set(times))
        gaps = [_ms(b - a) for a, b in pairwise(self._times)]
        widths = [LEAST + DOUBLING * log2(1 + gap) for gap in gaps]
        room = right - left
        scale = min(room / sum(widths), 2.5) if widths else 1.0
        places = [left]
        for width in widths:
            places.append(places[-1] + width * scale)
        self._places = dict(zip(self._times, places, strict=True))
        self.end = places[-1]

    def __call__(self, at: datetime) -> float:
        """The place of a time that the axis was made with."""
        return self._places[at]


def svg(trace: Trace) -> str:
    """The drawing alone."""
    top, parts = 92, []
    for request, moments in trace.requests().items():
        panel = _panel(request, moments, top)
        parts.append(panel.svg)
        top += panel.height + GAP
    first, last = trace.moments[0].at, trace.moments[-1].at
    services = list(dict.fromkeys(moment.service for moment in trace.moments))
    if any(moment.steps for moment in trace.moments):
        services.append("agent")
    many = f"{len(trace.moments)} commits, {_stamp(first)} to {_stamp(last)}: {span(last - first)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'role="img" aria-label="{escape(trace.id)}"><style>{STYLE}{DARK}</style>'
        f'<rect class="sheet" width="{WIDTH}" height="{top}"/>'
        f'<text x="28" y="40" class="big">{escape(_short(trace.id, 90))}</text>'
        f'<text x="28" y="62" class="faint">{escape(many)}. Waits are written out; widths are not to scale.</text>'
        f"{_legend(services)}{''.join(parts)}</svg>"
    )


def _legend(services: list[str]) -> str:
    parts, x = [], float(WIDTH - RIGHT)
    for service in reversed(services):
        x -= len(service) * LETTER + 24
        parts.append(
            f'<circle cx="{x:.0f}" cy="36" r="5" fill="{COLORS.get(service, OTHER)}"/>'
            f'<text x="{x + 10:.0f}" y="40" class="faint">{escape(service)}</text>'
        )
    return "".join(parts)


class _Lane(Struct):
    """A row: of a resource, or of an agent below it."""

    moments: list[Moment]
    host: str | None = None  # of an agent


def _lanes(moments: list[Moment]) -> list[_Lane]:
    """In order of appearance; an agent's below what it worked for."""
    lanes: dict[tuple[str, str | None], _Lane] = {}
    for moment in moments:
        lanes.setdefault((label(moment), None), _Lane([])).moments.append(moment)
    for moment in moments:
        if moment.steps:
            lanes.setdefault((label(moment), moment.host), _Lane([], moment.host or "?")).moments.append(moment)
    order = list(dict.fromkeys(label(moment) for moment in moments))
    return [lane for name in order for (of, _), lane in lanes.items() if of == name][:MOST_LANES]


def _panel(request: str | None, moments: list[Moment], top: int) -> Drawn:
    lanes = _lanes(moments)
    shown = {(moment.sequence, moment.part) for lane in lanes for moment in lane.moments}
    missing = len(moments) - len(shown)
    moments = [moment for moment in moments if (moment.sequence, moment.part) in shown]
    height = HEAD + RULER + LANE * len(lanes) + 12
    steps = [step for moment in moments for step in moment.steps]
    times = [moment.at for moment in moments] + [step.at for step in steps]
    times += [step.at + timedelta(seconds=step.seconds) for step in steps]
    axis = Axis(times, LEFT + 22, WIDTH - RIGHT - 150)
    first, last = moments[0], moments[-1]
    head = f"{_stamp(first.at)}   by {first.actor or '-'}   took {span(last.at - first.at)}"
    head += f"   {missing} commits of further resources are not drawn" if missing else ""
    parts = [
        f'<rect class="panel" x="14" y="{top}" width="{WIDTH - 28}" height="{height}" rx="10"/>',
        f'<text x="30" y="{top + 24}" class="strong">{escape(request or "Nobody’s request")}</text>',
        f'<text x="30" y="{top + 43}" class="faint">{escape(_short(head, 150))}</text>',
        _ruler(moments, axis, top + HEAD, top + height - 10),
    ]
    places: dict[tuple[int, int], tuple[float, float]] = {}
    for number, lane in enumerate(lanes):
        y = top + HEAD + RULER + LANE * number + LANE / 2
        parts.append(_label(lane, y))
        parts.append(_agent(lane, axis, y) if lane.host is not None else _bars(lane, axis, y))
        if lane.host is None:
            places.update({(moment.sequence, moment.part): (axis(moment.at), y) for moment in lane.moments})
    parts.append(_path(moments, places))
    parts += [_dots(lane, axis, places) for lane in lanes if lane.host is None]
    return Drawn("".join(parts), height)


def _ruler(moments: list[Moment], axis: Axis, y: float, bottom: float) -> str:
    """How long each wait was, where there is room to say so, and a line down from each commit."""
    parts = [f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y + RULER - 6}" y2="{y + RULER - 6}"/>']
    for before, after in pairwise(moments):
        a, b = axis(before.at), axis(max(after.at, before.at))
        if b - a >= NARROW:
            parts.append(
                f'<text x="{(a + b) / 2:.1f}" y="{y + 16}" text-anchor="middle" class="tiny">'
                f"{span(after.at - before.at)}</text>"
            )
    for moment in moments:
        x = axis(moment.at)
        parts.append(f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="{y + RULER - 10}" y2="{bottom}"/>')
    return "".join(parts)


def _label(lane: _Lane, y: float) -> str:
    first = lane.moments[0]
    if lane.host is not None:
        return f'<text x="52" y="{y + 4:.1f}" class="faint">└ agent of {escape(_short(lane.host, 26))}</text>'
    name = first.resource.replace("_", " ")
    key = first.id if len(first.id) < 40 else "…" + first.id[-38:]
    return (
        f'<rect x="28" y="{y - 11:.1f}" width="4" height="22" rx="2" fill="{_color(first.service)}"/>'
        f'<text x="40" y="{y - 1:.1f}" class="strong">{escape(name)}</text>'
        f'<text x="40" y="{y + 12:.1f}" class="tiny mono">{escape(key)}</text>'
        f"<title>{escape(label(first))}</title>"
    )


def _bars(lane: _Lane, axis: Axis, y: float) -> str:
    """What the resource waited between its commits."""
    parts = []
    for before, after in pairwise(lane.moments):
        a, b = axis(before.at), axis(after.at)
        what = f"{span(after.at - before.at)} from {before.events[0].type} to {after.events[0].type}"
        parts.append(
            f'<rect x="{a:.1f}" y="{y - 5:.1f}" width="{max(b - a, 1):.1f}" height="10" rx="5" '
            f'fill="{_color(before.service)}" fill-opacity="0.22"><title>{escape(what)}</title></rect>'
        )
    return "".join(parts)


def _agent(lane: _Lane, axis: Axis, y: float) -> str:
    """What the agent did: a bar for a step, a small mark for what it noticed."""
    parts = []
    for moment in lane.moments:
        for step, following in zip_longest(moment.steps, moment.steps[1:]):
            took = timedelta(seconds=step.seconds)
            a, b = axis(step.at), axis(step.at + took)
            color = FAILED if step.failure else COLORS["agent"]
            what = f"{step.step}: {span(took)}" + (f", failed: {step.failure}" if step.failure else "")
            if not step.seconds:
                parts.append(
                    f'<path d="M{a:.1f} {y - 6:.1f}l5 6l-5 6l-5 -6z" fill="{color}">'
                    f"<title>{escape(step.step)} at {_stamp(step.at)}</title></path>"
                )
                if _fits(step.step, (axis(following.at) if following else WIDTH) - a - 8):
                    parts.append(f'<text x="{a + 9:.1f}" y="{y + 4:.1f}" class="tiny">{escape(step.step)}</text>')
                continue
            width = max(b - a, 3)
            inside = _fits(what, width)
            parts.append(
                f'<rect x="{a:.1f}" y="{y - 9:.1f}" width="{width:.1f}" height="18" rx="4" fill="{color}">'
                f"<title>{escape(what)}</title></rect>"
                f'<text x="{a + 6 if inside else b + 6:.1f}" y="{y + 4:.1f}" class="{"on" if inside else "tiny"}">'
                f"{escape(what if inside else _short(what, 34))}</text>"
            )
    return "".join(parts)


def _path(moments: list[Moment], places: dict[tuple[int, int], tuple[float, float]]) -> str:
    """From commit to commit, in order."""
    points = [places[moment.sequence, moment.part] for moment in moments]
    parts = []
    for (a, y), (b, z) in pairwise(points):
        if y != z:
            middle = (a + b) / 2
            curve = f"M{a:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {z:.1f} {b:.1f} {z:.1f}"
            parts.append(f'<path class="path" stroke-opacity="0.55" d="{curve}"/>')
    return "".join(parts)


def _dots(lane: _Lane, axis: Axis, places: dict[tuple[int, int], tuple[float, float]]) -> str:
    """The commits, each with its name where there is room before the lane's next one."""
    parts = []
    for number, moment in enumerate(lane.moments):
        x, y = places[moment.sequence, moment.part]
        color = FAILED if moment.failed else _color(moment.service)
        following = lane.moments[number + 1] if number + 1 < len(lane.moments) else None
        end = axis(following.at) if following else WIDTH - RIGHT + 10
        name = ", ".join(said.type for said in moment.events)
        what = f"{', '.join(map(as_words, moment.events))}\n{_stamp(moment.at)}   by {moment.actor or '-'}"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{color}" stroke="#fff" stroke-width="1.5">'
            f"<title>{escape(what)}   commit {moment.sequence}</title></circle>"
        )
        if _fits(name, end - x - 6):
            parts.append(f'<text x="{x + 10:.1f}" y="{y - 8:.1f}" class="tiny">{escape(name)}</text>')
    return "".join(parts)


def page(trace: Trace) -> str:
    """The drawing, and the same as a table: one file that needs no other, nor scripts."""
    rows = []
    for moments in trace.requests().values():
        before = moments[0].at
        for moment in moments:
            what = "; ".join(map(as_words, moment.events))
            steps = ", ".join(f"{step.step} {span(timedelta(seconds=step.seconds))}" for step in moment.steps)
            cells = (
                *(moment.sequence, _stamp(moment.at), "+" + span(moment.at - before)),
                *(label(moment), what, steps, moment.actor or "-", moment.request or "-"),
            )
            rows.append("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>")
            before = moment.at
    names = ("commit", "time", "wait", "resource", "what happened", "the agent’s steps", "by", "request")
    head = "".join(f"<th>{name}</th>" for name in names)
    return (
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{escape(trace.id)}</title><style>body{{margin:0;background:#fff;color:#1f2933;"
            "font:13px/1.5 ui-sans-serif,system-ui,'Segoe UI',Roboto,sans-serif}}"
            "svg{{display:block;max-width:100%;height:auto;margin:0 auto}}"
            "table{{border-collapse:collapse;margin:8px auto 48px;max-width:1252px;width:96%}}"
            "th,td{{text-align:left;padding:4px 10px;border-bottom:1px solid #e3e6ea;vertical-align:top;"
            "overflow-wrap:anywhere}}td:nth-child(-n+3){{white-space:nowrap;font-variant-numeric:tabular-nums}}"
            f"{DARK}</style></head><body>{svg(trace)}"
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></body></html>"
        )
        .replace("{{", "{")
        .replace("}}", "}")
    )


def _color(service: str) -> str:
    return COLORS.get(service, OTHER)


def _fits(text: str, room: float) -> bool:
    return len(text) * LETTER <= room - 8


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _ms(time: timedelta) -> float:
    return max(time.total_seconds() * 1000, 0.0)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
