"""Hosts: those whose agents have been silent for too long are down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from events.compute import host as hosts
from events.compute.host import Host, HostJoined, MissHost
from handlers.runner import Sight
from handlers.wishes import Wish, Wishes

WAKES = (HostJoined,)
ASLEEP = timedelta(seconds=15)  # without a look: this process stood still, and has heard nobody meanwhile


def plan(sight: Sight, now: datetime) -> Iterator[Wish | Wishes]:
    """Who is to be marked down. A process that has just begun to listen gives every agent the time to be heard."""
    silence = timedelta(seconds=sight.settings.compute.host_down)
    asleep = sight.listened is not None and now - sight.listened > max(ASLEEP, silence / 2)
    sight.listened = now
    if asleep or sight.is_deaf():
        sight.heard.clear()
    for host in sight.fold.all(hosts):
        yield from sight.apart(host.id, now, _miss, sight, now, host, silence)


def _miss(sight: Sight, now: datetime, host: Host, silence: timedelta) -> Iterator[Wish | Wishes]:
    if host.up and now - sight.heard.setdefault(host.id, now) > silence:
        yield Wish(hosts, MissHost(id=host.id))
