"""`python -m tests.rights` writes docs/policy.md: every right that there is, so that a change of one is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway import personas
from gateway.application import faces
from gateway.policy import Policy, Table
from gateway.policy_commands import guarded

FILE = Path(__file__).parent.parent / "docs" / "policy.md"
ROLES = ("service", "reader", "member", "manager", "admin")
HEAD = """# Who may do what

Written by `python -m tests.rights` from the tables `gateway/*/policies.py`; a test compares. Of reader, member,
manager and admin each contains those before it: a cell names the least. *own* is what belongs to the caller's
project, domain or user, or depends on what it is; without that word it is everything. `cumulog policy check` says why.
"""


def cell(table: Table, name: str, scope: str) -> str:
    """The least roles on a scope that may, and how far."""
    told, before = [], ""
    for role in ROLES:
        far = personas.may(table, name, personas.token(f"{scope}-{role}"))
        if role == "service":
            if far:
                told.append("service" if far == "all" else "service: own")
        elif far and far != before:
            told.append(role if far == "all" else f"{role}: own")
            before = far
    return ", ".join(told) or "–"


def lines() -> Iterator[str]:
    policy = Policy()
    yield HEAD
    for face in faces():
        table = policy.table(face.name, face.rules, face.former)
        public = [f"`{route.method} {face.path}{route.path}`" for route in face.routes if route.public]
        yield f"## {face.name}\n"
        yield f"Without a token: {', '.join(dict.fromkeys(public))}.\n"
        yield "| operation | what | on a project | on a domain | on the system | unscoped |"
        yield "|---|---|---|---|---|---|"
        for name, rule in table.rules.items():
            if not guarded(face, name) and not rule.scopes:
                continue  # it is for others to refer to
            unscoped = personas.may(table, name, personas.token("unscoped"))
            cells = [cell(table, name, scope) for scope in personas.SCOPES]
            cells.append({"all": "anybody", "own": "anybody: own", "": "–"}[unscoped])
            yield f"| `{name}` | {rule.does} | {' | '.join(cells)} |"
        yield ""


def text() -> str:
    return "\n".join(lines())


if __name__ == "__main__":
    FILE.write_text(text())
