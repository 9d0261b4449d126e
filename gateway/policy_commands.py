"""`cumulog policy list` and `check`: the rules in force, and who may do what by them, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from events.settings import Settings
from gateway import personas, policy_file, policy_people
from gateway.application import faces
from gateway.policy import Policy, Rule, Table, scope
from gateway.rules import BadRule, explain, holes
from gateway.serving import Face
from gateway.tokens import Token

WORDS = {True: "yes", False: "no", None: "depends"}


def tables(path: Path, settings: Settings) -> tuple[Policy, list[Face]]:
    """Every table, with what the operator's file says. Raises BadRule."""
    policy, found = Policy(), faces()
    for face in found:
        policy.table(face.name, face.rules, face.former)
    policy_file.take(policy, policy_file.place(path, settings.policy))
    return policy, found


def guarded(face: Face, name: str) -> list[str]:
    """The routes that a rule guards."""
    return [f"{route.method} {face.path}{route.path}" for route in face.routes if route.policy == name]


def run(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """What the command line asks. Raises SystemExit."""
    try:
        policy, found = tables(path, settings)
    except BadRule as fault:
        sys.exit(f"cumulog: {fault}")
    if options.action == "list":
        return _list(options, policy, found)
    who = _who(options, path)
    try:
        return _check(options, policy, who) if options.operation else _rights(policy, who)
    except KeyError as fault:
        sys.exit(f"cumulog: there is no rule {fault}")


def _list(options: argparse.Namespace, policy: Policy, found: list[Face]) -> int:
    wanted = [face for face in found if options.service in (None, face.name)]
    if not wanted:
        sys.exit(f"cumulog: --service is one of {', '.join(face.name for face in found)}")
    told = [_told(face, policy.tables[face.name], rule) for face in wanted for rule in face.rules]
    if options.format == "json":
        print(msgspec.json.format(msgspec.json.encode(told)).decode())
    elif options.format == "table":
        width = max(len(one["name"]) for one in told)
        for one in told:
            print(f"{'*' if one['overridden'] else ' '} {one['name']:<{width}}  {one['check'] or '@'}")
    else:
        print("\n".join(line for one in told for line in _sample(one)))
    return 0


def _told(face: Face, table: Table, rule: Rule) -> dict[str, Any]:
    return {
        "service": face.name,
        "name": rule.name,
        "does": rule.does,
        "check": table.check(rule.name),
        "default": rule.check,
        "overridden": rule.name in table.overrides,
        "scopes": sorted(rule.scopes),
        "routes": guarded(face, rule.name),
    }


def _sample(one: dict[str, Any]) -> Iterator[str]:
    """A rule as it stands in a policy file: as a remark, unless it is overridden."""
    yield f"# {one['does']}"
    for route in one["routes"]:
        yield f"# {route}"
    if one["scopes"]:
        yield f"# with a token of: {', '.join(one['scopes'])}"
    line = f"{msgspec.json.encode(one['name']).decode()}: {msgspec.json.encode(one['check']).decode()}"
    if one["overridden"]:
        yield f"# default: {one['default'] or '@'}"
        yield line
    else:
        yield f"#{line}"
    yield ""


def _who(options: argparse.Namespace, path: Path) -> Token:
    """Whose rights are asked for. Raises SystemExit."""
    given = [name for name in ("persona", "user", "token") if getattr(options, name) is not None]
    if len(given) != 1:
        sys.exit("cumulog: name one of --persona, --user and --token")
    if options.persona is None:
        return policy_people.find(options, path)
    try:
        return personas.token(options.persona)
    except KeyError:
        sys.exit(f"cumulog: --persona is one of {', '.join(personas.NAMES)}")


def _check(options: argparse.Namespace, policy: Policy, who: Token) -> int:
    """Print the verdict of each part of a rule; 0 if it is yes."""
    name = options.operation
    table = next((table for table in policy.tables.values() if name in table.rules), None)
    if table is None:
        raise KeyError(name)
    target: dict[str, str] | None = None
    if options.target:
        pairs = [word.partition("=") for word in options.target]
        if not all(equals for _, equals, _ in pairs):
            sys.exit("cumulog: --target takes NAME=VALUE")
        target = {key: value for key, _, value in pairs}
    rule, verdict = table.rules[name], table.verdict(name, who, target)
    print(f"{name}: {rule.does}")
    print(f"{WORDS[verdict]:>7}  {_of(who)}" + ("" if target is None else f", to {' '.join(options.target)}"))
    if rule.scopes and scope(who) not in rule.scopes:
        print(f"         it takes a token of: {', '.join(sorted(rule.scopes))}")
    steps = list(explain(table.nodes[name], table.nodes, who, target))
    for step in steps:
        print(f"{WORDS[step.verdict]:>7}  {'  ' * step.depth}{step.text}")
    if verdict is None:
        asked = dict.fromkeys(hole for step in steps if step.verdict is None for hole in holes(step.text))
        print(f"         it depends on the thing: say {' '.join(f'--target {one}=…' for one in asked)}")
    return 0 if verdict is not False else 1


def _of(who: Token) -> str:
    roles = ", ".join(sorted(who.role_names)) or "no role"
    where = {"project": f"project {who.project}", "domain": f"domain {who.domain}"}.get(who.scope, who.scope)
    return f"{who.user_name} ({roles}; {where})"


def _rights(policy: Policy, who: Token) -> int:
    for table in policy.tables.values():
        for name, may in personas.rights(table, who):
            print(f"{may:<4} {name}: {table.rules[name].does}")
    return 0
