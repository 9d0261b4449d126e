"""Every route of every service, as every persona: the answer is the table's, as oslo.policy itself reads it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from oslo_config import cfg
from oslo_policy import _checks
from oslo_policy import policy as oslo

from events.refusals import Unauthenticated
from gateway import personas
from gateway.application import faces
from gateway.cloud import Cloud
from gateway.image.store import ImageStore
from gateway.policy import Table, scope
from gateway.rules import BadRule
from gateway.serving import Face, Route, Service
from gateway.tokens import Token
from tests import rights
from tests.gateway.identity.people import people
from tests.gateway.test_rules import told
from tests.worlds import World, world

FACES = {face.name: face for face in faces()}


class Field(_checks.Check):
    """Networking's `field:RESOURCE:ATTRIBUTE=VALUE`, said anew."""

    def __call__(self, target: Any, creds: Any, enforcer: Any, current_rule: str | None = None) -> bool:
        name, wanted = self.match.split(":", 1)[1].rsplit("=", 1)
        if name not in target:
            return False
        text = str(target[name])
        return re.match(wanted[1:], text) is not None if wanted.startswith("~") else text == wanted


class Judge:
    """A service's table as oslo.policy enforces it."""

    def __init__(self, face: Face) -> None:
        _checks.register("field", Field)
        configuration = cfg.ConfigOpts()
        configuration([], project="test")
        self.scopes = {rule.name: rule.scopes for rule in face.rules}
        self.enforcer = oslo.Enforcer(configuration, use_conf=False)
        self.enforcer.set_rules(oslo.Rules.from_dict({rule.name: rule.check for rule in face.rules}), use_conf=False)
        self.known: dict[tuple[str, str, bool], bool] = {}

    def allows(self, name: str, who: Token, *, own: bool) -> bool:
        """Whether the rule lets the token do it: to all that is its own, or to what is nobody's."""
        key = (name, who.user_name, own)
        if key not in self.known:
            scopes = self.scopes[name]
            target = personas.OWN if own else {}
            inside = not scopes or scope(who) in scopes
            self.known[key] = inside and bool(self.enforcer.enforce(name, target, told(who)))
        return self.known[key]


def path_of(route: Route) -> str:
    """The route's path, of things that are not there."""
    return re.sub(r"\{[^}]*\}", "nosuch", route.path)


def says_nothing(answer: httpx.Response) -> bool:
    """A mistake in the body or a thing that is not there comes first, and a list may have nothing to show."""
    return answer.status_code in (400, 404) or (answer.status_code == 200 and [*answer.json().values()] == [[]])


def denied(answer: httpx.Response, rule: str) -> bool:
    """Whether it is this rule that refused."""
    endings = (f"{rule} to be performed", f"{rule} is disallowed", f"{rule} action", f"action: {rule}.")
    return answer.status_code == 403 and any(text in answer.text for text in endings)


async def answers(w: World, face: Face) -> list[str]:
    """What is not as the table says, of one service."""
    judge, table, wrong = Judge(face), Table(face.name, face.rules), []
    for route in face.routes:
        if route.public:
            continue
        headers = {"X-Auth-Token": ""}
        if face.versions:
            version = min(max(route.first, face.versions.minimum), route.last)
            headers["OpenStack-API-Version"] = f"{face.name} {version[0]}.{version[1]}"
        late = (route.target or face.target) == "late"
        for name in personas.NAMES:
            who = personas.token(name)
            body = {"x": None} if route.method in ("POST", "PUT", "PATCH") else None
            headers["X-Auth-Token"] = name
            answer = await w.http.request(route.method, face.path + path_of(route), json=body, headers=headers)
            may, may_all = (judge.allows(route.policy, who, own=own) for own in (True, False))
            depends = late or table.verdict(route.policy, who) is None  # on what the function finds
            where = f"{name}: {route.method} {path_of(route)} ({route.policy}) is {answer.status_code}"
            unproven = answer.status_code == 401 and not route.policy.endswith("tokens_validate")
            if answer.status_code >= 500 or unproven:
                wrong.append(where)
            elif not may and answer.status_code != 403 and not (depends and says_nothing(answer)):
                wrong.append(f"{where}, not 403")
            elif may_all and may and who.scope != "unscoped" and denied(answer, route.policy):
                wrong.append(f"{where}: {answer.text}")
    return wrong


async def authenticate(text: str, service: str | None = None) -> Token:
    try:
        return personas.token(text)
    except KeyError:
        raise Unauthenticated("The request you have made requires authentication.") from None


@pytest.mark.parametrize("service", FACES)
async def test_each_persona_may_on_each_route_what_the_table_says(tmp_path: Path, service: str) -> None:
    async with people(tmp_path) as them:
        them.world.cloud.authenticate = authenticate
        them.world.cloud.put(ImageStore(tmp_path / "images"))
        them.world.cloud.limits.admit = lambda token: None  # type: ignore[method-assign]  # thousands in a moment
        assert await answers(them.world, FACES[service]) == []


def test_every_rule_guards_something_or_is_referred_to() -> None:
    """What no route and no function asks for is no right."""
    source = "".join(path.read_text() for path in Path("gateway").rglob("*.py") if "policies" not in path.name)
    silent = []
    for face in FACES.values():
        table = Table(face.name, face.rules)
        routed = {route.policy for route in face.routes}
        for name, rule in table.rules.items():
            last = name.removeprefix("os_compute_api:").removeprefix("identity:")
            operation = name.split(":")[0]  # of which the rule is about an attribute
            if rule.scopes and not {name, operation} & routed and last not in source and operation not in source:
                silent.append(name)
    assert silent == []


async def test_a_route_without_a_rule_does_not_start() -> None:
    face = FACES["image"]
    bare = replace(face, routes=(replace(face.routes[0], policy="nosuch"),))
    async with world() as w:
        with pytest.raises(BadRule, match="GET /image/v2/images has no rule `nosuch`"):
            Service(w.cloud, bare)


async def test_a_function_that_asks_nobody_tells_nothing() -> None:
    """A rule that depends on the thing, and a function that forgot it: a mistake, and not an answer."""

    async def forgetful(call: Any) -> dict[str, str]:
        return {"secret": "yes"}

    face = FACES["image"]
    bare = replace(face, name="bare", routes=(Route("GET", "/x", forgetful, "get_image"),))
    async with world() as w:
        assert await status(w.cloud, bare, "member") == 500
        assert await status(w.cloud, bare, "admin") == 200
        assert await status(w.cloud, bare, "nobody") == 403


async def status(cloud: Cloud, face: Face, who: str) -> int:
    transport = httpx.ASGITransport(app=Service(cloud, face).router)
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test") as http:
        return (await http.get("/x", headers={"X-Auth-Token": who})).status_code


def test_names_of_rules_are_said_once() -> None:
    for face in FACES.values():
        assert [name for name, count in Counter(rule.name for rule in face.rules).items() if count > 1] == []


def test_the_page_of_rights_is_up_to_date() -> None:
    assert rights.FILE.read_text() == rights.text(), "if this is meant: python -m tests.rights"
