"""The language of policy rules: `role:admin or (role:member and project_id:%(project_id)s)`, compiled to functions.

A check is put to a token and a target, the attributes of what is asked for. Without a target its verdict may be None:
it depends on whose the thing is. So one function serves before a thing is looked up and after.
Source: oslo.policy's documentation, "Policy rule expressions".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from gateway.tokens import Token

Target = Mapping[str, Any]
Verdict = bool | None
Check = Callable[[Token, Target | None], Verdict]


class BadRule(Exception):
    """A rule that is none: what is wrong with it."""


class Constant(Struct, frozen=True):
    """`@` (always), `!` (never)."""

    value: bool


class Test(Struct, frozen=True):
    """`kind:match`, such as `role:admin`, `user_id:%(user_id)s`, `'public':%(visibility)s`, `rule:other`."""

    kind: str
    match: str


class Not(Struct, frozen=True):
    part: Node


class All(Struct, frozen=True):
    parts: tuple[Node, ...]


class Some(Struct, frozen=True):
    parts: tuple[Node, ...]


Node = Constant | Test | Not | All | Some

# What a rule may ask of a token, by name. An attribute that a token has not got is the text `None`.
CREDENTIALS: dict[str, Callable[[Token], Any]] = {
    "user_id": lambda token: token.user,
    "user_name": lambda token: token.user_name,
    "user_domain_id": lambda token: token.user_domain,
    "project_id": lambda token: token.project,
    "tenant_id": lambda token: token.project,
    "tenant": lambda token: token.project,
    "project_name": lambda token: token.project_name,
    "project_domain_id": lambda token: token.project_domain,
    "domain_id": lambda token: token.domain,
    "system_scope": lambda token: "all" if token.scope == "system" else None,
    "roles": lambda token: tuple(token.role_names),
    "service_roles": lambda token: (),
    "is_admin": lambda token: token.is_admin,
    "is_admin_project": lambda token: True,
}
# Of the token as Identity shows it: a part that it has not got matches nothing, not even `None`.
PARTS: dict[str, Callable[[Token], str | None]] = {
    "token.user.id": lambda token: token.user,
    "token.user.domain.id": lambda token: token.user_domain,
    "token.project.id": lambda token: token.project,
    "token.project.domain.id": lambda token: token.project_domain,
    "token.domain.id": lambda token: token.domain,
}
_FOREIGN = frozenset({"http", "https"})
_HOLE = re.compile(r"%\(([^()]*)\)s")


def holes(text: str) -> list[str]:
    """The attributes of the target that a rule asks for."""
    return _HOLE.findall(text)


# From text to nodes


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """The rule that `text` spells; an empty one is `@`. Raises BadRule."""
    if text == "":
        return Constant(True)
    words = list(_words(text))
    node = _some(words)
    if words:
        raise BadRule(f"`{words[0]}` is not expected there")
    return node


def _words(text: str) -> Iterator[str]:
    """Parentheses count only at the ends of a word: `%(name)s` has its own."""
    for word in text.split():
        inner = word.lstrip("(")
        yield from "(" * (len(word) - len(inner))
        bare = inner.rstrip(")")
        if bare:
            yield bare
        yield from ")" * (len(inner) - len(bare))


def _some(words: list[str]) -> Node:
    return _joined(words, "or", _every, Some)


def _every(words: list[str]) -> Node:
    return _joined(words, "and", _one, All)


def _joined(
    words: list[str], by: str, part: Callable[[list[str]], Node], kind: Callable[[tuple[Node, ...]], Node]
) -> Node:
    parts = [part(words)]
    while words and words[0].lower() == by:
        words.pop(0)
        parts.append(part(words))
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _one(words: list[str]) -> Node:
    if not words:
        raise BadRule("it ends too early")
    word = words.pop(0)
    if word == "(":
        node = _some(words)
        if not words or words.pop(0) != ")":
            raise BadRule("a parenthesis is not closed")
        return node
    if word.lower() == "not":
        return Not(_one(words))
    if word in ("@", "!"):
        return Constant(word == "@")
    kind, colon, match = word.partition(":")
    if not colon or word.lower() in ("and", "or"):
        raise BadRule(f"`{word}` is no check: one is `kind:value`, `@` or `!`")
    if kind in _FOREIGN:
        raise BadRule(f"`{word}`: questions to other servers are not supported")
    if "%" in _HOLE.sub("", match):
        raise BadRule(f"`{word}`: a place for an attribute is written %(name)s")
    return Test(kind, match)


def tests(node: Node) -> Iterator[Test]:
    """All tests in a rule."""
    if isinstance(node, Test):
        yield node
    elif isinstance(node, Not):
        yield from tests(node.part)
    elif isinstance(node, (All, Some)):
        for part in node.parts:
            yield from tests(part)


def spell(node: Node) -> str:
    """The text of a rule, with the fewest parentheses."""
    if isinstance(node, Constant):
        return "@" if node.value else "!"
    if isinstance(node, Test):
        return f"{node.kind}:{node.match}"
    if isinstance(node, Not):
        return "not " + (spell(node.part) if isinstance(node.part, (Constant, Test, Not)) else f"({spell(node.part)})")
    if isinstance(node, All):
        return " and ".join(f"({spell(p)})" if isinstance(p, (Some, All)) else spell(p) for p in node.parts)
    return " or ".join(f"({spell(p)})" if isinstance(p, (Some, All)) else spell(p) for p in node.parts)


class Step(Struct, frozen=True):
    """A part of a rule and what came of it."""

    depth: int
    text: str
    verdict: Verdict


def explain(
    node: Node, rules: Mapping[str, Node], token: Token, target: Target | None, depth: int = 0
) -> Iterator[Step]:
    """A rule's verdict, and beneath it those of its parts, the rules that it refers to among them."""
    check = compiled(node, lambda name: compile_all(rules, [name])[name])
    yield Step(depth, spell(node), check(token, target))
    if isinstance(node, Test) and node.kind == "rule":
        yield from explain(rules[node.match], rules, token, target, depth + 1)
    elif isinstance(node, Not):
        yield from explain(node.part, rules, token, target, depth + 1)
    elif isinstance(node, (All, Some)):
        for part in node.parts:
            yield from explain(part, rules, token, target, depth + 1)


