"""The language of rules: what it means is what oslo.policy means by it, and mistakes in it are told."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_policy import policy as oslo

from gateway.rules import BadRule, compile_all, explain, parse, spell
from gateway.tokens import Token

ROLES = ("admin", "Manager", "member", "reader")
IDS = ("one", "two", "None", "True")
KEYS = ("project_id", "target.user.id", "target.domain.id", "name", "flag")
CREDENTIALS = (
    *("user_id", "project_id", "tenant_id", "domain_id", "system_scope", "user_domain_id", "roles", "nosuch"),
    *("token.domain.id", "token.project.domain.id", "token.user.id", "'one'", "None", "True", '"two"', "1"),
)


def tokens() -> st.SearchStrategy[Token]:
    return st.builds(
        Token,
        user=st.sampled_from(IDS),
        user_name=st.just("u"),
        user_domain=st.sampled_from(IDS),
        scope=st.sampled_from(("project", "domain", "system", "unscoped")),
        project=st.none() | st.sampled_from(IDS),
        project_domain=st.none() | st.sampled_from(IDS),
        domain=st.none() | st.sampled_from(IDS),
        role_names=st.frozensets(st.sampled_from(ROLES)),
        issued_at=st.just(datetime(2026, 1, 1, tzinfo=UTC)),
        expires_at=st.just(datetime(2126, 1, 1, tzinfo=UTC)),
    )


def checks() -> st.SearchStrategy[str]:
    matches = st.sampled_from((*IDS, *(f"%({key})s" for key in KEYS), "x%(name)sy%(flag)s"))
    return st.one_of(
        st.sampled_from(("@", "!", "rule:other", "rule:nosuch")),
        st.builds("role:{}".format, st.sampled_from((*ROLES, "ADMIN", "%(name)s"))),
        st.builds("{}:{}".format, st.sampled_from(CREDENTIALS), matches),
    )


def texts() -> st.SearchStrategy[str]:
    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        joined = st.builds(
            lambda parts, words: " ".join(x for pair in zip(parts, [*words, ""], strict=False) for x in pair).strip(),
            st.lists(inner, min_size=2, max_size=4),
            st.lists(st.sampled_from(("and", "or", "AND", "Or")), min_size=3, max_size=3),
        ).map(lambda text: text.removesuffix(" and").removesuffix(" or").removesuffix(" AND").removesuffix(" Or"))
        return joined | st.builds("({})".format, inner) | st.builds("not ({})".format, inner)

    return st.recursive(checks() | st.builds("not {}".format, checks()), grown, max_leaves=8)


def told(token: Token) -> dict[str, Any]:
    """What the real library is told of a token."""
    shown: dict[str, Any] = {"user": {"id": token.user, "domain": {"id": token.user_domain}}}
    if token.project is not None:
        shown["project"] = {"id": token.project}
        if token.project_domain is not None:
            shown["project"]["domain"] = {"id": token.project_domain}
    elif token.project_domain is not None:
        shown["project"] = {"domain": {"id": token.project_domain}}
    if token.domain is not None:
        shown["domain"] = {"id": token.domain}
    return {
        "user_id": token.user,
        "project_id": token.project,
        "tenant_id": token.project,
        "domain_id": token.domain,
        "user_domain_id": token.user_domain,
        "system_scope": "all" if token.scope == "system" else None,
        "roles": list(token.role_names),
        "token": shown,
    }


def real(text: str, token: Token, target: dict[str, Any]) -> bool:
    """oslo.policy's own verdict."""
    configuration = cfg.ConfigOpts()
    configuration([], project="test")
    enforcer = oslo.Enforcer(configuration, use_conf=False)
    enforcer.set_rules(oslo.Rules.from_dict({"it": text, "other": OTHER}), use_conf=False)
    return bool(enforcer.enforce("it", target, told(token)))


OTHER = "role:reader or project_id:%(project_id)s"
TARGETS = st.dictionaries(st.sampled_from(KEYS), st.none() | st.booleans() | st.sampled_from(IDS))


@given(text=texts(), token=tokens(), target=TARGETS)
@settings(max_examples=400, deadline=None)
def test_a_rule_says_what_oslo_policy_says(text: str, token: Token, target: dict[str, Any]) -> None:
    logging.getLogger("oslo_policy").setLevel(logging.CRITICAL)
    nodes = {"it": parse(text), "other": parse(OTHER), "nosuch": parse("!")}
    check = compile_all(nodes, ["it"])["it"]
    verdict = check(token, target)
    assert verdict is real(text, token, target)
    assert check(token, None) in (None, verdict)  # what is said without a target, any target confirms
    again = compile_all({**nodes, "it": parse(spell(nodes["it"]))}, ["it"])["it"]
    assert again(token, target) is verdict
    assert next(explain(nodes["it"], nodes, token, target)).verdict is verdict


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("role:admin or", "it ends too early"),
        ("(role:admin", "not closed"),
        ("role:admin)", "not expected"),
        ("admin", "is no check"),
        ("role:a and or role:b", "is no check"),
        ("http://elsewhere/%(x)s", "not supported"),
        ("user_id:%s", "%(name)s"),
        (" ", "it ends too early"),
        ("rule:nosuch", "there is no rule `nosuch`"),
        ("rule:it", "round in a circle"),
        ("field:networks:shared", "is not `field:"),
        ("field:port:x=~[", "unterminated"),
    ],
)
def test_a_mistake_in_a_rule_is_told(text: str, words: str) -> None:
    with pytest.raises(BadRule) as told:
        compile_all({"it": parse(text)}, ["it"])
    assert words in str(told.value)


def test_fields_of_the_target_are_compared() -> None:
    rules = {"it": "field:networks:router:external=True", "of": "field:port:device_owner=~^network:"}
    found = compile_all({name: parse(text) for name, text in rules.items()}, rules)
    who = Token(
        user="u",
        user_name="u",
        user_domain="d",
        scope="unscoped",
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=datetime(2126, 1, 1, tzinfo=UTC),
    )
    assert [found["it"](who, {"router:external": value}) for value in (True, False, None)] == [True, False, False]
    assert [found["it"](who, {}), found["it"](who, None)] == [False, None]
    assert [found["of"](who, {"device_owner": value}) for value in ("network:dhcp", "compute:nova")] == [True, False]
