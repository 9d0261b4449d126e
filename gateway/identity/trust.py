"""Trusts over HTTP. Source: Identity API reference, "OS-TRUST"."""

from __future__ import annotations

from typing import Any

from events.identity import missing
from events.identity import project as projects
from events.identity import role as roles
from events.identity import trust as trusts
from events.identity import user as users
from events.identity.record import Make
from events.identity.role import Role
from events.identity.trust import Trust, TrustGiven
from events.ids import new_hex
from events.refusals import Invalid, NotFound
from gateway.identity import cleaning, grants, shapes, trusting
from gateway.identity.application_credential import expiry
from gateway.identity.claims import moment
from gateway.identity.delegation import is_secondary
from gateway.identity.listing import asked, collection
from gateway.identity.role import view as role_view
from gateway.identity.targets import forbidden
from gateway.serving import Call

DEEPEST = 3  # how many trusts may hang on one, one below the other

_USER = shapes.Shape(types=("string",), most=64)
SHAPES = {
    "trustor_user_id": _USER,
    "trustee_user_id": _USER,
    "impersonation": shapes.BOOLEAN,
    "project_id": shapes.OPTIONAL_ID,
    "remaining_uses": shapes.Shape(types=("integer", "null")),
    "expires_at": shapes.Shape(types=("null", "string"), most=64),
    "allow_redelegation": shapes.OPTIONAL_BOOLEAN,
    "redelegation_count": shapes.Shape(types=("integer", "null")),
    "redelegated_trust_id": shapes.OPTIONAL_ID,  # it is the cloud that says it
    "roles": shapes.Shape(types=("array",), most=100, items=shapes.OBJECT),
    "id": shapes.OPTIONAL_ID,
}


def view(call: Call, trust: Trust) -> dict[str, Any]:
    """A trust as lists show it."""
    return {
        **trust.extra,
        "id": trust.id,
        "trustor_user_id": trust.trustor,
        "trustee_user_id": trust.trustee,
        "project_id": trust.project_id,
        "impersonation": trust.impersonation,
        "expires_at": moment(trust.expires_at) if trust.expires_at else None,
        "remaining_uses": trust.remaining_uses,
        "deleted_at": None,
        "redelegated_trust_id": trust.redelegated_trust,
        "redelegation_count": trust.redelegation_count,
        "links": {"self": f"{call.root}/v3/OS-TRUST/trusts/{trust.id}"},
    }


def _whole(call: Call, trust: Trust) -> dict[str, Any]:
    return {**view(call, trust), "roles": _roles(call, trust), "roles_links": _roles_links(call, trust)}


def _roles(call: Call, trust: Trust) -> list[dict[str, Any]]:
    return [role_view(call, role) for id in trust.roles if (role := call.fold.get(roles, id)) is not None]


def _roles_links(call: Call, trust: Trust) -> dict[str, Any]:
    return {"self": f"{call.root}/v3/OS-TRUST/trusts/{trust.id}/roles", "next": None, "previous": None}


# Giving


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new trust of the caller's, or of whose trust they use. Raises Invalid, NotFound, Forbidden."""
    given = shapes.inner(body, "trust")
    required = ("trustor_user_id", "trustee_user_id", "impersonation")
    extra = shapes.check("trust", given, SHAPES, required=required)
    _guard_numbers(given)
    call.enforce({"target.trust.trustor_user_id": given["trustor_user_id"]})
    _guard_delegated(call)
    if given.get("project_id") and not given.get("roles"):
        raise forbidden("At least one role should be specified")
    if call.fold.get(users, given["trustee_user_id"]) is None:
        raise missing("user", given["trustee_user_id"])
    wanted = tuple(dict.fromkeys(_role(call, reference) for reference in given.get("roles", [])))
    _guard_held(call, given, wanted)
    above = _above(call)
    ends = expiry(call, given.get("expires_at"))
    made = TrustGiven(
        id=new_hex(),
        trustor=given["trustor_user_id"],
        trustee=given["trustee_user_id"],
        project_id=given.get("project_id"),
        impersonation=given["impersonation"],
        roles=wanted,
        expires_at=ends.replace(microsecond=0) if ends else above.expires_at if above else None,
        remaining_uses=given.get("remaining_uses"),
        redelegated_trust=above.id if above else None,
        redelegation_count=_depth(given, above),
        extra=extra,
    )
    if above is not None:
        _guard_redelegation(call, above, made)
    return {"trust": _whole(call, await call.do(trusts, Make(id=made.id, made=made)))}


def _guard_numbers(given: dict[str, Any]) -> None:
    for member, least in (("remaining_uses", 1), ("redelegation_count", 0)):
        value = given.get(member)
        if value is not None and value < least:
            raise shapes.wrong(member, value, f"{value} is less than the minimum of {least}")


def _guard_delegated(call: Call) -> None:
    """What was made for less than a user gives nothing on; a trust may, if it says so. Raises Forbidden."""
    if is_secondary(call.who.methods):
        raise forbidden("Delegated tokens cannot manage trusts.")


