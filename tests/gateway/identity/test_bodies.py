"""Whatever is sent, the answer is clear: no body makes a 500."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.identity.people import people

KEYS = (
    *("name", "domain_id", "parent_id", "enabled", "options", "tags", "description", "password", "id", "type", "blob"),
    *(
        "user_id",
        "project_id",
        "url",
        "interface",
        "service_id",
        "region_id",
        "roles",
        "expires_at",
        "secret",
        "domain",
    ),
    *("methods", "token", "user", "application_credential", "identity", "scope", "project", "system", "unrestricted"),
    *("trustor_user_id", "trustee_user_id", "impersonation", "remaining_uses", "allow_redelegation"),
    *("resource_name", "default_limit", "resource_limit", "tenant_id", "original_password", "immutable", "all"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(("default", "password", "token", "application_credential", "public", "all", "2026-13-01", "{}"))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
TARGETS = (
    *(("POST", f"/{kind}s", kind) for kind in ("domain", "project", "user", "group", "role", "region", "service")),
    *(("POST", f"/{kind}s", kind) for kind in ("endpoint", "credential", "limit", "registered_limit")),
    *(("PATCH", f"/{kind}s/{{{kind}}}", kind) for kind in ("project", "user", "domain", "role", "region", "service")),
    ("POST", "/users/{user}/application_credentials", "application_credential"),
    ("POST", "/users/{user}/password", "user"),
    ("POST", "/users/{user}/credentials/OS-EC2", None),
    ("PUT", "/projects/{project}/tags", None),
    ("POST", "/auth/tokens", "auth"),
    ("POST", "/limits", "limits"),
    ("POST", "/OS-TRUST/trusts", "trust"),
)
AUTHS = st.fixed_dictionaries(
    {
        "identity": st.fixed_dictionaries(
            {"methods": st.lists(st.sampled_from(("password", "token", "application_credential", "x")), max_size=3)},
            optional=dict.fromkeys(("password", "token", "application_credential"), VALUES),
        )
    },
    optional={"scope": VALUES},
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_body_gets_a_clear_answer(data: st.DataObject) -> None:
    method, path, wrapper = data.draw(st.sampled_from(TARGETS))
    inner = data.draw(AUTHS if wrapper == "auth" else VALUES)
    body = inner if wrapper is None or data.draw(st.integers(0, 9)) == 0 else {wrapper: inner}
    with TemporaryDirectory() as keys:
        asyncio.run(_send(Path(keys), method, path, body))


async def _send(keys: Path, method: str, path: str, body: Any) -> None:
    async with people(keys) as them:
        names = {kind: (await them.make(kind, name="x"))["id"] for kind in ("project", "user", "domain", "role")}
        names["region"] = "RegionOne"
        names["service"] = (await them.make("service", type="x"))["id"]
        answer = await them.call(method, path.format(**names), body)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.json()["error"]["code"] == answer.status_code


async def test_any_path_gets_a_clear_answer(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        for kind in ("users", "projects", "domains", "groups", "roles", "regions", "services", "endpoints", "limits"):
            for id in ("nosuch", "a.b", "*", "%00", "%2F", "x" * 300, "%C3%A9", "~", ">"):
                for method in ("GET", "PATCH", "DELETE"):
                    body = {kind[:-1]: {"description": "x"}} if method == "PATCH" else None
                    answer = await them.call(method, f"/{kind}/{id}", body)
                    assert answer.status_code in (400, 404), (method, kind, id, answer.text)


async def test_one_of_many_who_take_a_name_at_once_gets_it(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        body = {"project": {"name": "wanted"}}
        answers = await asyncio.gather(*(them.call("POST", "/projects", body) for _ in range(10)))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}
        assert len((await them.call("GET", "/projects?name=wanted")).json()["projects"]) == 1
