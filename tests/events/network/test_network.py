"""What may happen to a network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from events.network.network import (
    ChangeNetwork,
    Commands,
    CreateNetwork,
    DeleteNetwork,
    Events,
    KeepNetwork,
    LeaveNetwork,
    Network,
    NetworkChanged,
    NetworkCreated,
    NetworkDeleted,
    NetworkKept,
    NetworkLeaving,
    PlaceSubnet,
    RemoveSubnet,
    SubnetPlaced,
    SubnetRemoved,
    UseNetwork,
    decide,
    evolve,
)
from events.network.standard import AddTag, Leaving, RemoveTag, SetTags, Sweep, Swept, TagsSet
from events.refusals import Busy, Conflict, Invalid, NotFound, PreconditionFailed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
CREATE = CreateNetwork(id="n", project="p", claim="a", name="net", segmentation_id=7)
CREATED = NetworkCreated(id="n", project="p", claim="a", name="net", segmentation_id=7)
PLACED = SubnetPlaced(subnet="s", cidr="10.0.0.0/24", claim="b", until=LATER)
LEAVING = NetworkLeaving(claim="d", until=LATER)


def given(*events: Events) -> Network | None:
    network = None
    for event in events:
        network = evolve(network, event, NOW)
    return network


def when(network: Network | None, command: Commands) -> list[Events]:
    return decide(network, command)


def test_a_network_is_created_once() -> None:
    assert when(None, CREATE) == [CREATED]
    assert when(given(CREATED), CREATE) == []


def test_only_what_is_other_than_before_is_changed() -> None:
    assert when(given(CREATED), ChangeNetwork(id="n", name="net")) == []
    assert when(given(CREATED), ChangeNetwork(id="n", name="net", mtu=1400)) == [NetworkChanged(mtu=1400)]
    after = given(CREATED, NetworkChanged(mtu=1400))
    assert after is not None
    assert (after.mtu, after.revision) == (1400, 2)


def test_a_stale_revision_is_refused() -> None:
    with pytest.raises(PreconditionFailed, match="Constrained to 77, but current revision is 1"):
        when(given(CREATED), ChangeNetwork(id="n", name="x", expected=77))


def test_subnets_do_not_overlap() -> None:
    network = given(CREATED, PLACED)
    place = PlaceSubnet(id="n", subnet="t", cidr="10.0.0.128/25", claim="c", until=LATER)
    with pytest.raises(Invalid, match="overlaps with another subnet"):
        when(network, place)
    beside = PlaceSubnet(id="n", subnet="t", cidr="10.0.1.0/24", claim="c", until=LATER)
    assert when(network, beside) == [SubnetPlaced(subnet="t", cidr="10.0.1.0/24", claim="c", until=LATER)]
    six = PlaceSubnet(id="n", subnet="t", cidr="fd00::/64", claim="c", until=LATER)
    assert len(when(network, six)) == 1


def test_a_place_is_taken_once_and_given_back_once() -> None:
    network = given(CREATED, PLACED)
    assert when(network, PlaceSubnet(id="n", subnet="s", cidr="10.0.0.0/24", claim="b", until=LATER)) == []
    assert when(network, RemoveSubnet(id="n", subnet="s")) == [SubnetRemoved(subnet="s")]
    assert when(given(CREATED), RemoveSubnet(id="n", subnet="s")) == []
    assert when(given(CREATED, PLACED, LEAVING, NetworkDeleted()), RemoveSubnet(id="n", subnet="s")) == []


def test_what_is_leaving_takes_nothing_new() -> None:
    network = given(CREATED, LEAVING)
    with pytest.raises(Leaving):
        when(network, UseNetwork(id="n"))
    with pytest.raises(Leaving):
        when(network, PlaceSubnet(id="n", subnet="s", cidr="10.0.0.0/24", claim="b", until=LATER))
    assert when(given(CREATED, LEAVING, NetworkKept()), UseNetwork(id="n")) == []


def test_only_who_marked_it_deletes_it() -> None:
    assert when(given(CREATED), LeaveNetwork(id="n", claim="d", until=LATER)) == [LEAVING]
    network = given(CREATED, LEAVING)
    assert when(network, DeleteNetwork(id="n", claim="d")) == [NetworkDeleted()]
    with pytest.raises(Conflict):
        when(network, DeleteNetwork(id="n", claim="e"))
    with pytest.raises(Leaving):
        when(network, LeaveNetwork(id="n", claim="e", until=LATER))
    assert when(network, KeepNetwork(id="n", claim="e")) == []
    assert when(network, KeepNetwork(id="n", claim="d")) == [NetworkKept()]


def test_an_attempt_that_was_swept_makes_nothing() -> None:
    assert when(None, Sweep(id="n", claim="a")) == [Swept(id="n", claim="a")]
    network = given(Swept(id="n", claim="a"))
    with pytest.raises(Busy):
        when(network, CREATE)
    other = CreateNetwork(id="n", project="p", claim="other")
    assert when(network, other) == [NetworkCreated(id="n", project="p", claim="other")]


def test_of_what_is_gone_nothing_is_known() -> None:
    for network in (None, given(CREATED, LEAVING, NetworkDeleted())):
        with pytest.raises(NotFound, match="Network n could not be found"):
            when(network, UseNetwork(id="n"))


def test_tags_are_put_on_and_taken_off() -> None:
    network = given(CREATED)
    assert when(network, AddTag(id="n", tag="red")) == [TagsSet(tags=("red",))]
    assert when(given(CREATED, TagsSet(tags=("red",))), AddTag(id="n", tag="red")) == []
    with pytest.raises(NotFound, match="Tag red could not be found"):
        when(network, RemoveTag(id="n", tag="red"))
    with pytest.raises(Invalid, match="limit of 50"):
        when(network, SetTags(id="n", tags=tuple(map(str, range(51)))))


def test_the_minutes_of_its_deadlines_are_indexed() -> None:
    network = given(CREATED, PLACED, LEAVING)
    assert network is not None
    assert network.due == (int(LATER.timestamp()) // 60,)
