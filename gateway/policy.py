"""Who may do what: a table of rules for each service, in oslo.policy's language; deny by default.

A rule has a name (`identity:get_role`), a check, and the scopes of tokens that it is for at all. An operator's file
may put other checks in the place of the defaults. Roles come expanded: an `admin` has `member` too.
Sources: oslo.policy's documentation; OpenStack's "Consistent and secure default RBAC" goal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from gateway.rules import BadRule, Check, Node, Target, Verdict, compile_all, parse, tests
from gateway.tokens import Token

ANYONE = ""  # the policy of a route that needs no token

ANY_SCOPE: frozenset[str] = frozenset()
PROJECT = frozenset({"project"})
CLOUD = frozenset({"system", "project"})
EVERY = frozenset({"system", "domain", "project"})


Given = Mapping[str, str | Mapping[str, str]]
"""An operator's word: checks by the names of rules, or by service and name."""


Former = Mapping[str, Collection[str]]
"""By a name that rules once had together, or that one rule had: their names of today."""


class Rule(Struct, frozen=True):
    """A line of a service's table."""

    name: str
    check: str
    does: str  # what it lets one do; of a rule that only others refer to: whom it means
    scopes: frozenset[str] = ANY_SCOPE  # of tokens; none named: any


def rules(check: str, scopes: frozenset[str], does: Mapping[str, str]) -> tuple[Rule, ...]:
    """Rules that have one check: by name, what each lets one do."""
    return tuple(Rule(name, check, text, scopes) for name, text in does.items())


class Table:
    """One service's rules, compiled, with what an operator has put in their place."""

    def __init__(
        self, service: str, defaults: Iterable[Rule], given: Given | None = None, former: Former | None = None
    ) -> None:
        self.service = service
        self.former = former or {}
        self.rules = {rule.name: rule for rule in defaults}
        self.overrides: dict[str, str] = {}
        self.nodes: dict[str, Node] = {}
        self.guards: dict[str, Check] = {}
        self.override(given or {})

    def override(self, word: Given) -> None:
        """Put an operator's checks in the place of defaults, and nothing in that of others; further names are there to
        be referred to. Raises BadRule; then all is as it was."""
        given = self._renamed(_about(self.service, word))
        nodes: dict[str, Node] = {}
        for name, check in {**{rule.name: rule.check for rule in self.rules.values()}, **given}.items():
            try:
                nodes[name] = parse(check)
            except BadRule as fault:
                raise BadRule(f"{name}: {fault}") from fault
        compiled = compile_all(nodes, self.rules)
        self.guards = {name: _within(rule.scopes, compiled[name]) for name, rule in self.rules.items()}
        self.overrides = {name: check for name, check in given.items() if name in self.rules}
        self.nodes = nodes

    def _renamed(self, given: dict[str, str]) -> dict[str, str]:
        """What is said of a former name goes for those of today, unless something is said of these themselves."""
        for old in self.former.keys() & given.keys():
            for name in self.former[old]:
                if given[old] != f"rule:{name}":
                    given.setdefault(name, given[old])
        return given

    def check(self, name: str) -> str:
        """The check in force."""
        return self.overrides.get(name, self.rules[name].check)

    def verdict(self, name: str, token: Token, target: Target | None = None) -> Verdict:
        """Whether `token` may; None if that depends on a target that is not given."""
        return self.guards[name](token, target)

    def allows(self, name: str, token: Token, target: Target) -> bool:
        return self.guards[name](token, target) is True


def scope(token: Token) -> str:
    """What a token counts as: without a scope, as one of a project."""
    return "project" if token.scope == "unscoped" else token.scope


def _within(scopes: frozenset[str], check: Check) -> Check:
    if not scopes:
        return check

    def guard(token: Token, target: Target | None) -> Verdict:
        return check(token, target) if scope(token) in scopes else False

    return guard


class Policy:
    """The tables of all services, and the operator's word on them."""

    def __init__(self, given: Given | None = None) -> None:
        self.tables: dict[str, Table] = {}
        self.given: Given = given or {}

    def table(self, service: str, defaults: Iterable[Rule], former: Former | None = None) -> Table:
        """The table of a service, made at the first question. Raises BadRule."""
        if service not in self.tables:
            self.tables[service] = Table(service, defaults, self.given, former)
        return self.tables[service]

    def override(self, given: Given) -> None:
        """Take the operator's new word instead of the old one. Raises BadRule; then the old one stands."""
        if given == self.given:
            return
        try:
            for table in self.tables.values():
                table.override(given)
        except BadRule:
            for table in self.tables.values():
                table.override(self.given)
            raise
        self.given = given

    def former(self) -> dict[str, Collection[str]]:
        """The former names in the operator's word, with those of today."""
        said = {name for name, check in self.given.items() if isinstance(check, str)}
        for section in self.given.values():
            said |= set() if isinstance(section, str) else section.keys()
        return {name: table.former[name] for table in self.tables.values() for name in said & table.former.keys()}

    def unknown(self) -> list[str]:
        """The names in the operator's word that no table has and no check refers to."""
        flat = {name: check for name, check in self.given.items() if isinstance(check, str)}
        found = _strange(flat, self.tables.values())
        for service, section in self.given.items():
            if not isinstance(section, str):
                tables = [table for table in self.tables.values() if table.service == service]
                found += [f"{service}: {name}" for name in _strange(section, tables)]
        return found


def _strange(section: Mapping[str, str], tables: Collection[Table]) -> list[str]:
    known = {name for table in tables for name in (*table.rules, *table.former)}
    for table in tables:
        known |= {test.match for node in table.nodes.values() for test in tests(node) if test.kind == "rule"}
    return [name for name in section if name not in known]


def _about(service: str, given: Given) -> dict[str, str]:
    """What of an operator's word is about this service: what stands in no section, and its own."""
    section = given.get(service, {})
    found = {name: check for name, check in given.items() if isinstance(check, str)}
    return {**found, **section} if isinstance(section, Mapping) else found


def own(token: Token) -> dict[str, str]:
    """The target of what is asked for without naming a thing: the caller's own."""
    found = {"user_id": token.user}
    if token.project is not None:
        found |= {"project_id": token.project, "tenant_id": token.project}
    if token.domain is not None:
        found["domain_id"] = token.domain
    return found
