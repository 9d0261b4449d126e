"""Who may set and see which attribute, and do what to a state: the service's policy, put to documents."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from events.refusals import Forbidden
from gateway.policy import Table
from gateway.serving import Call

if TYPE_CHECKING:
    from gateway.network.documents import Resource

Columns = tuple[tuple[str, Any, str | None], ...]
"""Attributes: name, getter, and the rule that has to be asked about each state, if any."""


def columns_of(call: Call, resource: Resource, fields: tuple[str, ...]) -> Columns:
    """What the caller may see of states."""
    verdicts = [(name, call.table.verdict(rule, call.who)) for name, rule in _guarded(resource, call.table)]
    hidden = frozenset(name for name, verdict in verdicts if verdict is False)
    asked = frozenset(name for name, verdict in verdicts if verdict is None)
    return _shown(resource, hidden, asked, fields)


@lru_cache(maxsize=64)
def _guarded(resource: Resource, table: Table) -> tuple[tuple[str, str], ...]:
    """The attributes that have a rule of who sees them."""
    rules = ((name, f"get_{resource.name}:{name}") for name in resource.attributes if name != "tags")
    return tuple((name, rule) for name, rule in rules if rule in table.rules)


@lru_cache(maxsize=1024)
def _shown(resource: Resource, hidden: frozenset[str], asked: frozenset[str], fields: tuple[str, ...]) -> Columns:
    return tuple(
        (name, attribute.get, f"get_{resource.name}:{name}" if name in asked else None)
        for name, attribute in resource.attributes.items()
        if attribute.shown and name not in hidden and (not fields or name in fields)
    )


def may_set(call: Call, rule: str, attribute: str) -> None:
    """Raises Forbidden if the attribute has a rule that says no, whosever the thing is."""
    if f"{rule}:{attribute}" in call.table.rules and call.table.verdict(f"{rule}:{attribute}", call.who) is False:
        raise disallowed(rule, attribute)


def ask(call: Call, resource: Resource, state: Any, id: str) -> None:
    """Put a state to the call's rule. Raises Forbidden, and NotFound for who may not even see it."""
    try:
        call.enforce(resource.target(call, state))
    except Forbidden as refusal:
        raise (resource.not_found(id) if call.operation.startswith("get_") else refusal) from None


def disallowed(rule: str, attribute: str | None = None) -> Forbidden:
    """What policy says no to: a whole operation, or one attribute in it."""
    text = f"(rule:{rule} and rule:{rule}:{attribute})" if attribute else f"rule:{rule}"
    return Forbidden(f"{text} is disallowed by policy", kind="PolicyNotAuthorized")
