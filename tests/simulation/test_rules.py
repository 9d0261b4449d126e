"""Every resource's rules, walked at random: any command in any state is taken or refused, and no state is a dead end.

The commands are made up from their types, so that a new resource or command is walked as soon as it is there.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import msgspec
import msgspec.inspect as types
import pytest

from events.compute import server as servers
from events.identity import assignment as assignments
from events.identity import association as associations
from events.identity import domain as domains
from events.identity import expiring_membership as expiring
from events.identity import federated_user as federated_users
from events.identity import membership as memberships
from events.identity import name as names
from events.identity import passcode as passcodes
from events.identity import record
from events.identity import revocation as revocations
from events.image import image as images
from events.image import member as members
from events.network import address as addresses
from events.network import mac as macs
from events.network import network as networks
from events.network import segment as segments
from events.network import subnet as subnets
from events.refusals import Refusal
from events.services import deciders

SEEDS = 30
STEPS = 60
START = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = ("a", "b", "c", "10.0.0.0/24", "10.0.0.5", "fa:16:3e:00:00:01", "tcp", "4")


@cache
def commands(module: Any) -> tuple[type, ...]:
    """What can be asked of a resource: by the type of its `decide`."""
    hint = typing.get_type_hints(module.decide)["command"]
    return typing.get_args(hint) or (hint,)


@cache
def fields(command: type) -> tuple[types.Field, ...]:
    kind = types.type_info(command)
    assert isinstance(kind, types.StructType)
    return kind.fields


def value(random: Random, kind: types.Type) -> Any:
    """Something of a type."""
    match kind:
        case types.StrType() | types.AnyType():
            return random.choice(TEXTS)
        case types.IntType():
            return random.choice((0, 1, 2, 4, 6, 80))
        case types.FloatType():
            return random.choice((0.0, 1.0))
        case types.BoolType():
            return random.random() < 0.5
        case types.NoneType():
            return None
        case types.TimeDeltaType():
            return timedelta(minutes=random.randrange(100))
        case types.DateTimeType():
            return START + timedelta(minutes=random.randrange(100))
        case types.LiteralType():
            return random.choice(list(kind.values))
        case types.UnionType():
            return value(random, random.choice(list(kind.types)))
        case types.VarTupleType() | types.ListType() | types.FrozenSetType() | types.SetType():
            some = [value(random, kind.item_type) for _ in range(random.randrange(3))]
            return tuple(some)
        case types.TupleType():
            return tuple(value(random, one) for one in kind.item_types)
        case types.DictType():
            return {value(random, kind.key_type): value(random, kind.value_type) for _ in range(random.randrange(3))}
        case types.StructType():
            return kind.cls(**{one.name: value(random, one.type) for one in kind.fields})
        case types.CustomType() if kind.cls is msgspec.UnsetType:
            return msgspec.UNSET
    raise AssertionError(f"a command has a field of a kind that is not known here: {kind}")


# Keys that are no plain string, where the types of the commands do not say it.
KEYS = {"identity.federation_protocol": ("a", "b")}


@cache
def id_of(module: Any) -> Any:
    """The id of the resource that a walk is about."""
    if name(module) in KEYS:
        return KEYS[name(module)]
    (kind,) = (one.type for one in fields(commands(module)[0]) if one.name == "id")
    if isinstance(kind, types.VarTupleType):
        return ("a", "b", "c")
    return "x" if isinstance(kind, types.AnyType | types.StrType) else value(Random(1), kind)


@cache
def events(module: Any) -> tuple[type, ...]:
    """What can happen to a resource: by the type of its `evolve`; the first is how it begins."""
    return typing.get_args(typing.get_type_hints(module.evolve)["event"])


def protect(is_protected: bool) -> images.Change:
    return images.Change("replace", "protected", is_protected, field=True)


# What the gateway has made sure of before it asks; the types alone do not say it.
PLAUSIBLE: dict[tuple[str, str], Callable[[Random], Any]] = {
    ("ClaimShares", "holders"): lambda random: ((random.choice(("port:p.a", "network:n.b")), "port"),),
    ("PlaceSubnet", "cidr"): lambda random: random.choice(("10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64")),
    ("UpdateImage", "changes"): lambda random: (protect(random.random() < 0.5),),
}

# What deletes a resource, whatever it is doing. Where nothing stands here, its Delete command does, without more.
WAYS: dict[str, Callable[[Any], list[Any]]] = {
    "identity.domain": lambda it: [
        record.Change(id="x", to=domains.DomainChanged(enabled=False)),
        record.Delete(id="x"),
    ],
    "identity.membership": lambda it: [memberships.Leave(id=id_of(memberships))],
    "identity.assignment": lambda it: [assignments.RevokeRole(id=id_of(assignments))],
    "identity.name": lambda it: [names.Release(id=id_of(names), holder=it.holder)],
    "identity.association": lambda it: [associations.Dissociate(id=id_of(associations), to=it.to)],
    "identity.expiring_membership": lambda it: [expiring.EndMembership(id=id_of(expiring))],
    "identity.federated_user": lambda it: [federated_users.UnlinkUser(id=id_of(federated_users))],
    "identity.passcode": lambda it: [passcodes.ForgetPasscodes(id="x")],
    "identity.revocation": lambda it: [revocations.ForgetToken(id="x", now=START + timedelta(days=30))],
    "compute.server": lambda it: [
        servers.DeleteServer(id="x"),
        servers.AbandonServer(id="x"),
        servers.ForgetServer(id="x"),
    ],
    "image.image": lambda it: [images.UpdateImage(id="x", changes=(protect(False),)), images.DeleteImage(id="x")],
    "image.member": lambda it: [members.DropMembers(id="x")],
    "network.network": lambda it: [
        *(networks.RemoveSubnet(id="x", subnet=place.subnet) for place in it.places),
        networks.KeepNetwork(id="x", claim=it.leaving or ""),
        networks.LeaveNetwork(id="x", claim="last", until=START),
        networks.DeleteNetwork(id="x", claim="last"),
    ],
    "network.subnet": lambda it: [
        subnets.KeepSubnet(id="x", claim=it.leaving or ""),
        subnets.LeaveSubnet(id="x", claim="last", until=START),
        subnets.DeleteSubnet(id="x", claim="last"),
    ],
    "network.address": lambda it: [addresses.Release(id=id_of(addresses), holder=it.holder)],
    "network.mac": lambda it: [macs.Release(id=id_of(macs), holder=it.holder)],
    "network.segment": lambda it: [segments.Release(id=id_of(segments), holder=it.holder)],
}
ENDLESS = {"compute.quota", "compute.host_room", "network.quota"}  # sums: what they hold is returned share by share


def command(random: Random, module: Any) -> Any:
    """Something that can be asked of a resource."""
    kind = random.choice(commands(module))
    values = {}
    for one in fields(kind):
        if one.name == "id":
            values["id"] = id_of(module)
        elif one.name in ("made", "to") and kind in (record.Make, record.Change):
            values[one.name] = value(random, types.type_info(events(module)[one.name == "to"]))
        elif one.required or random.random() < 0.5:
            plausible = PLAUSIBLE.get((kind.__name__, one.name))
            values[one.name] = plausible(random) if plausible else value(random, one.type)
    return kind(**values)


def after(module: Any, state: Any, wish: Any, at: datetime) -> Any:
    """The state after a command; as it was, if it is refused. Anything but a Refusal is a fault of the rules."""
    try:
        events = module.decide(state, wish)
    except Refusal:
        return state
    for event in events:
        state = module.evolve(state, event, at)
    return state


def walk(module: Any, seed: int) -> list[Any]:
    """The states of one walk, each once."""
    random, states, state = Random(seed), list[Any](), None
    for step in range(STEPS):
        new = after(module, state, command(random, module), START + timedelta(seconds=step))
        if new is not state:
            states.append(new)
        state = new
    return states


def name(module: Any) -> str:
    return str(module.__name__).removeprefix("events.")


RESOURCES = pytest.mark.parametrize("module", deciders(), ids=name)


@RESOURCES
def test_whatever_is_asked_is_taken_or_refused(module: Any) -> None:
    """And a walk comes somewhere; else it would prove nothing."""
    assert sum(len(walk(module, seed)) for seed in range(SEEDS)) > SEEDS


@RESOURCES
def test_everything_can_be_deleted_whatever_it_is_doing(module: Any) -> None:
    living = [state for seed in range(SEEDS) for state in walk(module, seed) if not state.deleted]
    assert living
    if name(module) in ENDLESS:
        return
    for state in living:
        gone = state
        for wish in _ways(module, state):
            gone = after(module, gone, wish, START)
        assert gone.deleted, state


def _ways(module: Any, state: Any) -> list[Any]:
    if name(module) in WAYS:
        return WAYS[name(module)](state)
    (delete,) = (kind for kind in commands(module) if kind.__name__.startswith("Delete"))
    return [delete(id=id_of(module))]


def states_of(module: Any) -> list[Any]:
    return [state for seed in range(SEEDS * 4) for state in walk(module, seed) if not state.deleted]


def test_what_is_being_deleted_stays_if_it_takes_too_long() -> None:
    """A network or subnet that is marked has a deadline, after which a plan takes the mark away."""
    for module, keep in ((networks, networks.KeepNetwork), (subnets, subnets.KeepSubnet)):
        marked = [state for state in states_of(module) if state.leaving]
        assert marked
        for state in marked:
            assert state.leaving_until is not None
            assert state.due, "by which the plan finds it"
            assert after(module, state, keep(id="x", claim=state.leaving), START).leaving is None


def test_an_upload_that_breaks_leaves_its_image_as_it_was_before() -> None:
    """What finds the broken ones is gateway/image/recovery.py; what takes too long is broken for it."""
    waiting = [one for one in states_of(images) if one.status in ("saving", "uploading") and one.bytes is None]
    assert waiting
    for state in waiting:
        failed = after(images, state, images.FailUpload(id="x", upload=state.upload, reason="late"), START)
        assert failed.status == "queued", state


@pytest.mark.parametrize("module", [names, addresses, macs, segments], ids=name)
def test_every_claim_that_has_a_deadline_is_found_by_it(module: Any) -> None:
    for state in states_of(module):
        assert (state.due is None) == (state.until is None)
        assert "due" in module.INDEXES
