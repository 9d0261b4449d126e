"""A resource that cannot be folded, as the world sees it: it alone is refused, to be tried again."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import pytest

from events.identity import project as projects
from gateway.identity.bootstrap import bootstrap
from tests.gateway.identity.people import SETTINGS
from tests.simulation.shaky import Recorded
from tests.worlds import world

PROJECTS = "/identity/v3/projects"


async def test_one_project_that_cannot_be_read_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    journal = Recorded()
    async with world(journal=journal) as wise, world(journal=journal) as other:
        await bootstrap(wise.execute, SETTINGS, "password")
        paths = []
        for name in ("bad", "good"):
            body = {"project": {"name": name, "domain_id": "default"}}
            made = (await wise.call("POST", PROJECTS, body)).json()["project"]
            paths.append(f"{PROJECTS}/{made['id']}")
        shelf = other.fold.shelf(projects)
        guard = shelf.evolve

        def evolve(state: Any, event: Any, at: datetime) -> Any:
            if getattr(event, "description", None) == "poison":
                raise ValueError
            return guard(state, event, at)

        monkeypatch.setattr(shelf, "evolve", evolve)
        for path, description in zip(paths, ("poison", "fine"), strict=True):
            changed = await wise.call("PATCH", path, {"project": {"description": description}})
            assert changed.status_code == 200
        await other.fold.reach(wise.fold.position)
        bad, good = paths
        for answer in (
            await other.call("GET", bad),
            await other.call("PATCH", bad, {"project": {"description": "x"}}),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert "ev.identity.project" in answer.json()["error"]["message"]
        assert (await other.call("GET", good)).json()["project"]["description"] == "fine"
        listed = (await other.call("GET", PROJECTS)).json()["projects"]
        assert {"good", "bad"} <= {one["name"] for one in listed}  # the one as it last was
        assert (await wise.call("GET", bad)).json()["project"]["description"] == "poison"