# From nodes to functions


def compile_all(rules: Mapping[str, Node], names: Iterable[str]) -> dict[str, Check]:
    """The rules of these names as functions, those they refer to by `rule:` taken in. Raises BadRule."""
    done: dict[str, Check] = {}

    def named(name: str, above: tuple[str, ...]) -> Check:
        if name in above:
            raise BadRule(f"{' -> '.join((*above, name))} goes round in a circle")
        if name not in rules:
            raise BadRule(f"{above[-1]}: there is no rule `{name}`")
        if name not in done:
            done[name] = compiled(rules[name], lambda other: named(other, (*above, name)))
        return done[name]

    return {name: named(name, ()) for name in names}


def compiled(node: Node, named: Callable[[str], Check]) -> Check:
    """A rule as a function; `named` gives those it refers to."""
    if isinstance(node, Constant):
        value = node.value
        return lambda token, target: value
    if isinstance(node, Not):
        return _negation(compiled(node.part, named))
    if isinstance(node, All):
        return _conjunction(tuple(compiled(part, named) for part in node.parts))
    if isinstance(node, Some):
        return _disjunction(tuple(compiled(part, named) for part in node.parts))
    return named(node.match) if node.kind == "rule" else _test(node)


def _negation(check: Check) -> Check:
    def negation(token: Token, target: Target | None) -> Verdict:
        verdict = check(token, target)
        return None if verdict is None else not verdict

    return negation


def _conjunction(checks: Iterable[Check]) -> Check:
    def conjunction(token: Token, target: Target | None) -> Verdict:
        whole: Verdict = True
        for check in checks:
            verdict = check(token, target)
            if verdict is False:
                return False
            if verdict is None:
                whole = None
        return whole

    return conjunction


def _disjunction(checks: Iterable[Check]) -> Check:
    def disjunction(token: Token, target: Target | None) -> Verdict:
        whole: Verdict = False
        for check in checks:
            verdict = check(token, target)
            if verdict is True:
                return True
            if verdict is None:
                whole = None
        return whole

    return disjunction


def _test(test: Test) -> Check:
    if test.kind == "role":
        return _role(test.match)
    if test.kind == "field":
        return _field(test.match)
    value = _value(test.kind)
    if value is None:
        return lambda token, target: False
    if not _HOLE.search(test.match):
        text = test.match
        return lambda token, target: _same(value(token), text)
    if _HOLE.fullmatch(test.match):
        return _attribute(value, test.match[2:-2])
    return _template(value, test.match)


def _attribute(value: Callable[[Token], Any], key: str) -> Check:
    def attribute(token: Token, target: Target | None) -> Verdict:
        if target is None:
            return None
        return key in target and _same(value(token), str(target[key]))

    return attribute


def _template(value: Callable[[Token], Any], match: str) -> Check:
    def template(token: Token, target: Target | None) -> Verdict:
        if target is None:
            return None
        text = _filled(match, target)
        return text is not None and _same(value(token), text)

    return template


def _filled(match: str, target: Target) -> str | None:
    try:
        return _HOLE.sub(lambda hole: str(target[hole[1]]), match)
    except KeyError:
        return None


def _same(value: Any, text: str) -> bool:
    if value.__class__ is tuple:
        return any(str(one) == text for one in value)
    return value is not _ABSENT and str(value) == text


_ABSENT = object()


def _value(kind: str) -> Callable[[Token], Any] | None:
    """What a test compares: a literal, or an attribute of the token; None if tokens have none of that name."""
    try:
        literal = str(ast.literal_eval(kind))
    except (ValueError, SyntaxError):
        if kind in PARTS:
            part = PARTS[kind]
            return lambda token: _ABSENT if (value := part(token)) is None else value
        return CREDENTIALS.get(kind)
    return lambda token: literal


@lru_cache(maxsize=4096)
def _lowered(names: frozenset[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _role(match: str) -> Check:
    if not _HOLE.search(match):
        name = match.lower()
        return lambda token, target: name in _lowered(token.role_names)

    def role(token: Token, target: Target | None) -> Verdict:
        if target is None:
            return None
        filled = _filled(match, target)
        return filled is not None and filled.lower() in _lowered(token.role_names)

    return role


def _field(match: str) -> Check:
    """`field:networks:shared=True`: an attribute of the target is so; `=~` begins a regular expression.

    Source: Networking's policy reference, "FieldCheck".
    """
    _, colon, rest = match.partition(":")
    name, equals, wanted = rest.rpartition("=")
    if not colon or not equals:
        raise BadRule(f"`field:{match}` is not `field:RESOURCE:ATTRIBUTE=VALUE`")
    try:
        pattern = re.compile(wanted[1:]) if wanted.startswith("~") else None
    except re.error as fault:
        raise BadRule(f"`field:{match}`: {fault}") from fault

    def field(token: Token, target: Target | None) -> Verdict:
        if target is None:
            return None
        if name not in target:
            return False
        text = str(target[name])
        return pattern.match(text) is not None if pattern else text == wanted

    return field
