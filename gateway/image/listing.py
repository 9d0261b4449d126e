"""Lists of images: who sees which, filters, order, pages. Source: Image API reference, "List images"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from operator import eq, ge, gt, le, lt, ne
from typing import get_args
from urllib.parse import urlencode

from msgspec import Struct

from events.fold import Known
from events.image import image as images
from events.image import member as members
from events.image.image import Image, Visibility
from events.image.member import Status
from events.refusals import Forbidden, Invalid
from gateway.image import access
from gateway.image.image import View, view
from gateway.serving import Call
from projections.paging import Direction, Page, cut
from projections.paging import value as value_of

Found = Known[Image]
Test = Callable[[Found], bool]
Order = tuple[tuple[str, Direction], ...]

PAGE = 25  # images, if the caller names no limit

_NOT_FILTERS = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir", "deleted", "member_status", "visibility"})
_SORT = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
_NEWEST_FIRST: Order = (("created_at", "desc"), ("id", "desc"))
_LISTS = frozenset({"id", "name", "status", "container_format", "disk_format"})  # filters that may be `in:a,b`
_COMPARE = {"gt": gt, "gte": ge, "lt": lt, "lte": le, "eq": eq, "neq": ne}
_VALUES = re.compile(r'(?:^|,)(?:"([^"]*)"|([^",]*))(?=,|$)')


class Wish(Struct, frozen=True, kw_only=True):
    """What a list is to hold."""

    given: dict[str, str]
    tests: tuple[Test, ...]
    visibility: str | None
    member_status: str  # of the shared images of others
    order: Order
    limit: int
    marker: Found | None


async def list_(call: Call) -> View:
    """The images that the caller sees, a page of them. Raises Invalid, Forbidden."""
    wish = _wish(call)
    page = list(_page(call, wish))
    answer: View = {
        "images": [view(known) for known in page],
        "first": _link(wish.given),
        "schema": "/v2/schemas/images",
    }
    if page and len(page) == wish.limit:
        answer["next"] = _link({**wish.given, "marker": page[-1].key})
    return answer


def _link(given: dict[str, str]) -> str:
    return f"/v2/images?{urlencode(given)}" if given else "/v2/images"


# What is asked for


def _wish(call: Call) -> Wish:
    given = dict(call.request.query_params)  # of a name given twice, the last
    visibility, status = given.get("visibility"), given.get("member_status", "accepted")
    if visibility and visibility != "all" and visibility not in get_args(Visibility):
        raise Invalid(f"Invalid visibility value: {visibility}")
    if status != "all" and status not in get_args(Status):
        raise Invalid(f"Invalid status: {status}")
    limit = _limit(call, given.get("limit"))
    order = _order(call, given)
    tests = tuple(_tests(call, given))
    marker = _marker(call, given.pop("marker", None))
    return Wish(
        given=given,
        tests=tests,
        visibility=visibility,
        member_status=status,
        order=order,
        limit=limit,
        marker=marker,
    )


def _limit(call: Call, text: str | None) -> int:
    most = call.cloud.settings.gateway.page
    if text is None:
        return min(PAGE, most)
    try:
        limit = int(text)
    except ValueError as fault:
        raise Invalid("limit param must be an integer") from fault
    if limit < 0:
        raise Invalid("limit param must be positive")
    return min(limit, most)


def _marker(call: Call, id: str | None) -> Found | None:
    if id is None:
        return None
    image = call.fold.get(images, id)
    if image is None:
        raise Invalid(access.UNKNOWN.format(id=id))
    if not access.sees(call, image):
        raise Forbidden(f"Forbidding request, image {id} not visible")
    return call.fold.known(images, id)


def _order(call: Call, given: dict[str, str]) -> Order:
    """By which keys, each of `_SORT`; the newest first where nothing is said."""
    keys, directions = call.request.query_params.getlist("sort_key"), call.request.query_params.getlist("sort_dir")
    if "sort" in given:
        if keys or directions:
            raise Invalid("Old and new sorting syntax cannot be combined")
        pairs = [part.partition(":") for part in given["sort"].split(",")]
        keys = [key.strip() for key, _, _ in pairs]
        directions = [direction if colon else "desc" for _, colon, direction in pairs]
    keys = keys or ["created_at"]
    for key in keys:
        if key not in _SORT:
            raise Invalid(f"Invalid sort key: {key}. It must be one of the following: {', '.join(_SORT)}.")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise Invalid(f"Invalid sort direction: {direction}")
    if len(directions) < 2:
        directions = (directions or ["desc"]) * len(keys)
    if len(directions) != len(keys):
        raise Invalid("Number of sort dirs does not match the number of sort keys")
    order: list[tuple[str, Direction]] = [
        (key, "desc" if direction == "desc" else "asc") for key, direction in zip(keys, directions, strict=True)
    ]
    return (*order, *(pair for pair in _NEWEST_FIRST if pair[0] not in keys))


def _tests(call: Call, given: dict[str, str]) -> Iterator[Test]:
    """What each image of the list must pass. Raises Invalid."""
    yield _truth("os_hidden", given.get("os_hidden", "false"), lambda image: image.hidden)
    for name, value in given.items():
        if name in _NOT_FILTERS or name == "os_hidden":
            continue
        if name == "changes-since":
            raise Invalid('The "changes-since" filter is no longer available on v2.')
        if name == "protected":
            yield _truth(name, value, lambda image: image.protected)
        elif name in ("tag", "tags"):
            yield _tagged(frozenset(call.request.query_params.getlist(name)))
        elif name in ("size_min", "size_max"):
            yield _size(name, value)
        elif name in ("created_at", "updated_at"):
            yield _time(name, value)
        else:
            yield _equal(name, value)


def _truth(name: str, value: str, field: Callable[[Image], bool]) -> Test:
    wanted = {"true": True, "false": False}.get(value.lower())
    if wanted is None:
        raise Invalid(f"Invalid value '{value}' for '{name}' filter. Valid values are 'true' or 'false'.")
    return lambda known: field(known.state) is wanted


def _tagged(tags: frozenset[str]) -> Test:
    return lambda known: tags <= frozenset(known.state.tags)


def _size(name: str, value: str) -> Test:
    try:
        bound = int(value)
    except ValueError as fault:
        raise Invalid("Unable to filter on a range with a non-numeric value.") from fault
    compare = ge if name == "size_min" else le
    return lambda known: known.state.size is not None and compare(known.state.size, bound)


def _time(name: str, value: str) -> Test:
    word, colon, rest = value.partition(":")
    if not (colon and word.isalpha()):
        word, rest = "eq", value
    if word not in _COMPARE:
        raise Invalid("Unable to filter on a unknown operator.")
    try:
        bound = datetime.fromisoformat(rest.strip())
    except ValueError as fault:
        raise Invalid(f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.') from fault
    bound = bound if bound.tzinfo else bound.replace(tzinfo=UTC)
    compare = _COMPARE[word]
    return lambda known: bool(compare(getattr(known, name).replace(microsecond=0), bound))


def _equal(name: str, value: str) -> Test:
    """Of a field's text, or of a property of the images' own."""
    wanted = frozenset(_listed(name, value))
    if name in _SORT:
        return lambda known: str(value_of(known, name)) in wanted and value_of(known, name) is not None
    if name == "owner":
        return lambda known: known.state.project in wanted
    if name in ("min_ram", "min_disk"):
        return lambda known: str(getattr(known.state, name)) in wanted
    if name in ("checksum", "virtual_size", "os_hash_algo", "os_hash_value"):
        return lambda known: str(view(known)[name]) in wanted
    return lambda known: known.state.properties.get(name) in wanted


def _listed(name: str, value: str) -> list[str]:
    """`a`, or what `in:a,"b,c"` lists. Raises Invalid."""
    if name not in _LISTS or not value.startswith("in:"):
        return [value]
    text = value.removeprefix("in:")
    matches = list(_VALUES.finditer(text))
    if sum(len(match[0]) for match in matches) != len(text):
        raise Invalid(f"Invalid filter value {text}. The quote is not closed.")
    return [match[1] if match[1] is not None else match[2] for match in matches]


# What there is


def _page(call: Call, wish: Wish) -> Iterable[Found]:
    if not wish.limit:
        return []
    candidates, sorted_ = _candidates(call, wish)
    fitting = (
        known
        for known in candidates
        if all(test(known) for test in wish.tests)
        and _lists(call, wish, known)
        and access.still_sees(call, known.state)
    )
    if sorted_:
        return islice(fitting, wish.limit)
    marker = wish.marker
    page = Page(limit=wish.limit, marker=marker.state.id if marker else None, sort=wish.order)
    return cut(fitting, page, find=lambda _: marker).items


def _candidates(call: Call, wish: Wish) -> tuple[Iterable[Found], bool]:
    """All that may be in the list, by the narrowest index; and whether they come in order, from after the marker."""
    known, given, mine = call.fold.shelf(images).known, wish.given, call.who.project
    if "id" in given:
        return [known[id] for id in dict.fromkeys(_listed("id", given["id"])) if call.fold.get(images, id)], False
    if "name" in given:
        names = dict.fromkeys(_listed("name", given["name"]))
        return [known[image.id] for name in names for image in call.fold.by(images, "name", name)], False
    if call.is_admin:
        newest = wish.order == _NEWEST_FIRST
        return _newest(call, wish.marker if newest else None), newest
    ids = dict.fromkeys(image.id for image in call.fold.by(images, "project", mine))
    for visibility in ("public", "community"):
        if visibility == "public" or wish.visibility in ("community", "all"):
            ids.update((image.id, None) for image in call.fold.by(images, "visibility", visibility))
    ids.update((group.id, None) for group in call.fold.by(members, "ids", mine))
    return [known[id] for id in ids if call.fold.get(images, id)], False


def _newest(call: Call, marker: Found | None) -> Iterator[Found]:
    shelf = call.fold.shelf(images)
    keys = reversed(shelf.live)
    if marker is not None:
        for key in keys:
            if key == marker.key:
                break
    return (shelf.known[key] for key in keys)


def _lists(call: Call, wish: Wish, known: Found) -> bool:
    """Whether it belongs into the caller's lists: others' communal images only if asked for."""
    image, visibility, mine = known.state, wish.visibility, call.who.project
    if visibility and visibility != "all" and image.visibility != visibility:
        return False
    if visibility == "":
        return False
    if image.visibility == "public" or (mine is not None and image.project == mine):
        return True
    if image.visibility == "community":
        return visibility in ("community", "all")
    if call.is_admin:
        return True
    if image.visibility != "shared" or mine is None:
        return False
    member = access.of(call, image).members.get(mine)
    return member is not None and wish.member_status in ("all", member.status)
