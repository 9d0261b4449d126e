"""What may happen to a subnet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from events.network.standard import Leaving, Sweep, Swept
from events.network.subnet import (
    ChangeSubnet,
    Commands,
    CreateSubnet,
    DeleteSubnet,
    Events,
    KeepSubnet,
    LeaveSubnet,
    Pool,
    Subnet,
    SubnetChanged,
    SubnetCreated,
    SubnetDeleted,
    SubnetKept,
    SubnetLeaving,
    UseSubnet,
    decide,
    evolve,
)
from events.refusals import Busy, Conflict, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
CREATE = CreateSubnet(id="s", project="p", claim="a", network="n", cidr="10.0.0.0/24", ip_version=4)
CREATED = SubnetCreated(id="s", project="p", claim="a", network="n", cidr="10.0.0.0/24", ip_version=4)
LEAVING = SubnetLeaving(claim="d", until=LATER)


def given(*events: Events) -> Subnet | None:
    subnet = None
    for event in events:
        subnet = evolve(subnet, event, NOW)
    return subnet


def when(subnet: Subnet | None, command: Commands) -> list[Events]:
    return decide(subnet, command)


def test_a_subnet_is_created_once() -> None:
    assert when(None, CREATE) == [CREATED]
    assert when(given(CREATED), CREATE) == []


def test_only_what_is_other_than_before_is_changed() -> None:
    pools = (Pool("10.0.0.5", "10.0.0.9"),)
    assert when(given(CREATED), ChangeSubnet(id="s", pools=pools)) == [SubnetChanged(pools=pools)]
    assert when(given(CREATED, SubnetChanged(pools=pools)), ChangeSubnet(id="s", pools=pools)) == []
    without = when(given(CREATED, SubnetChanged(gateway_ip="10.0.0.1")), ChangeSubnet(id="s", gateway_ip=None))
    assert without == [SubnetChanged(gateway_ip=None)]


def test_what_is_leaving_gives_no_addresses() -> None:
    with pytest.raises(Leaving):
        when(given(CREATED, LEAVING), UseSubnet(id="s"))
    assert when(given(CREATED, LEAVING, SubnetKept()), UseSubnet(id="s")) == []


def test_only_who_marked_it_deletes_it() -> None:
    assert when(given(CREATED), LeaveSubnet(id="s", claim="d", until=LATER)) == [LEAVING]
    assert when(given(CREATED, LEAVING), DeleteSubnet(id="s", claim="d")) == [SubnetDeleted()]
    with pytest.raises(Conflict):
        when(given(CREATED), DeleteSubnet(id="s", claim="d"))
    assert when(given(CREATED, LEAVING), KeepSubnet(id="s", claim="x")) == []


def test_an_attempt_that_was_swept_makes_nothing() -> None:
    assert when(given(CREATED), Sweep(id="s", claim="z")) == [Swept(id="s", claim="z")]
    with pytest.raises(Busy):
        when(given(Swept(id="s", claim="a")), CREATE)


def test_of_what_is_gone_nothing_is_known() -> None:
    with pytest.raises(NotFound, match="Subnet s could not be found"):
        when(given(CREATED, LEAVING, SubnetDeleted()), UseSubnet(id="s"))
