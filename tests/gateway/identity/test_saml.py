"""Two clouds: the users of one work in the other, by assertions that nobody else can make, change or use twice."""

from __future__ import annotations

import base64
import copy
import re
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from lxml import etree

from events.nats.vault import MemoryVault
from events.settings import Federation, Gateway, SamlProvider, Settings
from gateway.identity.federation import saml, xml
from tests.gateway.identity.people import PASSWORD, SETTINGS, People, people

HOME = "http://cloud.test/identity/v3/OS-FEDERATION/saml2/idp"  # as which the one vouches
ABROAD = "http://b.test"
AUTH = "/OS-FEDERATION/identity_providers/home/protocols/saml2/auth"
RECIPIENT = f"{ABROAD}/identity/v3{AUTH}"
ORIGIN = "https://dashboard.example/auth/websso/"
PAOS = "application/vnd.paos+xml"
RULES = [
    {
        "local": [{"user": {"name": "{0}"}}, {"groups": "{1}"}],
        "remote": [
            {"type": "openstack_user"},
            {"type": "openstack_groups"},
            {"type": "openstack_roles", "any_one_of": ["member"]},
            {"type": "openstack_user_domain", "any_one_of": ["Default"]},
        ],
    }
]


@asynccontextmanager
async def two_clouds(tmp: Path) -> AsyncIterator[tuple[People, People, str]]:
    """The cloud where users are, the one that takes its word, and the token of a user of the first, in group `crew`."""
    certificate = tmp / "home.pem"
    known = SamlProvider(entity_id=HOME, certificate=str(certificate), sso_url="https://home.example/sso")
    settings = Settings(
        identity=SETTINGS.identity,
        gateway=Gateway(public_url=ABROAD),
        federation=Federation(saml={"home": known}, trusted_dashboards=ORIGIN),
    )
    async with people(tmp / "a") as home, people(tmp / "b", settings=settings) as abroad:
        await home.world.cloud.vault.put(saml.KEY, msgspec.json.encode(await one_signing()))
        certificate.write_text(await pinned(home))
        user, _, token = await home.member()
        group = await home.make("group", name="crew")
        assert (await home.call("PUT", f"/groups/{group['id']}/users/{user['id']}")).status_code == 204
        urls = {"auth_url": RECIPIENT, "sp_url": RECIPIENT, "enabled": True}
        await home.call("PUT", "/OS-FEDERATION/service_providers/abroad", {"service_provider": urls})
        idp = {"enabled": True, "remote_ids": [HOME]}
        await abroad.call("PUT", "/OS-FEDERATION/identity_providers/home", {"identity_provider": idp})
        await abroad.call("PUT", "/OS-FEDERATION/mappings/m", {"mapping": {"rules": RULES}})
        await abroad.call("PUT", AUTH.removesuffix("/auth"), {"protocol": {"mapping_id": "m"}})
        crew = await abroad.make("group", name="crew")
        project = await abroad.make("project", name="joint")
        await abroad.grant(f"projects/{project['id']}/groups/{crew['id']}", "reader")
        yield home, abroad, token


_made: list[saml.Signing] = []  # a key takes a while


async def one_signing() -> saml.Signing:
    if not _made:
        _made.append(await saml.signing(MemoryVault()))
    return _made[0]


async def pinned(home: People) -> str:
    """The certificate, as the other cloud's operator takes it from the metadata."""
    answer = await home.call("GET", "/OS-FEDERATION/saml2/metadata", token="")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml")
    root = etree.fromstring(answer.content)
    assert root.get("entityID") == HOME
    body = root.findtext(".//{http://www.w3.org/2000/09/xmldsig#}X509Certificate")
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


async def asked(home: People, token: str, how: str = "/ecp", provider: str = "abroad") -> httpx.Response:
    auth = {
        "identity": {"methods": ["token"], "token": {"id": token}},
        "scope": {"service_provider": {"id": provider}},
    }
    return await home.call("POST", f"/auth/OS-FEDERATION/saml2{how}", {"auth": auth}, token="")


