"""Commits as audit records: CADF events, one activity for each command that became one.

Who did it is the initiator, the resource the target, the service the observer. The record has the whole commit as an
attachment; tags name the request, the events and the journal's sequence. Requests that were refused leave no commit,
and none of these.
Source: DMTF DSP0262, "Cloud Auditing Data Federation (CADF) - Data Format and Interface Definitions Specification".
"""

from __future__ import annotations

from typing import Any

import msgspec

from events.cloudevents import SOURCE, Head, Part, Told
from events.ids import derived
from events.subjects import split, untoken

EVENT = "http://schemas.dmtf.org/cloud/audit/1.0/event"

# The first that an event's name ends with, as CADF's taxonomy of actions has it; anything else is an update.
ACTIONS = (
    (("Created", "Requested", "Joined", "Claimed", "Registered", "Granted", "Added", "Placed"), "create"),
    (("Revoked",), "revoke"),
    (("Deleted", "Removed", "Released", "Returned", "Dropped", "Forgotten", "Left"), "delete"),
    (("Started", "Reactivated", "CameUp"), "start"),
    (("Stopped", "Deactivated", "WentDown"), "stop"),
    (("Enabled", "Unlocked"), "enable"),
    (("Disabled", "Locked"), "disable"),
)
OTHERWISE = {  # where the name's end would mislead
    "UserLoginFailed": "authenticate",
    "UserLoggedIn": "authenticate",
    "UserForgiven": "enable",
    "ServerDeletionRequested": "delete",
    "ServerPowerRequested": "update",
    "ServerPlaced": "deploy",
    "SubnetPlaced": "update",
    "FlavorAccessRevoked": "update",
    "FlavorAccessGranted": "update",
    "FlavorSpecRemoved": "update",
    "RoleNoLongerImplied": "update",
    "RuleAdded": "update",
    "RuleRemoved": "update",
    "SubnetRemoved": "update",
    "ServerRemoved": "undeploy",
    "ImageUploadStarted": "update",
}
OBSERVERS = {"identity": "service/security", "image": "service/storage/image"}
ROOTS = {  # of the taxonomy of resources; those of other services stand below `service`
    "identity": "data/security",
    "compute": "compute",
    "network": "network",
    "image": "storage/image",
    "block_storage": "storage/block",
    "object_storage": "storage/object",
}
TARGETS = {
    "compute.server": "compute/machine",
    "compute.host": "compute/node",
    "identity.user": "data/security/account/user",
    "image.image": "storage/image",
}


def cadf(one: Told, source: str = SOURCE) -> list[bytes]:
    """The records of a commit, as JSON: one for each command in it. `source` names the cloud; ids follow from it."""
    return [
        msgspec.json.encode(_record(one, who, events, derived(source, str(one.sequence), str(number)), source))
        for number, (who, events) in enumerate(one.head.each())
    ]


def _record(one: Told, who: Head | Part, events: tuple[str, ...], id: str, source: str) -> dict[str, Any]:
    name = f"{one.service}.{one.resource}"
    first = events[0] if events else ""
    record: dict[str, Any] = {
        "typeURI": EVENT,
        "eventType": "activity",
        "id": id,
        "eventTime": one.head.at.isoformat(),
        "action": action(first),
        "outcome": outcome(first),
        "initiator": _initiator(who),
        "target": _target(one, name),
        "observer": {
            "id": derived(source, one.service),
            "typeURI": OBSERVERS.get(one.service, f"service/{one.service}"),
            "name": f"cumulog {one.service}",
        },
        "tags": _tags(one.sequence, who, events),
        "attachments": [
            {"name": "commit", "typeURI": f"urn:cumulog:events:{name}", "content": msgspec.Raw(one.data)},
        ],
    }
    if record["outcome"] == "failure":
        record["reason"] = {"reasonType": f"urn:cumulog:events:{name}", "reasonCode": first}
    return record


def action(event: str) -> str:
    """What an event is in CADF's taxonomy."""
    if event in OTHERWISE:
        return OTHERWISE[event]
    return next((verb for ends, verb in ACTIONS if event.endswith(ends)), "update")


def outcome(event: str) -> str:
    """How it came out: what was asked for is pending, until other events tell."""
    if event.endswith(("Failed", "WentDown")):
        return "failure"
    return "pending" if event.endswith(("Requested", "Leaving")) else "success"


def _initiator(who: Head | Part) -> dict[str, str]:
    actor = who.actor or "unknown"
    kind = "service/security/account/user"
    if actor == "cumulog":
        kind = "service"
    elif actor.startswith("host:"):
        kind = "compute/node"
    elif actor == "unknown":
        kind = "unknown"
    more = {"project_id": who.project, "request_id": who.request}
    return {"id": actor, "typeURI": kind, **{name: text for name, text in more.items() if text}}


def _target(one: Told, name: str) -> dict[str, str]:
    _, key = split(one.subject)
    default = f"{ROOTS.get(one.service, f'service/{one.service}')}/{one.resource}"
    found = {"id": "/".join(map(_plain, key.split("."))), "typeURI": TARGETS.get(name, default)}
    return {**found, "project_id": one.head.owner} if one.head.owner else found


def _plain(name: str) -> str:
    return name if name.startswith("=") else untoken(name)


def _tags(sequence: int, who: Head | Part, events: tuple[str, ...]) -> list[str]:
    told = [("sequence", str(sequence)), *(("event", name) for name in dict.fromkeys(events))]
    if who.request:
        told.append(("request", who.request))
    return [f"{name}?value={value}" for name, value in told]
