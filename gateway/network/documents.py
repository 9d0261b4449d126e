"""What all resources of the service have in common over HTTP: bodies, documents, filters, pages.

Source: Networking API reference, "Filtering and column selection", "Pagination", "Sorting", "Bulk operations".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import UNSET, Struct

from events.network.standard import Standard
from events.refusals import Invalid, NotFound
from gateway import bodies
from gateway.network.attributes import Attribute, wrong
from gateway.network.rights import Columns, ask, columns_of, disallowed, may_set
from gateway.rules import Target
from gateway.serving import Call
from projections.paging import Page, cut

Document = dict[str, Any]
MOST_AT_ONCE = 1000  # items of a bulk creation
SPECIAL = {"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"}
TAGS = {"tags", "tags-any", "not-tags", "not-tags-any"}


class Resource(Struct, frozen=True, kw_only=True):
    """A kind of document: its names, its attributes, and how states of it are found and seen."""

    name: str
    plural: str
    module: Any  # of the events
    attributes: dict[str, Attribute]
    not_found: Callable[[Any], NotFound]
    may_see: Callable[[Call, Any], bool]
    target: Callable[[Call, Any], Target]  # what rules are told of a state
    visible: Callable[[Call], Iterable[Any]]  # all that a caller who is no admin may see
    indexed: dict[str, str] = {}  # attributes that an index of the fold has, and the index's name
    filters: dict[str, Callable[[list[str]], Callable[[Call, Any], bool]]] = {}  # beside the attributes' own
    tagged: bool = True
    find_by: Callable[[Call, str, str], Iterable[Any]] | None = None  # instead of the fold's index

    def __hash__(self) -> int:
        return id(self)


# Bodies


async def items(call: Call, resource: Resource) -> tuple[list[Document], bool]:
    """The objects of a body of creation, and whether they came as a list. Raises Invalid."""
    body = await _body(call)
    if resource.name in body or resource.plural not in body:
        return [_object(resource, body.get(resource.name))], False
    many = body[resource.plural]
    if not many:
        raise Invalid("Resources required")
    if not isinstance(many, list):
        raise Invalid(f"Object '{resource.name}' contains invalid data")
    if len(many) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE} resources can be created at once")
    inner = [one.get(resource.name, one) if isinstance(one, dict) else one for one in many]
    return [_object(resource, one) for one in inner], True


async def item(call: Call, resource: Resource) -> Document:
    """The object of a body of change. Raises Invalid."""
    return _object(resource, (await _body(call)).get(resource.name))


async def plain_body(call: Call) -> Document:
    """The body, whatever it holds. Raises Invalid."""
    return await _body(call)


async def no_body(call: Call) -> None:
    """Raises Invalid if the request has a body."""
    if await bodies.read(call.request, call.cloud.settings.gateway.max_body):
        raise Invalid("Request body is not supported in DELETE.")


async def _body(call: Call) -> Document:
    data = await bodies.read(call.request, call.cloud.settings.gateway.max_body)
    try:
        body = msgspec.json.decode(data) if data.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("Body contains invalid data") from None
    if not isinstance(body, dict):
        raise Invalid("Body contains invalid data")
    return body


def _object(resource: Resource, value: Any) -> Document:
    if value is None:
        raise Invalid(f"Unable to find '{resource.name}' in request body")
    if not isinstance(value, dict):
        raise Invalid(f"Object '{resource.name}' contains invalid data")
    return value


def to_create(call: Call, resource: Resource, given: Document) -> Document:
    """The values of a new resource, with `project_id`. Raises Invalid, Forbidden."""
    _known(resource, given)
    given = {**given, "project_id": _project(call, given)}
    given.pop("tenant_id", None)
    values: Document = {}
    for name, attribute in resource.attributes.items():
        if name not in given:
            if attribute.required:
                raise Invalid(f"Failed to parse request. Required attribute '{name}' not specified")
            if attribute.post and attribute.default is not UNSET:
                values[name] = attribute.default
        elif not attribute.post:
            raise Invalid(f"Attribute '{name}' not allowed in POST")
        else:
            values[name] = attribute.convert(name, given[name]) if attribute.convert else given[name]
    for name in given:
        if values.get(name, UNSET) != resource.attributes[name].default:
            may_set(call, f"create_{resource.name}", name)
    return values


def to_change(call: Call, resource: Resource, given: Document) -> Document:
    """The values that are to change. Raises Invalid, Forbidden."""
    _known(resource, given)
    values: Document = {}
    for name, value in given.items():
        attribute = resource.attributes[name]
        if not attribute.put:
            raise Invalid(f"Cannot update read-only attribute {name}")
        values[name] = attribute.convert(name, value) if attribute.convert else value
        may_set(call, f"update_{resource.name}", name)
    return values


def _known(resource: Resource, given: Document) -> None:
    unknown = [name for name in given if name not in resource.attributes]
    if unknown:
        raise Invalid(f"Unrecognized attribute(s) '{', '.join(unknown)}'")


def _project(call: Call, given: Document) -> str:
    one, other = given.get("tenant_id"), given.get("project_id")
    if one and other and one != other:
        raise Invalid("'project_id' and 'tenant_id' do not match")
    project = other or one or call.project
    if not isinstance(project, str) or len(project) > 255:
        raise Invalid(f"Invalid input for project_id. Reason: '{project}' is not a valid string.")
    if project != call.project and not call.is_admin:
        raise Invalid(
            "Specifying 'project_id' other than the authenticated project in request is not allowed for the current "
            "user."
        )
    return project


def expected(call: Call) -> int | None:
    """The revision that `If-Match` asks for. Raises Invalid."""
    for entry in (call.request.headers.get("if-match") or "").split(","):
        name, equals, number = entry.strip().partition("=")
        if name == "revision_number" and equals:
            if not re.fullmatch(r"[0-9]{1,18}", number):
                raise Invalid(
                    "Bad if-match request: Revision number etag must be in the format of revision_number=<int>.",
                    kind="BadRequest",
                )
            return int(number)
    return None


# Documents


def document(call: Call, resource: Resource, state: Any, fields: tuple[str, ...] = ()) -> Document:
    """What is shown of a state: all that the caller may see, or what of that is asked for."""
    return _document(call, resource, state, columns_of(call, resource, fields))


def _document(call: Call, resource: Resource, state: Any, columns: Columns) -> Document:
    return {
        name: get(call, state)
        for name, get, rule in columns
        if rule is None or call.allows(rule, resource.target(call, state))
    }


def find(call: Call, resource: Resource, id: str) -> Any:
    """The state that the caller may see, and do this to. Raises NotFound, Forbidden."""
    state = call.fold.get(resource.module, id)
    if state is None or not resource.may_see(call, state):
        raise resource.not_found(id)
    ask(call, resource, state, id)
    return state


def show(call: Call, resource: Resource) -> Document:
    """One document, by the path's id. Raises NotFound, Invalid."""
    return show_state(call, resource, lambda: find(call, resource, call.path["id"]))


