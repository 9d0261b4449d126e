"""Who may do what: seven personas, each kind of request, and what the real service answers them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.identity import ROUTES
from tests.gateway.identity.people import PASSWORD, People, people

PERSONAS = {
    "member": ("projects/{p}", "member", {"project": {"id": "{p}"}}),
    "admin": ("projects/{p}", "admin", {"project": {"id": "{p}"}}),
    "domain reader": ("domains/{d}", "reader", {"domain": {"id": "{d}"}}),
    "domain manager": ("domains/{d}", "manager", {"domain": {"id": "{d}"}}),
    "domain admin": ("domains/{d}", "admin", {"domain": {"id": "{d}"}}),
    "system reader": ("system", "reader", {"system": {"all": True}}),
    "service": ("projects/{p}", "service", {"project": {"id": "{p}"}}),
}
# Statuses in the order of PERSONAS; other, p and g are in domain d, other2 and p2 in another.
TABLE: tuple[tuple[str, str, Any, tuple[int, ...]], ...] = (
    ("GET", "/users", None, (403, 200, 200, 200, 200, 200, 403)),
    ("GET", "/users/{other}", None, (403, 200, 200, 200, 200, 200, 403)),
    ("GET", "/users/{other2}", None, (403, 200, 403, 403, 200, 200, 403)),
    ("GET", "/users/nosuch", None, (403, 404, 403, 403, 404, 404, 403)),
    ("GET", "/users/{me}", None, (200, 200, 200, 200, 200, 200, 200)),
    ("GET", "/users/{me}/projects", None, (200, 200, 200, 200, 200, 200, 200)),
    ("GET", "/users/{other}/groups", None, (403, 200, 200, 200, 200, 200, 403)),
    ("GET", "/projects", None, (403, 200, 200, 200, 200, 200, 403)),
    ("GET", "/projects/{p}", None, (200, 200, 200, 200, 200, 200, 200)),
    ("GET", "/projects/{p2}", None, (403, 200, 403, 403, 200, 200, 403)),
    ("GET", "/projects/nosuch", None, (403, 404, 403, 403, 404, 404, 403)),
    ("GET", "/domains", None, (403, 200, 200, 200, 200, 200, 403)),
    ("GET", "/groups", None, (403, 200, 200, 200, 200, 200, 403)),
    ("HEAD", "/groups/{g}/users/{me}", None, (403, 404, 404, 404, 404, 404, 403)),
    ("GET", "/roles", None, (403, 200, 403, 200, 200, 200, 403)),
    ("GET", "/roles/nosuch", None, (404, 404, 404, 404, 404, 404, 404)),
    ("GET", "/role_inferences", None, (403, 200, 403, 403, 403, 200, 403)),
    ("GET", "/role_assignments", None, (403, 200, 200, 200, 200, 200, 403)),
    ("GET", "/services", None, (403, 200, 403, 403, 403, 200, 403)),
    ("GET", "/endpoints", None, (403, 200, 403, 403, 403, 200, 403)),
    ("GET", "/regions", None, (200, 200, 200, 200, 200, 200, 200)),
    ("GET", "/auth/catalog", None, (200, 200, 403, 403, 403, 403, 200)),
    ("GET", "/users/{me}/application_credentials", None, (200, 200, 403, 403, 403, 200, 200)),
    ("GET", "/users/{other}/application_credentials", None, (403, 200, 403, 403, 403, 200, 403)),
    ("GET", "/system/users/{other}/roles", None, (403, 200, 403, 403, 403, 200, 403)),
    ("POST", "/users", {"user": {"name": "new {n}", "domain_id": "{d}"}}, (403, 201, 403, 201, 201, 403, 403)),
    ("POST", "/users", {"user": {"name": "new {n}", "domain_id": "{d2}"}}, (403, 201, 403, 403, 201, 403, 403)),
    ("POST", "/projects", {"project": {"name": "new {n}", "domain_id": "{d}"}}, (403, 201, 403, 201, 201, 403, 403)),
    ("POST", "/domains", {"domain": {"name": "new {n}"}}, (403, 201, 403, 403, 403, 403, 403)),
    ("POST", "/roles", {"role": {"name": "new {n}"}}, (403, 201, 403, 403, 403, 403, 403)),
    ("POST", "/regions", {"region": {"id": "new {n}"}}, (403, 201, 403, 403, 403, 403, 403)),
    ("PATCH", "/users/{other}", {"user": {"email": "{n}"}}, (403, 200, 403, 200, 200, 403, 403)),
    ("PATCH", "/users/{other2}", {"user": {"email": "{n}"}}, (403, 200, 403, 403, 200, 403, 403)),
    ("PATCH", "/users/{me}", {"user": {"email": "{n}"}}, (403, 200, 403, 200, 200, 403, 403)),
    ("PATCH", "/domains/{d}", {"domain": {"description": "{n}"}}, (403, 200, 403, 403, 403, 403, 403)),
    ("PUT", "/projects/{p}/users/{other}/roles/{member}", None, (403, 204, 403, 204, 204, 403, 403)),
    ("PUT", "/projects/{p}/users/{other}/roles/{adm}", None, (403, 204, 403, 403, 204, 403, 403)),
    ("PUT", "/projects/{p2}/users/{other}/roles/{member}", None, (403, 204, 403, 403, 204, 403, 403)),
    ("PUT", "/system/users/{other}/roles/{member}", None, (403, 204, 403, 403, 403, 403, 403)),
    ("PUT", "/groups/{g}/users/{other}", None, (403, 204, 403, 204, 204, 403, 403)),
    ("POST", "/users/{other}/credentials/OS-EC2", {"tenant_id": "{p}"}, (403, 201, 403, 403, 403, 403, 403)),
)


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    return value.format(**names) if isinstance(value, str) else value


async def places(them: People) -> dict[str, str]:
    d, d2 = (await them.make("domain", name="d"))["id"], (await them.make("domain", name="d2"))["id"]
    return {
        "d": d,
        "d2": d2,
        "p": (await them.make("project", name="p", domain_id=d))["id"],
        "p2": (await them.make("project", name="p", domain_id=d2))["id"],
        "g": (await them.make("group", name="g", domain_id=d))["id"],
        "other": (await them.make("user", name="other", domain_id=d))["id"],
        "other2": (await them.make("user", name="other", domain_id=d2))["id"],
        "member": await them.role("member"),
        "adm": await them.role("admin"),
    }


async def test_each_persona_may_do_what_the_real_service_lets_it(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        names = await places(them)
        wrong = []
        for column, (persona, (where, role, scope)) in enumerate(PERSONAS.items()):
            user = await them.make("user", name=persona, domain_id=names["d"], password=PASSWORD)
            names |= {"me": user["id"]}
            await them.grant(f"{where.format(**names)}/users/{user['id']}", role)
            token = await them.login(user["id"], PASSWORD, filled(scope, names))
            for number, (method, path, body, statuses) in enumerate(TABLE):
                sent = filled(body, {**names, "n": f"{persona} {number}"})
                answer = await them.call(method, path.format(**names), sent, token=token)
                if answer.status_code != statuses[column]:
                    wrong.append(f"{persona}: {method} {path} is {answer.status_code}, not {statuses[column]}")
                if answer.status_code == 403 and method != "HEAD":
                    words = answer.json()["error"]["message"]
                    assert words.startswith("You are not authorized to perform the requested action")
        assert wrong == []


def test_few_routes_are_open_to_who_has_no_token() -> None:
    public = {(route.method, route.path) for route in ROUTES if route.public}
    provider = "/v3/OS-FEDERATION/identity_providers/{id}/protocols/{protocol}"
    websso = "/v3/auth/OS-FEDERATION/identity_providers/{id}/protocols/{protocol}"
    assert public == {
        ("GET", "/"),
        ("GET", "/v3"),
        ("GET", "/v3/"),
        ("POST", "/v3/auth/tokens"),
        ("GET", "/v3/auth/tokens/OS-PKI/revoked"),  # answers that there is no such thing
        ("GET", "/v3/OS-SIMPLE-CERT/ca"),
        ("GET", "/v3/OS-SIMPLE-CERT/certificates"),
        ("POST", "/v3/users/{id}/password"),
        ("GET", f"{provider}/auth"),
        ("POST", f"{provider}/auth"),
        ("GET", "/v3/auth/OS-FEDERATION/websso/{protocol}"),
        ("GET", f"{websso}/websso"),
        ("GET", f"{websso}/websso/callback"),
        ("POST", f"{websso}/websso/callback"),
        ("GET", "/v3/OS-FEDERATION/saml2/metadata"),
        ("POST", "/v3/auth/OS-FEDERATION/saml2"),
        ("POST", "/v3/auth/OS-FEDERATION/saml2/ecp"),
        ("POST", "/v3/OS-OAUTH1/request_token"),  # the consumer's signature opens them
        ("POST", "/v3/OS-OAUTH1/access_token"),
        *((method, "/v3/OS-OAUTH2/token") for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
    }


async def test_a_domains_reader_sees_assignments_of_the_domain_alone(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        names = await places(them)
        user = await them.make("user", name="reader", domain_id=names["d"], password=PASSWORD)
        await them.grant(f"domains/{names['d']}/users/{user['id']}", "reader")
        await them.grant(f"projects/{names['p2']}/users/{names['other2']}", "member")
        token = await them.login(user["id"], PASSWORD, {"domain": {"id": names["d"]}})
        shown = (await them.call("GET", "/role_assignments", token=token)).json()["role_assignments"]
        assert [one["scope"] for one in shown] == [{"domain": {"id": names["d"]}}]
