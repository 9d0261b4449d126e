"""Whether all is well, and which part is not.

A *check* says why this process can do nothing useful now, a *worry* why something is behind or refused while the rest
goes on: for a balancer, only the first is a reason to send requests elsewhere. Both only look at what is known already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

Look = Callable[[], str | None]
"""Why a part is not well; None if it is."""

Status = Literal["ok", "degraded", "ill"]


class Report(Struct, frozen=True, omit_defaults=True):
    """What `/healthcheck` answers."""

    status: Status
    ill: dict[str, str] = {}
    degraded: dict[str, str] = {}
    figures: dict[str, Any] | None = None

    def text(self) -> str:
        """One word, and a line for each part that is not well."""
        return "".join(
            [f"{self.status.upper()}\n", *(f"{part}: {why}\n" for part, why in {**self.ill, **self.degraded}.items())]
        )


class Health:
    """The parts of one process."""

    def __init__(self) -> None:
        self.checks: dict[str, Look] = {}
        self.worries: dict[str, Look] = {}
        self.figures: dict[str, Callable[[], Any]] = {}

    def report(self, *, verbose: bool = False) -> Report:
        ill, degraded = _said(self.checks), _said(self.worries)
        status: Status = "ill" if ill else "degraded" if degraded else "ok"
        figures = {name: read() for name, read in self.figures.items()} if verbose else None
        return Report(status, ill, degraded, figures)


def _said(looks: dict[str, Look]) -> dict[str, str]:
    return {part: why for part, look in looks.items() if (why := look())}
