"""Lists of servers: filters, order, pages. Source: Compute API reference, "List Servers", "List Servers Detailed"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from events.compute import server as servers
from events.compute.server import Server, task_state, vm_state
from events.refusals import Invalid
from gateway.compute import networks, user_data
from gateway.compute.server_query import SORT_KEYS, STATUSES, TAGS, KnownServer, Query, loosely, pattern, read, time_of
from gateway.compute.server_views import Brief, Viewer
from gateway.compute.words import boolean
from gateway.links import Link, with_query
from gateway.serving import Call

Test = Callable[[KnownServer], bool]


class BriefList(Struct, gc=False):
    servers: list[Brief]
    servers_links: list[Link] | UnsetType = UNSET


class DetailedList(Struct, gc=False):
    servers: list[Raw]
    servers_links: list[Link] | UnsetType = UNSET


async def brief(call: Call) -> BriefList:
    """Names and links. Raises Invalid, Forbidden."""
    found, links = await _page(call)
    viewer = Viewer(call)
    return BriefList([viewer.brief(known) for known in found], links)


async def detailed(call: Call) -> DetailedList:
    """All of each. Raises Invalid, Forbidden."""
    found, links = await _page(call)
    if call.is_admin:
        await user_data.learn(call.cloud, (known.state.user_data for known in found))
    viewer = Viewer(call)
    return DetailedList(viewer.encoded(found), links)


# What is found


async def _page(call: Call) -> tuple[list[KnownServer], list[Link] | UnsetType]:
    query = read(call)
    tests = None if _impossible(call, query) else _tests(call, query)
    found = [] if tests is None else _ordered(call, query, tests)
    found = _after(call, query, found)
    more = len(found) > query.limit
    found = found[: query.limit]
    if not found or not (more or ("limit" in query.values and len(found) == query.limit)):
        return found, UNSET
    url = with_query(
        call.root + call.request.url.path.partition(call.face.path)[2],
        call.request.url.query,
        marker=found[-1].state.id,
    )
    return found, [Link("next", url)]


def _impossible(call: Call, query: Query) -> bool:
    """A status that no server ever has: admins are told from 2.38 on, others find nothing."""
    statuses = [text.upper() for text in query.values.get("status", ())]
    if not statuses or any(text in STATUSES for text in statuses):
        return False
    if call.version >= (2, 38):
        raise Invalid("Invalid status value")
    return True


def _candidates(call: Call, query: Query) -> Iterable[str]:
    """The keys that can match, the oldest first, by the narrowest index."""
    shelf = call.fold.shelf(servers)
    values = query.values
    if "uuid" in values:
        return [key for key in values["uuid"] if key in shelf.live]
    if len(values.get("reservation_id", ())) == 1:
        return list(shelf.indexes["reservation"].find(values["reservation_id"][0]))
    if query.all_projects and len(values.get("host", ())) == 1:
        return sorted(shelf.indexes["host"].find(values["host"][0]), key=lambda k: shelf.known[k].created_at)
    if query.all_projects:
        wanted = values.get("project_id") or values.get("tenant_id")
        return shelf.live.keys() if not wanted else shelf.indexes["project"].find(wanted[-1])
    return shelf.indexes["project"].find(call.project)


def _ordered(call: Call, query: Query, tests: list[Test]) -> list[KnownServer]:
    """What matches, in order; the default is the newest first."""
    known = call.fold.shelf(servers).known
    keys: Iterable[str] = reversed(list(_candidates(call, query)))
    if not tests and not query.sort and query.marker is None:
        found: list[KnownServer] = []
        for key in keys:
            found.append(known[key])
            if len(found) > query.limit:
                break
        return found
    found = [one for one in map(known.__getitem__, keys) if all(test(one) for test in tests)]
    for key, descending in reversed(query.sort):
        value = SORT_KEYS[key]
        found.sort(key=lambda one: (value(one) is not None, value(one)), reverse=descending)
    return found


def _after(call: Call, query: Query, found: list[KnownServer]) -> list[KnownServer]:
    if query.marker is None:
        return found
    for number, known in enumerate(found):
        if known.state.id == query.marker:
            return found[number + 1 :]
    marked = call.fold.known(servers, query.marker)
    if marked is None or not call.may_see(marked.state) or query.sort:
        raise Invalid(f"marker [{query.marker[:255]}] not found")
    return [known for known in found if known.created_at < marked.created_at]


def _tests(call: Call, query: Query) -> list[Test]:
    tests: list[Test] = []
    values = query.values
    if (
        not query.all_projects and {"uuid", "reservation_id"} & values.keys()
    ):  # else only the project's own are looked at
        own = call.project
        tests.append(lambda known: known.state.project == own)
    for name, given in values.items():
        test = _test(call, name, given)
        if test is not None:
            tests.append(test)
    return tests


def _test(call: Call, name: str, given: list[str]) -> Test | None:
    """What a filter asks of a server; None if it asks nothing."""
    if name in _ONE_OF:
        wanted, value = frozenset(given), _ONE_OF[name]
        return lambda known: value(known.state) in wanted
    if name in ("name", "hostname", "display_name"):
        patterns = [pattern(name, text).search for text in given]
        of_name = name != "hostname"
        return lambda known: all(p(known.state.name if of_name else known.state.hostname) for p in patterns)
    if name == "status":
        statuses = frozenset(text.upper() for text in given)
        return lambda known: known.state.status in statuses
    if name in ("ip", "ip6"):
        version, matches = (6 if name == "ip6" else 4), [pattern(name, text).search for text in given]
        return lambda known: _has_address(call, known.state, version, matches)
    if name == "changes-since":
        since = time_of(name, given[-1])
        return lambda known: known.updated_at >= since
    if name == "changes-before" and call.version >= (2, 66):
        before = time_of(name, given[-1])
        return lambda known: known.updated_at <= before
    if name in TAGS and call.version >= (2, 26):
        return _tagged(name, frozenset(tag for text in given for tag in text.split(",")))
    if name == "locked" and call.version >= (2, 73):
        locked = boolean(given[-1])
        return lambda known: known.state.locked == locked
    if name == "config_drive" and call.is_admin:
        drive = loosely(given[-1])
        return lambda known: known.state.config_drive == drive
    return None


_ONE_OF: dict[str, Callable[[Server], str | None]] = {
    "uuid": lambda server: server.id,
    "image": lambda server: server.image,
    "flavor": lambda server: server.size.id,
    "host": lambda server: server.host,
    "node": lambda server: server.host,
    "user_id": lambda server: server.user,
    "project_id": lambda server: server.project,
    "tenant_id": lambda server: server.project,
    "key_name": lambda server: server.key_name,
    "availability_zone": lambda server: server.zone,
    "vm_state": vm_state,
    "task_state": task_state,
    "reservation_id": lambda server: server.reservation,
    "launch_index": lambda server: str(server.launch_index),
}


def _has_address(call: Call, server: Server, version: int, matches: Sequence[Callable[[str], Any]]) -> bool:
    ips = (
        ip for port in networks.ports_of(call.fold, server) for _, ip in port.fixed_ips if (":" in ip) == (version == 6)
    )
    return any(all(match(ip) for match in matches) for ip in ips)


def _tagged(name: str, wanted: frozenset[str]) -> Test:
    if name == "tags":
        return lambda known: wanted <= set(known.state.tags)
    if name == "tags-any":
        return lambda known: not wanted.isdisjoint(known.state.tags)
    if name == "not-tags":
        return lambda known: not wanted <= set(known.state.tags)
    return lambda known: wanted.isdisjoint(known.state.tags)