def show_state(call: Call, resource: Resource, state: Callable[[], Any]) -> Document:
    """One document, of what `state` finds. Raises what it raises, Invalid."""
    given = _query(call)
    _filters(resource, given)
    return {resource.name: document(call, resource, state(), _fields(given))}


def listing(call: Call, resource: Resource) -> Document:
    """The documents that the caller may see, filtered, sorted, in pages. Raises Invalid, NotFound."""
    given = _query(call)
    tests = _filters(resource, given)
    page = _page(resource, given)
    found = call.sees(f"get_{resource.name}", _candidates(call, resource, given), lambda s: resource.target(call, s))
    if tests:
        found = [state for state in found if all(test(call, state) for test in tests)]
    if page is not None:
        shown = {name: attribute.get for name, attribute in resource.attributes.items()}
        found = cut(
            found,
            page,
            resource.not_found,
            lambda id: _seen(call, resource, id),
            lambda state, name: shown[name](call, state),
        ).items
    fields = tuple(name for name in _fields(given) if name in resource.attributes) or (("",) if _fields(given) else ())
    columns = columns_of(call, resource, fields)
    answer: Document = {resource.plural: [_document(call, resource, state, columns) for state in found]}
    if page is not None and page.limit:
        answer[f"{resource.plural}_links"] = _links(call, page, [state.id for state in found])
        if not answer[f"{resource.plural}_links"]:
            del answer[f"{resource.plural}_links"]
    return answer


def _query(call: Call) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in call.request.query_params.multi_items():
        given.setdefault(name, []).append(value)
    return given


