"""Log lines: as text or as JSON, each with the part, the request and the project that it is about.

The standard library's logging, for all libraries speak it already; what a line is about stands in a context variable,
so that nobody has to hand it on. Nothing secret is handed to a log: no header, no body, no query string.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.settings import Log

__all__ = ["About", "about", "configure", "current", "name"]


class About(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the running task works on."""

    part: str | None = None  # gateway, handlers, agent
    request: str | None = None
    project: str | None = None
    host: str | None = None


_process = About()  # what lines are about that no task said more of
_about: ContextVar[About | None] = ContextVar("about", default=None)


def name(part: str) -> None:
    """From now on, the lines of this process that say nothing else are about this part."""
    global _process
    _process = About(part)


def about(*, part: str, request: str | None = None, project: str | None = None, host: str | None = None) -> None:
    """From now on, the lines of this task and of those it starts are about this."""
    _about.set(About(part, request, project, host))


def of_project(project: str | None) -> None:
    """It is known now whose request it is."""
    _about.set(replace(current(), project=project))


def current() -> About:
    return _about.get() or _process


class _Line(Struct, omit_defaults=True):
    at: datetime
    level: str
    logger: str
    message: str
    part: str | None = None
    request: str | None = None
    project: str | None = None
    host: str | None = None
    exception: str | None = None


class _Text(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        said = current()
        words = [word for word in (said.part, said.host, said.request, said.project) if word]
        return super().formatMessage(record) + (f" [{' '.join(words)}]" if words else "")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = current()
        line = _Line(
            datetime.fromtimestamp(record.created, UTC),
            record.levelname,
            record.name,
            record.getMessage(),
            said.part,
            said.request,
            said.project,
            said.host,
            self.formatException(record.exc_info) if record.exc_info else None,
        )
        return msgspec.json.encode(line).decode()


def configure(settings: Log, stream: TextIO | None = None) -> None:
    """Have all loggers write lines of this form to `stream`, the standard error if none is given."""
    handler = logging.StreamHandler(stream or sys.stderr)
    text = _Text("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_Json() if settings.format == "json" else text)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level)
    logging.getLogger("cumulog.progress").setLevel(logging.INFO)
    logging.getLogger("cumulog.access").setLevel(logging.INFO if settings.access else logging.CRITICAL)
