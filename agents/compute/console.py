"""The log of a server's serial console, written by virtlogd; the part before it turned over is in `console.log.0`."""

from __future__ import annotations

from pathlib import Path

LOG = "console.log"
MOST = 100 * 1024  # bytes


def tail(log: Path, lines: int | None) -> str:
    """The last `lines` lines of `log`; all of it if None; never more than the last 100 KiB."""
    data = _end(log, MOST)
    if len(data) < MOST:
        data = _end(log.with_name(f"{log.name}.0"), MOST - len(data)) + data
    text = data.decode(errors="replace")
    if lines is None:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""


def _end(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            return file.read(most)
    except FileNotFoundError:
        return b""
