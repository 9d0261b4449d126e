"""From what is said of somebody to who they are here. Source: Identity service, "Mapping Combinations"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.refusals import Invalid
from gateway.identity.federation import rules
from gateway.identity.federation.rules import Domain, Group, Mapped, Project, RoleName, Unmapped, User

BOB = {"FirstName": ["Bob"], "LastName": ["Thompson"], "Email": ["bob@example.com"], "orgPersonType": ["Employee"]}
GROUPS = {**BOB, "Groups": ["staff", "admins", "ops"]}
NAMED: dict[str, Any] = {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "FirstName"}]}


def mapped(given: list[dict[str, Any]], attributes: dict[str, list[str]] = BOB, version: str = "1.0") -> Mapped:
    return rules.apply(rules.read(given, version), version, attributes)


def rule(local: dict[str, Any], *remote: dict[str, Any]) -> dict[str, Any]:
    return {"local": [{"user": {"name": "{0}"}}, local], "remote": [{"type": "FirstName"}, *remote]}


def test_places_are_filled_in_the_order_of_what_is_no_condition() -> None:
    found = mapped(
        [
            {
                "local": [{"user": {"name": "{0} {1}", "email": "{2}", "domain": {"name": "{1}"}}}],
                "remote": [
                    {"type": "FirstName"},
                    {"type": "orgPersonType", "any_one_of": ["Employee"]},
                    {"type": "LastName"},
                    {"type": "orgPersonType", "not_any_of": ["Contractor"]},
                    {"type": "Email"},
                ],
            }
        ]
    )
    assert found.user == User(name="Bob Thompson", email="bob@example.com", domain=Domain(name="Thompson"))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"any_one_of": ["Employee", "Boss"]}, True),
        ({"any_one_of": ["Boss"]}, False),
        ({"any_one_of": ["Emp"]}, False),
        ({"any_one_of": ["^Emp"], "regex": True}, True),
        ({"any_one_of": ["^mp"], "regex": True}, False),
        ({"any_one_of": []}, False),
        ({"not_any_of": ["Boss"]}, True),
        ({"not_any_of": ["Employee"]}, False),
        ({"not_any_of": [".*loy.*"], "regex": True}, False),
        ({"not_any_of": []}, True),
    ],
)
def test_a_rule_applies_if_all_its_conditions_hold(condition: dict[str, Any], holds: bool) -> None:
    given = [rule({}, {"type": "orgPersonType", **condition})]
    if holds:
        assert mapped(given).user.name == "Bob"
    else:
        with pytest.raises(Unmapped):
            mapped(given)


def test_an_attribute_that_is_not_told_fulfils_no_requirement() -> None:
    for condition in ({}, {"not_any_of": ["x"]}, {"blacklist": ["x"]}):
        with pytest.raises(Unmapped):
            mapped([rule({}, {"type": "Nonesuch", **condition})])
    with pytest.raises(Unmapped):
        mapped([NAMED], {"FirstName": [""]})


@pytest.mark.parametrize(
    ("filter", "left"),
    [
        ({"whitelist": ["admins", "ops", "other"]}, ["admins", "ops"]),
        ({"whitelist": ["other"]}, []),
        ({"whitelist": ["s$"], "regex": True}, ["admins", "ops"]),
        ({"blacklist": ["admins"]}, ["staff", "ops"]),
        ({"blacklist": []}, ["staff", "admins", "ops"]),
        ({"blacklist": ["^s"], "regex": True}, ["admins", "ops"]),
        ({}, ["staff", "admins", "ops"]),
    ],
)
def test_lists_are_filtered_and_become_groups_of_the_rules_domain(filter: dict[str, Any], left: list[str]) -> None:
    here = Domain(id="default")
    found = mapped([rule({"groups": "{1}", "domain": {"id": "default"}}, {"type": "Groups", **filter})], GROUPS)
    assert found.groups == [Group(name=name, domain=here) for name in left]
    found = mapped([rule({"group_ids": "{1}"}, {"type": "Groups", **filter})], GROUPS)
    assert found.group_ids == left


def test_groups_of_all_rules_that_apply_come_together_and_the_first_user_stays() -> None:
    found = mapped(
        [
            NAMED,
            {"local": [{"user": {"name": "other"}}, {"group": {"id": "g1"}}], "remote": [{"type": "Email"}]},
            {"local": [{"group": {"id": "g2"}}], "remote": [{"type": "Email", "any_one_of": ["nobody"]}]},
            {"local": [{"group": {"name": "{0}", "domain": {"name": "D"}}}], "remote": [{"type": "orgPersonType"}]},
            {"local": [{"group": {"id": "g1"}}], "remote": [{"type": "Email"}]},
        ]
    )
    assert found.user.name == "Bob"
    assert found.group_ids == ["g1"]
    assert found.groups == [Group(name="Employee", domain=Domain(name="D"))]


def test_a_told_group_names_its_domain_only_if_the_rule_does_not() -> None:
    told = {**BOB, "Groups": ['JSON:{"name":"admins","domain":{"name":"Default"}}']}
    assert mapped([rule({"groups": "{1}"}, {"type": "Groups"})], told).groups == [
        Group(name="admins", domain=Domain(name="Default"))
    ]
    inside = mapped([rule({"groups": "{1}", "domain": {"id": "d"}}, {"type": "Groups"})], told).groups
    assert [group.domain for group in inside] == [Domain(id="d")]
    for broken in (
        "admins",
        "JSON:",
        "JSON:[]",
        'JSON:{"name":"x"}',
        'JSON:{"id":"x","name":"y"}',
        "JSON:" + "[" * 9999,
    ):
        with pytest.raises(Unmapped):
            mapped([rule({"groups": "{1}"}, {"type": "Groups"})], {**BOB, "Groups": [broken]})


def test_a_value_stays_a_value() -> None:
    """No value is read as a list, a place or a format."""
    evil = ["{0.__class__}", "['admins']", "{{1}}", "{1}", "a;b", "%s"]
    for value in evil:
        found = mapped([rule({"group_ids": "{1}"}, {"type": "Groups"})], {**BOB, "Groups": [value]})
        assert found.group_ids == [value]
    with pytest.raises(Unmapped):  # several values where there is room for one
        mapped([rule({"group": {"id": "x{1}"}}, {"type": "Groups"})], GROUPS)
    with pytest.raises(Unmapped):
        mapped([rule({"group": {"id": "{7}"}})])


def test_projects_come_with_roles_and_from_the_second_version_with_domains() -> None:
    projects = {"projects": [{"name": "of {0}", "roles": [{"name": "member"}]}], "domain": {"name": "D"}}
    assert mapped([rule(projects)]).projects == [Project(name="of Bob", roles=[RoleName("member")])]
    second = mapped([rule(projects)], version="2.0")
    assert second.projects == [Project(name="of Bob", roles=[RoleName("member")], domain=Domain(name="D"))]
    assert second.user.domain == Domain(name="D")
    own = {"projects": [{"name": "p", "roles": [], "domain": {"id": "e"}}], "domain": {"name": "D"}}
    assert mapped([rule(own)], version="2.0").projects[0].domain == Domain(id="e")
    told = {**BOB, "P": ['[{"name": "q", "roles": [{"name": "reader"}]}]']}
    third = mapped([rule({"projects_json": "{1}", "domain": {"id": "d"}}, {"type": "P"})], told, "3.0")
    assert third.projects == [Project(name="q", roles=[RoleName("reader")], domain=Domain(id="d"))]
    with pytest.raises(Unmapped):
        mapped([rule({"projects_json": "{0}"})], version="3.0")


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        [{}],
        [{"local": [{}], "remote": []}],
        [{"local": [{}]}],
        [{"local": [{"foo": 1}], "remote": [{"type": "x"}]}],
        [{"local": [{"group": {"id": "x", "name": "y"}}], "remote": [{"type": "x"}]}],
        [{"local": [{"group": {"name": "y"}}], "remote": [{"type": "x"}]}],
        [{"local": [{"user": {"type": "other"}}], "remote": [{"type": "x"}]}],
        [{"local": [], "remote": [{"type": "x", "any_one_of": ["a"], "whitelist": ["b"]}]}],
        [{"local": [], "remote": [{"type": "x", "any_one_of": ["("], "regex": True}]}],
        [{"local": [{"projects": [{"name": "p", "roles": [], "domain": {"id": "d"}}]}], "remote": [{"type": "x"}]}],
        [{"local": [{"projects_json": "{0}"}], "remote": [{"type": "x"}]}],
        [NAMED] * 129,
    ],
)
def test_rules_that_mean_nothing_are_refused_when_they_are_made(wrong: Any) -> None:
    with pytest.raises(Invalid):
        rules.read(wrong, "1.0")


_text = st.text(max_size=8)
_types = st.sampled_from(["A", "B", "C"])
_lists = st.lists(st.text(alphabet="ab", max_size=2), max_size=3)
_remote = st.fixed_dictionaries({"type": _types}) | st.builds(
    lambda type, kind, values: {"type": type, kind: values},
    _types,
    st.sampled_from(["any_one_of", "not_any_of", "whitelist", "blacklist"]),
    _lists,
)
_template = st.sampled_from(["{0}", "{1}", "x{0}y", "plain", "{{0}}", "{9}"]) | _text
_local = st.fixed_dictionaries(
    {},
    optional={
        "user": st.fixed_dictionaries({"name": _template}),
        "group": st.fixed_dictionaries({"id": _template}),
        "groups": _template,
        "group_ids": _template,
        "domain": st.fixed_dictionaries({"id": _text}),
    },
)
_rule = st.fixed_dictionaries(
    {"local": st.lists(_local, max_size=3), "remote": st.lists(_remote, min_size=1, max_size=3)}
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(_rule, min_size=1, max_size=3),
    st.dictionaries(_types, st.lists(st.text(alphabet="ab", max_size=2), max_size=3)),
)
def test_whatever_is_said_gives_somebody_or_nobody(
    given_rules: list[dict[str, Any]], attributes: dict[str, list[str]]
) -> None:
    """And no group that is neither in the rules nor among the values."""
    try:
        found = mapped(given_rules, attributes)
    except Unmapped:
        return
    values = {value for one in attributes.values() for value in one}
    for id in found.group_ids:
        assert id in values or any(id_fits(template, id, values) for template in templates(given_rules))


def templates(given_rules: list[dict[str, Any]]) -> list[str]:
    locals_ = [local for one in given_rules for local in one["local"]]
    return [t for local in locals_ for t in (local.get("group_ids"), local.get("group", {}).get("id")) if t is not None]


def id_fits(template: str, id: str, values: set[str]) -> bool:
    plain = template.replace("{{", "{").replace("}}", "}")
    return id == plain or any(id == template.replace(f"{{{n}}}", value) for n in range(3) for value in values)
