"""Access rules over HTTP. Source: Identity API reference, "Application credentials"."""

from __future__ import annotations

from typing import Any

from events.identity import access_rule as access_rules
from events.identity import application_credential as application_credentials
from events.identity import missing
from events.identity import user as users
from events.identity.access_rule import AccessRule, AccessRuleMade, id_of
from events.identity.application_credential import Rule
from events.identity.record import Delete, Make
from events.refusals import Conflict, Forbidden
from gateway.identity import shapes
from gateway.identity.listing import collection, filtered
from gateway.serving import Call

SHAPES = {
    "id": shapes.ID,
    "service": shapes.ID,
    "method": shapes.Shape(types=("string",), values=("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")),
    "path": shapes.Shape(types=("string",), most=225, pattern=r"^/\.*"),
}


def view(call: Call, rule: AccessRule) -> dict[str, Any]:
    return {**plain(rule.user, rule), "links": {"self": f"{call.root}/v3/access_rules/{rule.id}"}}


def plain(user: str, rule: AccessRule | Rule) -> dict[str, str]:
    """A user's rule as their credentials show it."""
    id = id_of(user, rule.service, rule.method, rule.path)
    return {"path": rule.path, "service": rule.service, "method": rule.method, "id": id}


async def make(call: Call, user: str, given: list[dict[str, Any]] | None) -> tuple[Rule, ...] | None:
    """The rules of a credential that is to be made, which the user then has too. Raises Invalid, NotFound."""
    if not given:
        return None
    found = [_rule(call, user, one) for one in given]
    for rule in found:
        id = id_of(user, rule.service, rule.method, rule.path)
        if call.fold.get(access_rules, id) is None:
            made = AccessRuleMade(id=id, user=user, service=rule.service, method=rule.method, path=rule.path)
            try:
                await call.do(access_rules, Make(id=id, made=made))
            except Conflict:
                continue  # another call was quicker
    return tuple(dict.fromkeys(found))


def _rule(call: Call, user: str, given: dict[str, Any]) -> Rule:
    shapes.check("access_rules", given, {"id": shapes.ID})
    if set(given) == {"id"}:
        known = call.fold.get(access_rules, given["id"])
        if known is None or known.user != user:
            raise missing("Access Rule", given["id"])
        return Rule(known.service, known.method, known.path)
    shapes.check("access_rules", given, SHAPES, required=("service", "method", "path"), extra=False)
    return Rule(given["service"], given["method"], given["path"])


def _guard(call: Call) -> str:
    """The user of the path, whose rules the caller may see or change. Raises NotFound, Forbidden."""
    id = call.path["id"]
    call.enforce({"user_id": id, "target.user.id": id})
    if call.fold.get(users, id) is None:
        raise missing("user", id)
    return id


async def listed(call: Call) -> dict[str, Any]:
    """A user's access rules. Raises NotFound, Forbidden."""
    found = call.fold.by(access_rules, "user", _guard(call))
    getters = {"service": lambda one: one.service, "path": lambda one: one.path, "method": lambda one: one.method}
    return collection(call, "access_rules", filtered(call, found, getters), lambda rule: view(call, rule))


def _find(call: Call, user: str) -> AccessRule:
    rule = call.fold.get(access_rules, call.path["rule_id"])
    if rule is None or rule.user != user:
        raise missing("Access Rule", call.path["rule_id"])
    return rule


async def show(call: Call) -> dict[str, Any]:
    """One access rule. Raises NotFound, Forbidden."""
    return {"access_rule": view(call, _find(call, _guard(call)))}


async def delete(call: Call) -> None:
    """Raises NotFound, and Forbidden while a credential has it."""
    user = _guard(call)
    rule = _find(call, user)
    said = Rule(rule.service, rule.method, rule.path)
    if any(said in (one.access_rules or ()) for one in call.fold.by(application_credentials, "user", user)):
        raise Forbidden("May not delete access rule in use")
    await call.do(access_rules, Delete(id=rule.id))
