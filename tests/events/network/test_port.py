"""What may happen to a port."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.network.port import (
    Address,
    ChangedMeanwhile,
    ChangePort,
    Commands,
    CreatePort,
    DeletePort,
    DropGroup,
    DropSubnet,
    Events,
    Port,
    PortChanged,
    PortCreated,
    PortDeleted,
    PortReported,
    ReportPort,
    decide,
    evolve,
)
from events.network.standard import Swept
from events.refusals import Busy, NotFound, PreconditionFailed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO = Address("s", "10.0.0.2", "a"), Address("t", "fd00::2", "a")
CREATE = CreatePort(
    id="x", project="p", claim="a", network="n", mac="fa:16:3e:00:00:01", addresses=(ONE, TWO), security_groups=("g",)
)
CREATED = PortCreated(
    id="x", project="p", claim="a", network="n", mac="fa:16:3e:00:00:01", addresses=(ONE, TWO), security_groups=("g",)
)


def given(*events: Events) -> Port | None:
    port = None
    for event in events:
        port = evolve(port, event, NOW)
    return port


def when(port: Port | None, command: Commands) -> list[Events]:
    return decide(port, command)


def test_a_port_is_created_once() -> None:
    assert when(None, CREATE) == [CREATED]
    assert when(given(CREATED), CREATE) == []
    port = given(CREATED)
    assert port is not None
    assert (port.status, port.mac_claim, port.subnets, port.ips) == ("DOWN", "a", ("s", "t"), ("10.0.0.2", "fd00::2"))


def test_addresses_change_only_from_what_they_were_worked_out_from() -> None:
    three = Address("s", "10.0.0.3", "b")
    change = ChangePort(id="x", claim="b", seen=1, addresses=(three,))
    assert when(given(CREATED), change) == [PortChanged(addresses=(three,))]
    with pytest.raises(ChangedMeanwhile):
        when(given(CREATED, PortChanged(name="y")), change)
    with pytest.raises(Busy):
        when(given(CREATED, Swept(id="x", claim="b")), change)


def test_a_stale_revision_is_refused() -> None:
    with pytest.raises(PreconditionFailed):
        when(given(CREATED), DeletePort(id="x", expected=2))
    assert when(given(CREATED), DeletePort(id="x", expected=1)) == [PortDeleted()]


def test_its_host_reports_it_and_no_other() -> None:
    port = given(CREATED, PortChanged(host="h"))
    assert when(port, ReportPort(id="x", host="h", status="ACTIVE")) == [PortReported(status="ACTIVE")]
    assert when(port, ReportPort(id="x", host="other", status="ACTIVE")) == []
    moved = given(CREATED, PortChanged(host="h"), PortReported(status="ACTIVE"), PortChanged(host="i"))
    assert moved is not None
    assert moved.status == "DOWN"


def test_subnets_and_groups_are_dropped() -> None:
    assert when(given(CREATED), DropSubnet(id="x", subnet="s")) == [PortChanged(addresses=(TWO,))]
    assert when(given(CREATED), DropSubnet(id="x", subnet="other")) == []
    assert when(given(CREATED), DropGroup(id="x", group="g")) == [PortChanged(security_groups=())]
    assert when(given(CREATED), DropGroup(id="x", group="other")) == []


def test_an_attempt_that_was_swept_makes_nothing() -> None:
    with pytest.raises(Busy):
        when(given(Swept(id="x", claim="a")), CREATE)


def test_of_what_is_gone_nothing_is_known() -> None:
    for port in (None, given(CREATED, PortDeleted()), given(Swept(id="x", claim="a"))):
        with pytest.raises(NotFound, match="Port x could not be found"):
            when(port, DeletePort(id="x"))