def _role(call: Call, reference: dict[str, Any]) -> str:
    """The id of a role that is named in a body. Raises Invalid, NotFound."""
    if len(reference) != 1 or not isinstance(value := next(iter(reference.values())), str):
        fault = "has too many properties" if len(reference) > 1 else "does not have enough properties"
        raise shapes.wrong("roles", reference, f"{shapes.shown(reference)} {fault}")
    if "id" in reference:
        return value
    if "name" not in reference:
        raise shapes.wrong("roles", reference, f"Additional properties are not allowed ({shapes.shown(reference)})")
    found = grants.named(call.fold, value)
    if found is None:
        raise NotFound(f"Role {value} is not defined")
    return found.id


def _guard_held(call: Call, given: dict[str, Any], wanted: tuple[str, ...]) -> None:
    """Nobody gives what they have not. Raises NotFound."""
    project = given.get("project_id")
    if project and call.fold.get(projects, project) is None:
        raise missing("project", project)
    held: dict[str, Role] = {}
    if project:
        held = grants.closure(call.fold, grants.granted(call.fold, given["trustor_user_id"], "project", project))
    for role in wanted:
        if role not in held:
            raise missing("role", role)


def _above(call: Call) -> Trust | None:
    """The trust that the caller's token was made by. Raises NotFound, Forbidden."""
    id = call.who.trust
    return trusting.find(call.fold, id, call.cloud.clock.now()) if id is not None else None


def _depth(given: dict[str, Any], above: Trust | None) -> int:
    """How many trusts may hang on the new one, one below the other. Raises Invalid, Forbidden."""
    asked = given.get("redelegation_count")
    if not given.get("allow_redelegation") or asked == 0:
        return 0
    if asked is not None and asked > DEEPEST:
        raise forbidden()
    if given.get("remaining_uses") is not None:
        raise Invalid("remaining_uses must not be set if redelegation is allowed")
    if above is None:
        return DEEPEST if asked is None else int(asked)
    if asked is not None and asked != above.redelegation_count - 1:
        raise forbidden()
    return above.redelegation_count - 1


def _guard_redelegation(call: Call, above: Trust, wish: TrustGiven) -> None:
    """No trust gives more than any that it hangs on. Raises Forbidden."""
    for one in trusting.pedigree(call.fold, above):
        longer = one.expires_at is not None and (wish.expires_at is None or wish.expires_at > one.expires_at)
        more = not set(wish.roles) <= set(one.roles) or (wish.impersonation and not one.impersonation)
        if longer or more or one.redelegation_count == 0 or wish.remaining_uses is not None:
            raise forbidden()
        if wish.project_id != one.project_id:
            raise forbidden()


# Looking


def _find(call: Call) -> Trust:
    """A trust that gives tokens. Raises NotFound, Forbidden."""
    trust = trusting.find(call.fold, call.path["id"], call.cloud.clock.now())
    call.enforce({"target.trust.trustor_user_id": trust.trustor, "target.trust.trustee_user_id": trust.trustee})
    _guard_delegated(call)
    return trust


async def listed(call: Call) -> dict[str, Any]:
    """The trusts that a user gave or was given; all of them to who may see all. Raises Forbidden."""
    trustor, trustee = asked(call, "trustor_user_id"), asked(call, "trustee_user_id")
    if trustor is not None:
        call.enforce({"target.trust.trustor_user_id": trustor}, "identity:list_trusts_for_trustor")
        found = call.fold.by(trusts, "trustor", trustor)
    elif trustee is not None:
        call.enforce({"target.trust.trustee_user_id": trustee}, "identity:list_trusts_for_trustee")
        found = call.fold.by(trusts, "trustee", trustee)
    else:
        call.enforce({})
        found = call.fold.all(trusts)
    _guard_delegated(call)
    both = [trust for trust in found if trustee is None or trust.trustee == trustee]
    return collection(call, "trusts", both, lambda trust: view(call, trust))


async def show(call: Call) -> dict[str, Any]:
    """One trust. Raises NotFound, Forbidden."""
    return {"trust": _whole(call, _find(call))}


async def list_roles(call: Call) -> dict[str, Any]:
    """The roles that a trust gives. Raises NotFound, Forbidden."""
    trust = _find(call)
    return {"roles": _roles(call, trust), "links": _roles_links(call, trust)}


async def show_role(call: Call) -> dict[str, Any]:
    """One role that a trust gives. Raises NotFound, Forbidden."""
    trust, id = _find(call), call.path["role_id"]
    role = call.fold.get(roles, id)
    if role is None or id not in trust.roles:
        raise missing("role", id)
    return {"role": role_view(call, role)}


async def delete(call: Call) -> None:
    """Delete a trust and all that hang on it. Raises NotFound, Forbidden."""
    await cleaning.delete_trust(call, _find(call))