async def shown(abroad: People, data: bytes | str, media_type: str = PAOS) -> httpx.Response:
    return await abroad.world.http.post(f"/identity/v3{AUTH}", content=data, headers={"Content-Type": media_type})


async def test_a_user_of_one_cloud_works_in_the_other(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (home, abroad, token):
        assertion = await asked(home, token)
        assert assertion.status_code == 200, assertion.text
        assert (assertion.headers["x-sp-url"], assertion.headers["content-type"]) == (RECIPIENT, "text/xml")
        assert "ss:mem:" in assertion.text
        answer = await shown(abroad, assertion.content)
        assert answer.status_code == 201, answer.text
        said = answer.json()["token"]
        assert (said["user"]["name"], said["methods"]) == ("ann", ["saml2"])
        assert [group["id"] for group in said["user"]["OS-FEDERATION"]["groups"]]
        unscoped = answer.headers["x-subject-token"]
        scope = {"project": {"name": "joint", "domain": {"id": "default"}}}
        auth = {"identity": {"methods": ["saml2"], "saml2": {"id": unscoped}}, "scope": scope}
        scoped = await abroad.call("POST", "/auth/tokens", {"auth": auth}, token="")
        assert [role["name"] for role in scoped.json()["token"]["roles"]] == ["reader"]
        assert (await shown(abroad, assertion.content)).status_code == 401  # it was used


async def test_a_form_of_a_browser_brings_it_too(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (home, abroad, token):
        response = base64.b64encode((await asked(home, token, "")).content).decode()
        answer = await abroad.world.http.post(f"/identity/v3{AUTH}", data={"SAMLResponse": response})
        assert answer.status_code == 201, answer.text


async def test_only_a_project_token_makes_an_assertion_for_an_enabled_provider(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (home, _, token):
        user = await home.make("user", name="eve", password=PASSWORD)
        unscoped = await home.login(user["id"], PASSWORD)
        assert (await asked(home, unscoped)).status_code == 403
        assert (await asked(home, "nonsense")).status_code == 404
        assert (await asked(home, token, provider="nonesuch")).status_code == 404
        await home.call("PATCH", "/OS-FEDERATION/service_providers/abroad", {"service_provider": {"enabled": False}})
        assert (await asked(home, token)).status_code == 403
        wrongs: list[Any] = [{}, {"auth": {}}, {"auth": {"identity": {"token": {}}, "scope": {}}}, []]
        for wrong in wrongs:
            answer = await home.call("POST", "/auth/OS-FEDERATION/saml2", wrong, token="")
            assert answer.status_code == 400, wrong


# What an identity provider answers who was sent to it


async def vouched(request: Any, **told: list[str]) -> Any:
    """The answer of the identity provider to a request that it was brought, for `ann`."""
    signer = await one_signing()
    here = {"openstack_user": ["ann"], "openstack_roles": ["member"], "openstack_user_domain": ["Default"]}
    groups = {"openstack_groups": ['JSON:{"name":"crew","domain":{"name":"Default"}}']}
    consumer = request.get("AssertionConsumerServiceURL")
    answer = saml.response(signer, HOME, consumer, "ann", {**here, **groups, **told}, datetime.now(UTC))
    assertion = answer.find("{*}Assertion")
    unsigned(assertion)
    assertion.find(".//{*}SubjectConfirmationData").set("InResponseTo", request.get("ID"))
    answer.replace(assertion, xml.signed(assertion, signer.key.encode(), signer.certificate))
    return answer


async def test_an_enhanced_client_is_sent_to_its_provider_and_comes_back(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (_, abroad, _):
        paos = {"Accept": PAOS, "PAOS": 'ver="urn:liberty:paos:2003-08"'}
        asked = await abroad.world.http.get(f"/identity/v3{AUTH}", headers=paos)
        assert (asked.status_code, asked.headers["content-type"]) == (200, PAOS)
        envelope = xml.read(asked.content)
        assert envelope.find(".//{urn:liberty:paos:2003-08}Request").get("responseConsumerURL") == RECIPIENT
        state = envelope.find(".//{*}RelayState")
        request = envelope.find(".//{*}AuthnRequest")
        assert issuer_of(envelope) == f"{ABROAD}/identity"
        data = xml.written(saml.enveloped(await vouched(request), state.text))
        forgotten = xml.written(saml.enveloped(await vouched(request), "another"))
        assert (await shown(abroad, forgotten)).status_code == 401  # it answers what nobody remembers
        answer = await shown(abroad, data)
        assert answer.status_code == 201, answer.text
        assert answer.json()["token"]["user"]["name"] == "ann"
        assert (await shown(abroad, data)).status_code == 401


def issuer_of(envelope: Any) -> str:
    return str(envelope.find(".//{*}AuthnRequest/{*}Issuer").text)


async def test_a_browser_comes_to_the_dashboard_with_a_token(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (_, abroad, _):
        http = abroad.world.http
        out = await http.get("/identity/v3/auth/OS-FEDERATION/websso/saml2", params={"origin": ORIGIN})
        assert out.status_code == 302, out.text
        query = parse_qs(urlsplit(out.headers["location"]).query)
        request = xml.read(zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), -15))
        consumer = str(request.get("AssertionConsumerServiceURL"))
        answer = base64.b64encode(xml.written(await vouched(request))).decode()
        form = {"SAMLResponse": answer, "RelayState": query["RelayState"][0]}
        path = urlsplit(consumer).path
        assert (await http.post(path, data={**form, "RelayState": "another"})).status_code == 401
        (sealed,) = (value for value in http.cookies.values() if value)
        http.cookies.clear()
        assert (await http.post(path, data=form)).status_code == 401  # of another browser
        page = await http.post(path, data=form, headers={"Cookie": f"cumulog_websso={sealed}"})
        assert page.status_code == 200, page.text
        assert f'action="{ORIGIN}"' in page.text
        found = re.search(r'name="token" value="([^"]+)"', page.text)
        assert found is not None
        said = (await abroad.call("GET", "/auth/tokens", X_Subject_Token=found[1])).json()["token"]
        assert (said["user"]["name"], said["methods"]) == ("ann", ["saml2"])
        again = await http.post(path, data=form, headers={"Cookie": f"cumulog_websso={sealed}"})
        assert again.status_code == 401


# What proves nothing


def elsewhere(root: Any) -> bytes:
    """An assertion of somebody else before the signed one, which stays where its signature finds it."""
    response = root.find(".//{*}Response")
    signed = response.find("{*}Assertion")
    evil = copy.deepcopy(signed)
    evil.remove(evil.find("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    evil.set("ID", "_evil")
    response.insert(0, evil)
    return bytes(etree.tostring(root))


def wrapped(root: Any) -> bytes:
    """The signed one within the signature of one that says something else."""
    response = root.find(".//{*}Response")
    signed = response.find("{*}Assertion")
    evil = copy.deepcopy(signed)
    signature = evil.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    evil.set("ID", "_evil")
    evil.find(".//{*}NameID").text = "admin"
    place = etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object")
    response.replace(signed, evil)
    place.append(signed)
    return bytes(etree.tostring(root))


def unsigned(root: Any) -> bytes:
    signature = root.find(".//{http://www.w3.org/2000/09/xmldsig#}Signature")
    signature.getparent().remove(signature)
    return bytes(etree.tostring(root))


def replaced(old: str, new: str) -> Callable[[Any], bytes]:
    def change(root: Any) -> bytes:
        text = str(etree.tostring(root), "ascii")
        assert old in text
        return text.replace(old, new).encode()

    return change


CHANGES = (
    replaced(">ann<", ">admin<"),
    replaced(">member<", ">admin<"),
    replaced("b.test", "c.test"),
    replaced("rsa-sha256", "rsa-sha1"),
    replaced("<", "<!DOCTYPE x [<!ENTITY e 'x'>]><"),
    elsewhere,
    wrapped,
    unsigned,
)


async def test_who_changes_an_assertion_has_none(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (home, abroad, token):
        data = (await asked(home, token)).content
        for number, change in enumerate(CHANGES):
            assert (await shown(abroad, change(etree.fromstring(data)))).status_code == 401, number
        assert (await abroad.call("GET", "/users?idp_id=home")).json()["users"] == []
        assert (await shown(abroad, data)).status_code == 201


async def test_a_comment_does_not_shorten_a_name(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (home, abroad, token):
        data = (await asked(home, token)).content.replace(b">ann<", b">an<!-- -->n<")
        answer = await shown(abroad, data)  # comments are not signed
        assert answer.status_code == 401 or answer.json()["token"]["user"]["name"] == "ann"


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SKEW = timedelta(seconds=30)
TOLD = {"openstack_user": ["ann"]}


async def test_time_issuer_recipient_and_key_count() -> None:
    signer, other = await one_signing(), await saml.signing(MemoryVault())

    def said(
        *, at: datetime = NOW, by: saml.Signing = signer, issuer: str = HOME, recipient: str = RECIPIENT
    ) -> saml.Said:
        data = xml.written(saml.response(by, issuer, recipient, "ann", TOLD, at))
        expected = saml.Expected(certificate=signer.certificate, issuer=HOME, recipient=RECIPIENT, audience="us")
        return saml.said(saml.brought(data).response, expected, NOW, SKEW)

    assert said().attributes["openstack_user"] == ["ann"]
    assert said().attributes["MELLON_IDP"] == [HOME]
    assert said(at=NOW + timedelta(seconds=20)).id  # clocks differ
    assert said(at=NOW - saml.LIFETIME).id
    wrongs: list[dict[str, Any]] = [
        {"at": NOW + timedelta(seconds=40)},
        {"at": NOW - saml.LIFETIME - timedelta(seconds=40)},
        {"by": other},
        {"issuer": "http://evil"},
        {"recipient": "http://c.test"},
    ]
    for wrong in wrongs:
        with pytest.raises(xml.Unreadable):
            said(**wrong)


async def test_an_encrypted_assertion_is_refused_for_that() -> None:
    response = saml.response(await one_signing(), HOME, RECIPIENT, "ann", TOLD, NOW)
    response.append(xml.make("saml:EncryptedAssertion"))
    expected = saml.Expected(certificate="", issuer=HOME, recipient=RECIPIENT, audience="us")
    with pytest.raises(xml.Unreadable, match="its assertion is encrypted"):
        saml.said(response, expected, NOW, SKEW)


NONSENSE = (b"", b"<", b"<a/>", b"\xff\xfe", b"<a>" * 5000, b"SAMLResponse=%%%", b"SAMLResponse=PGEvPg==", b"x=" * 99)


async def test_nonsense_is_refused(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (_, abroad, _):
        for nonsense in NONSENSE:
            for media_type in (PAOS, "application/x-www-form-urlencoded"):
                assert (await shown(abroad, nonsense, media_type)).status_code == 401, nonsense


async def test_bodies_are_bounded(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (_, abroad, _):
        assert (await shown(abroad, b"<a>" * 200_000)).status_code == 413


async def test_no_word_of_a_cloud_that_no_setting_names_counts(tmp_path: Path) -> None:
    async with two_clouds(tmp_path) as (home, abroad, token):
        await abroad.call("PUT", "/OS-FEDERATION/identity_providers/other", {"identity_provider": {"enabled": True}})
        path = AUTH.replace("/home/", "/other/")
        await abroad.call("PUT", path.removesuffix("/auth"), {"protocol": {"mapping_id": "m"}})
        data = (await asked(home, token)).content
        answer = await abroad.world.http.post(f"/identity/v3{path}", content=data, headers={"Content-Type": PAOS})
        assert answer.status_code == 401
        assert re.search("authentication", answer.text)
