"""The scheduler's filters."""

from __future__ import annotations

from random import Random

from events.compute.host import Capacity, Host
from events.compute.server import Server, Size
from events.room import Room
from handlers.compute.scheduler import FILTERS, Candidate, amounts, passing


def test_the_quick_look_at_many_hosts_finds_what_the_filters_let_through() -> None:
    dice = Random(1)
    for _ in range(300):
        candidates = [_candidate(dice, number) for number in range(8)]
        size = Size(id="f", name="f", vcpus=dice.randint(1, 4), ram=dice.randint(1, 4), disk=dice.randint(0, 4))
        zone = dice.choice((None, "a", "b", "a:3"))
        host = dice.choice((None, None, "5"))
        server = Server(
            id="s", project="p", user="u", name="n", hostname="n", size=size, zone=zone, requested_host=host
        )
        asked = amounts(server)
        through = [one for one in candidates if not any(test(one, server, asked) for _, test in FILTERS)]
        assert passing(server, candidates, asked) == through


def _candidate(dice: Random, number: int) -> Candidate:
    host = Host(
        id=str(number),
        zone=dice.choice("ab"),
        capacity=Capacity(vcpus=4, ram=4, disk=4),
        up=dice.random() < 0.8,
        disabled=dice.random() < 0.2,
    )
    limits = {"vcpus": 4, "ram": 4, "disk": 4}
    room = Room(id=host.id, used={name: dice.randint(0, 4) for name in limits})
    return Candidate(host, limits, room if dice.random() < 0.9 else None)
