"""Who signs on at an OpenID provider with a browser comes to a dashboard with a token."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.gateway.identity.openid import ORIGIN, PATH, federated
from tests.gateway.identity.openid_provider import OpenIdProvider
from tests.gateway.identity.people import People


async def journey(
    them: People, path: str = "/auth/OS-FEDERATION/websso/openid", origin: str = ORIGIN
) -> httpx.Response:
    return await them.world.http.get(f"/identity/v3{path}", params={"origin": origin})


async def at_provider(location: str, name: str = "ann") -> str:
    """What a browser does there: the login form, and the way back."""
    async with httpx.AsyncClient() as browser:
        form = await browser.get(location)
        assert 'name="password"' in form.text
        back = await browser.post(location, data={"username": name, "password": f"{name}'s own"})
    assert back.status_code == 302, back.text
    return back.headers["location"]


async def test_a_browser_comes_to_the_dashboard_with_a_token(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        for path in ("/auth/OS-FEDERATION/websso/openid", f"/auth{PATH}/websso"):
            out = await journey(them, path)
            assert out.status_code == 302, out.text
            asked = parse_qs(urlsplit(out.headers["location"]).query)
            assert asked["code_challenge_method"] == ["S256"]
            back = await at_provider(out.headers["location"])
            page = await them.world.http.get(back)
            assert page.status_code == 200, page.text
            assert page.headers["cache-control"] == "no-store"
            assert f'action="{ORIGIN}"' in page.text
            found = re.search(r'name="token" value="([^"]+)"', page.text)
            assert found is not None
            said = (await them.call("GET", "/auth/tokens", X_Subject_Token=found[1])).json()["token"]
            assert (said["user"]["name"], said["methods"]) == ("ann", ["openid"])
            assert (await them.world.http.get(back)).status_code == 401  # a way back is taken once


async def test_only_the_browser_that_went_out_comes_back(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        out = await journey(them)
        back = await at_provider(out.headers["location"])
        cookies = dict(them.world.http.cookies)
        them.world.http.cookies.clear()
        assert (await them.world.http.get(back)).status_code == 401
        them.world.http.cookies.update(cookies)
        query = parse_qs(urlsplit(back).query)
        for changed in ({"state": them.admin}, {"state": ""}, {"state": "x" * 9999}, {"code": ""}):
            params = {name: values[0] for name, values in query.items()} | changed
            url = back.partition("?")[0]
            assert (await them.world.http.get(url, params=params)).status_code == 401, changed
        answer = await them.call("GET", "/auth/tokens", X_Subject_Token=query["state"][0])
        assert answer.status_code == 404  # a state is sealed as tokens are, and is none


async def test_no_token_goes_where_the_operator_does_not_trust(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        answer = await journey(them, origin="https://evil.example/")
        assert answer.status_code == 401
        answer = await journey(them, f"/auth{PATH}/websso", origin="")
        assert answer.status_code == 400
        assert (await journey(them, "/auth/OS-FEDERATION/websso/saml2")).status_code == 401
