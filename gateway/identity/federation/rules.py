"""The rules of a mapping: from attributes of somebody remote to a user, groups and projects here.

All rules whose `remote` part holds apply. A value of an attribute stands for itself: only `{0}`, `{1}` and so on, which
number the requirements that are no condition, bring it into the `local` part, and it becomes nothing but a name there.
Source: Identity service, "Mapping Combinations"; Identity API reference, "Mappings".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from events.refusals import Invalid

VERSIONS = (
    "1.0",
    "2.0",
    "3.0",
)  # 2.0: projects have domains; 3.0: projects as JSON, and what is not told is taken back
MOST = 128  # rules of a mapping, groups and projects of a user
LONGEST = 1024  # characters of a value that a regular expression is matched with

_PLACE = re.compile(r"\{\{|\}\}|\{(\d{1,3})\}")
_ALONE = re.compile(r"\{(\d{1,3})\}\Z")
_GROUP = "JSON:"  # before a group that names its domain, as clouds tell one another

Attributes = Mapping[str, list[str]]
Values = list[list[str]]  # by the number of the requirement


class Unmapped(Exception):
    """The rules make nobody of whoever comes."""


class Domain(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    id: str | None = None
    name: str | None = None


class User(Struct, frozen=True, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None
    email: str | None = None
    domain: Domain | None = None
    type: Literal["ephemeral", "local"] = "ephemeral"


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None
    domain: Domain | None = None

    def __post_init__(self) -> None:
        if (self.id is None) == (self.name is None) or (self.name is None) != (self.domain is None):
            raise ValueError("a group has an id, or a name and a domain")


class RoleName(Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class Project(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    roles: list[RoleName]
    domain: Domain | None = None


class Local(Struct, frozen=True, forbid_unknown_fields=True):
    user: User | None = None
    group: Group | None = None
    groups: str | None = None
    group_ids: str | None = None
    domain: Domain | None = None
    projects: list[Project] | None = None
    projects_json: str | None = None


class Remote(Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    any_one_of: list[str] | None = None
    not_any_of: list[str] | None = None
    blacklist: list[str] | None = None
    whitelist: list[str] | None = None
    regex: bool = False

    def __post_init__(self) -> None:
        lists = [one for one in (self.any_one_of, self.not_any_of, self.blacklist, self.whitelist) if one is not None]
        if len(lists) > 1:
            raise ValueError("any_one_of, not_any_of, blacklist and whitelist exclude one another")
        if self.regex:
            for pattern in (pattern for one in lists for pattern in one):
                try:
                    re.compile(pattern)
                except (re.error, RecursionError, OverflowError) as fault:
                    raise ValueError(f"{pattern!r} is no regular expression") from fault


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    local: list[Local]
    remote: list[Remote]

    def __post_init__(self) -> None:
        if not self.remote:
            raise ValueError("remote should be non-empty")


class Mapped(Struct, kw_only=True):
    """Who somebody is here."""

    user: User
    group_ids: list[str] = []
    groups: list[Group] = []  # by name
    projects: list[Project] = []


def read(rules: Any, version: str) -> list[Rule]:
    """Rules as they are given. Raises Invalid."""
    if version not in VERSIONS:
        raise Invalid(f"The schema_version of a mapping is one of {', '.join(VERSIONS)}.")
    try:
        read = msgspec.convert(rules, list[Rule])
    except msgspec.ValidationError as fault:
        raise Invalid(f"Invalid rules: {fault}") from fault
    if not read:
        raise Invalid("[] should be non-empty\n")
    if len(read) > MOST:
        raise Invalid(f"A mapping has at most {MOST} rules.")
    for local in (local for rule in read for local in rule.local):
        if version == "1.0" and any(project.domain for project in local.projects or ()):
            raise Invalid("Projects of a mapping have a domain from schema_version 2.0 on.")
        if version != "3.0" and local.projects_json is not None:
            raise Invalid("A mapping has projects_json from schema_version 3.0 on.")
    return read


def apply(rules: Iterable[Rule], version: str, attributes: Attributes) -> Mapped:
    """Who comes with `attributes`. Raises Unmapped."""
    user: User | None = None
    default: Domain | None = None
    found = Mapped(user=User())
    for rule in rules:
        values = _values(rule.remote, attributes)
        if values is None:
            continue
        for local in rule.local:
            default = _domain(local.domain, values)
            if local.user is not None:
                told = _user(local.user, values)
                user = user or told
            _groups(local, values, default, found)
            if local.projects is not None or local.projects_json is not None:
                found.projects = _projects(local, values, default if version != "1.0" else None)
    if user is None and not found.group_ids and not found.groups and not found.projects:
        raise Unmapped("no rule of the mapping applies")
    found.user = user or User()
    if found.user.domain is None and version != "1.0":
        found.user = msgspec.structs.replace(found.user, domain=default)
    found.group_ids = list(dict.fromkeys(found.group_ids))
    found.groups = list({(g.name, g.domain): g for g in found.groups}.values())
    if len(found.group_ids) + len(found.groups) > MOST or len(found.projects) > MOST:
        raise Unmapped(f"the mapping gives more than {MOST} groups or projects")
    return found


# Remote


def _values(requirements: Iterable[Remote], attributes: Attributes) -> Values | None:
    """What the requirements bring in, in their order; None if one of them does not hold."""
    values: Values = []
    for requirement in requirements:
        given = attributes.get(requirement.type)
        if not given or given == [""]:
            return None
        if requirement.any_one_of is not None:
            if not _matching(requirement.any_one_of, given, requirement.regex):
                return None
        elif requirement.not_any_of is not None:
            if _matching(requirement.not_any_of, given, requirement.regex):
                return None
        elif requirement.blacklist is not None:
            listed = _matching(requirement.blacklist, given, requirement.regex)
            values.append([value for value in given if value not in listed])
        elif requirement.whitelist is not None:
            values.append(_matching(requirement.whitelist, given, requirement.regex))
        else:
            values.append(list(given))
    return values


def _matching(wanted: list[str], given: list[str], regex: bool) -> list[str]:
    if not regex:
        return [value for value in given if value in wanted]
    patterns = [re.compile(pattern) for pattern in wanted]
    return [value for value in given if any(pattern.search(value[:LONGEST]) for pattern in patterns)]


# Local


def _text(template: str, values: Values) -> str:
    """A template with one value in each place. Raises Unmapped if there is none for it."""

    def fill(place: re.Match[str]) -> str:
        if place[1] is None:
            return place[0][0]
        value = _at(values, place[1])
        if len(value) != 1:
            raise Unmapped(f"{{{place[1]}}} in {template!r} stands for {len(value)} values")
        return value[0]

    return _PLACE.sub(fill, template)


def _at(values: Values, number: str) -> list[str]:
    if int(number) >= len(values):
        raise Unmapped(f"{{{number}}} stands for no requirement")
    return values[int(number)]


def _list(template: str, values: Values) -> list[str]:
    """All values, if a template is one place; else the one text that it gives."""
    alone = _ALONE.match(template)
    return _at(values, alone[1]) if alone else [_text(template, values)]


def _optional(template: str | None, values: Values) -> str | None:
    return None if template is None else _text(template, values)


def _domain(domain: Domain | None, values: Values) -> Domain | None:
    return None if domain is None else Domain(_optional(domain.id, values), _optional(domain.name, values))


def _user(user: User, values: Values) -> User:
    return User(
        id=_optional(user.id, values),
        name=_optional(user.name, values),
        email=_optional(user.email, values),
        domain=_domain(user.domain, values),
        type=user.type,
    )


def _groups(local: Local, values: Values, domain: Domain | None, found: Mapped) -> None:
    if local.group is not None:
        if local.group.id is not None:
            found.group_ids = [*found.group_ids, _text(local.group.id, values)]
        else:
            named = Group(name=_text(local.group.name or "", values), domain=_domain(local.group.domain, values))
            found.groups = [*found.groups, named]
    if local.groups is not None:
        found.groups = [*found.groups, *(_named(name, domain) for name in _list(local.groups, values))]
    if local.group_ids is not None:
        found.group_ids = [*found.group_ids, *_list(local.group_ids, values)]


def _named(name: str, domain: Domain | None) -> Group:
    """A group of the domain that the rule names; only if it names none may the value do it."""
    if domain is not None:
        return Group(name=name, domain=domain)
    if not name.startswith(_GROUP):
        raise Unmapped("groups need a domain")
    try:
        return msgspec.json.decode(name.removeprefix(_GROUP), type=Group)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
        raise Unmapped(f"a group that cannot be read: {fault}") from fault


def _projects(local: Local, values: Values, domain: Domain | None) -> list[Project]:
    given = [
        Project(
            name=_text(project.name, values),
            roles=[RoleName(_text(role.name, values)) for role in project.roles],
            domain=_domain(project.domain, values) or domain,
        )
        for project in local.projects or ()
    ]
    if local.projects_json is None:
        return given
    try:
        told = msgspec.json.decode(_text(local.projects_json, values), type=list[Project])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
        raise Unmapped(f"projects that cannot be read: {fault}") from fault
    return [*given, *(msgspec.structs.replace(project, domain=project.domain or domain) for project in told)]