def _fields(given: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(name for name in given.get("fields", ()) if name)


def _candidates(call: Call, resource: Resource, given: dict[str, list[str]]) -> list[Any]:
    """What may pass the filters: by the most telling of the indexes, and only what the caller may see."""
    name = next((name for name in ("id", *resource.indexed) if all(given.get(name, [""]))), None)
    if name is None:
        if call.is_admin and not resource.find_by:
            return call.fold.all(resource.module)
        visible = resource.visible(call)
        return [state for state in visible if call.present is None or resource.may_see(call, state)]
    found = {state.id: state for value in given[name] for state in _by(call, resource, name, value)}
    return [state for state in found.values() if call.is_admin or resource.may_see(call, state)]


def _by(call: Call, resource: Resource, name: str, value: str) -> Iterable[Any]:
    if resource.find_by is not None:
        return resource.find_by(call, name, value)
    if name == "id":
        state = call.fold.get(resource.module, value)
        return () if state is None else (state,)
    return call.fold.by(resource.module, resource.indexed[name], value)


def _seen(call: Call, resource: Resource, id: str) -> Any | None:
    """A state by its id, if the caller may see it."""
    found = _by(call, resource, "id", id)
    return next((state for state in found if call.is_admin or resource.may_see(call, state)), None)


Test = Callable[[Call, Any], bool]


def _filters(resource: Resource, given: dict[str, list[str]]) -> list[Test]:
    """What each state must pass. Raises Invalid."""
    known = resource.attributes
    unknown = [
        name
        for name in given
        if name not in SPECIAL
        and not (resource.tagged and name in TAGS)
        and name not in resource.filters
        and (name not in known or known[name].match is None)
    ]
    if unknown:
        raise Invalid(f"{unknown} is invalid attribute for filtering")
    tests = []
    for name, values in given.items():
        if name in TAGS:
            tests.append(_tag_test(name, values))
        elif name in resource.filters:
            tests.append(resource.filters[name](values))
        elif name not in SPECIAL:
            tests.append(_test(name, known[name], values))
    return tests


def _test(name: str, attribute: Attribute, values: list[str]) -> Test:
    assert attribute.match is not None
    wanted = {attribute.match(name, value) for value in values}
    get = attribute.get
    if any(isinstance(value, str) for value in wanted):
        return lambda call, state: str(get(call, state)) in wanted
    return lambda call, state: get(call, state) in wanted


def _tag_test(name: str, values: list[str]) -> Test:
    tags = {tag for value in values for tag in value.split(",")}

    def all_of(call: Call, state: Standard) -> bool:
        return tags <= set(state.tags)

    def any_of(call: Call, state: Standard) -> bool:
        return not tags.isdisjoint(state.tags)

    test = any_of if name.endswith("any") else all_of
    return (lambda call, state: not test(call, state)) if name.startswith("not") else test


def _page(resource: Resource, given: dict[str, list[str]]) -> Page | None:
    keys, directions = given.get("sort_key", []), given.get("sort_dir", [])
    if len(keys) != len(directions):
        raise Invalid("The number of sort_keys and sort_dirs must be same")
    bad = [one for one in directions if one not in ("asc", "desc")]
    if bad:
        raise Invalid(f"{bad} is invalid value for sort_dirs, valid value is 'asc' and 'desc'")
    attributes = resource.attributes
    bad = [key for key in keys if key not in attributes or not attributes[key].sort]
    if bad:
        raise Invalid(f"{bad} is invalid attribute for sort_keys")
    limit = _limit(given.get("limit", ["0"])[-1])
    sort: Any = tuple(zip(keys, directions, strict=True))
    if not limit and not sort:
        return None
    marker = given.get("marker", [None])[-1] if limit else None
    reverse = given.get("page_reverse", [""])[-1].lower() == "true"
    return Page(limit=limit or None, marker=marker, sort=sort or (("id", "asc"),), reverse=bool(limit) and reverse)


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Invalid(f"Bad limit request: Limit must be an integer 0 or greater and not '{text}'.", kind="BadRequest")
    return int(text)


def _links(call: Call, page: Page, ids: list[str]) -> list[Document]:
    """To the pages after and before this one."""
    assert page.limit is not None
    links = []
    short = len(ids) < page.limit
    if ids and (page.reverse or not short):
        links.append({"rel": "next", "href": _link(call, ids[-1], reverse=False)})
    if ids and not (page.reverse and short):
        links.append({"rel": "previous", "href": _link(call, ids[0], reverse=True)})
    return links


def _link(call: Call, marker: str, *, reverse: bool) -> str:
    url = call.request.url
    pairs = [(k, v) for k, v in parse_qsl(url.query, keep_blank_values=True) if k not in ("marker", "page_reverse")]
    pairs.append(("marker", marker))
    if reverse:
        pairs.append(("page_reverse", "True"))
    return f"{call.base}{url.path}?{urlencode(pairs)}"


__all__ = [
    "Document",
    "Resource",
    "ask",
    "disallowed",
    "document",
    "expected",
    "find",
    "item",
    "items",
    "listing",
    "no_body",
    "plain_body",
    "show",
    "to_change",
    "to_create",
    "wrong",
]
