"""`openstack federation`, and signing on at a real OpenID provider with the real clients."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import httpx
import pytest

from tests.contract.clients import Client, Commands
from tests.contract.clouds import CUMULOG, RunningCloud, running
from tests.gateway.identity.openid_provider import CLIENT, SECRET, OpenIdProvider, openid_provider
from tests.ports import free_port

RULES = [
    {
        "local": [{"user": {"name": "{0}"}}, {"group": {"name": "staff", "domain": {"name": "Default"}}}],
        "remote": [{"type": "HTTP_OIDC_SUB"}],
    }
]


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as one:
        yield one


@pytest.fixture(scope="module")
def cloud(provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud whose operator takes the provider's word."""
    state = tmp_path_factory.mktemp("federated") / "cloud"
    where = f"127.0.0.1:{free_port()}"
    oidc = json.dumps({"acme": {"issuer": provider.issuer, "client_id": CLIENT}})
    saml = json.dumps({"self": {"entity_id": entity(f"http://{where}"), "certificate": str(state / "self.pem")}})
    settings = ("--set", f"federation.oidc={oidc}", "--set", f"federation.saml={saml}")
    with running(state, hosts=1, arguments=("--listen", where, "--public-url", f"http://{where}", *settings)) as one:
        command = [str(CUMULOG), "client-secret", "--state", str(state), "acme"]
        kept = subprocess.run(command, input=SECRET, text=True, capture_output=True, timeout=60, check=False)
        assert kept.returncode == 0, kept.stderr
        yield one


def entity(url: str) -> str:
    """As which a cloud vouches for its users."""
    return f"{url}/identity/v3/OS-FEDERATION/saml2/idp"


@pytest.fixture(scope="module", params=["new", "old"])
def openstack(request: pytest.FixtureRequest, cloud: RunningCloud, commands: Callable[[str], Commands]) -> Client:
    return Client(commands(request.param), cloud.environment)


@pytest.fixture
def rules(tmp_path: Path) -> str:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(RULES))
    return str(file)


def test_an_operator_makes_shows_changes_and_deletes_what_is_federated(openstack: Client, rules: str) -> None:
    name = f"f{token_hex(4)}"
    made = openstack.json("identity provider create --remote-id", f"https://{name}", "--description", "d", name)
    assert (made["id"], made["remote_ids"], made["enabled"]) == (name, [f"https://{name}"], True)
    assert openstack.json("mapping create --rules", rules, name)["id"] == name
    assert openstack.json("federation protocol create --identity-provider", name, "--mapping", name, "saml2")
    shown = openstack.json("federation protocol show --identity-provider", name, "saml2")
    assert shown["mapping"] == name
    openstack("mapping set --rules", rules, name)
    assert openstack.json("mapping show", name)["rules"] == RULES
    assert name in [one["ID"] for one in openstack.json("mapping list")]
    openstack("identity provider set --disable --remote-id", f"https://{name}.2", name)
    assert openstack.json("identity provider show", name)["enabled"] is False
    openstack("mapping create --rules", rules, f"{name}.2")
    change = f"federation protocol set --identity-provider {name} --mapping {name}.2 saml2"
    openstack.run(*change.split())  # the command does it, and ends with a status that is no number
    (shown,) = openstack.json("federation protocol list --identity-provider", name)
    assert (shown["id"], shown["mapping"]) == ("saml2", f"{name}.2")
    openstack("federation protocol delete --identity-provider", name, "saml2")
    openstack("identity provider delete", name)
    openstack("mapping delete", name, f"{name}.2")
    urls = ("--auth-url", "https://b/auth", "--service-provider-url", "https://b/sp")
    assert openstack.json("service provider create", *urls, name)["sp_url"] == "https://b/sp"
    openstack("service provider set --description d", name)
    assert openstack.json("service provider show", name)["description"] == "d"
    assert name in [one["ID"] for one in openstack.json("service provider list")]
    openstack("service provider delete", name)
    assert openstack.refused("identity provider show", name)


@pytest.mark.parametrize("way", ["v3oidcpassword", "v3oidcclientcredentials", "v3oidcaccesstoken"])
def test_the_command_signs_on_at_the_provider_and_lists_servers(
    openstack: Client, cloud: RunningCloud, provider: OpenIdProvider, rules: str, way: str
) -> None:
    project = "of-staff"
    if "acme" not in [one["ID"] for one in openstack.json("identity provider list")]:
        openstack("group create staff")
        openstack("project create", project)
        openstack("role add --group staff --project", project, "member")
        openstack("identity provider create --remote-id", provider.issuer, "acme")
        openstack("mapping create --rules", rules, "people")
        openstack("federation protocol create --identity-provider acme --mapping people openid")
    person = {
        "OS_CLIENT_CONFIG_FILE": "/dev/null",
        "OS_CLOUD": "",
        "OS_AUTH_TYPE": way,
        "OS_AUTH_URL": f"{cloud.url}/identity/v3",
        "OS_IDENTITY_PROVIDER": "acme",
        "OS_PROTOCOL": "openid",
        "OS_DISCOVERY_ENDPOINT": f"{provider.issuer}/.well-known/openid-configuration",
        "OS_CLIENT_ID": CLIENT,
        "OS_CLIENT_SECRET": SECRET,
        "OS_USERNAME": "ann",
        "OS_PASSWORD": "ann's own",
        "OS_PROJECT_NAME": project,
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }
    if way == "v3oidcaccesstoken":
        person["OS_ACCESS_TOKEN"] = provider.token("bob")
    issued = openstack.run("token", "issue", "-f", "json", as_=person)
    assert issued.status == 0, issued.err
    who = openstack.json("user show", json.loads(issued.out)["user_id"])["name"]
    assert who == {"v3oidcpassword": "ann", "v3oidcclientcredentials": CLIENT, "v3oidcaccesstoken": "bob"}[way]
    if way != "v3oidcpassword":
        return
    servers = openstack.run("server", "list", "-f", "json", as_=person)
    assert (servers.status, json.loads(servers.out)) == (0, []), servers.err
    projects = openstack.run("federation", "project", "list", "-f", "value", "-c", "Name", as_=person)
    assert (projects.status, projects.out.split()) == (0, [project]), projects.err


def test_a_user_of_one_cloud_works_in_another(openstack: Client, cloud: RunningCloud) -> None:
    """Here both are one: it takes its own word, as any other cloud's whose certificate is pinned."""
    if not (cloud.state / "self.pem").exists():
        metadata = httpx.get(f"{cloud.url}/identity/v3/OS-FEDERATION/saml2/metadata").text
        body = "\n".join(textwrap.wrap("".join(re.findall(r"X509Certificate>([^<]+)<", metadata)), 64))
        pem = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
        (cloud.state / "self.pem").write_text(pem)
        joint = {"name": "joint", "roles": [{"name": "reader"}]}
        local = [{"user": {"name": "guest {0}"}, "projects": [joint], "domain": {"name": "Default"}}]
        rules = [{"local": local, "remote": [{"type": "openstack_user"}]}]
        openstack("identity provider create --remote-id", entity(cloud.url), "self")
        mapping = {"mapping": {"rules": rules, "schema_version": "2.0"}}  # Debian 12's command knows no versions
        with cloud.user() as admin:
            assert admin.put("/identity/v3/OS-FEDERATION/mappings/k2k", json=mapping).status_code == 201
        openstack("federation protocol create --identity-provider self --mapping k2k saml2")
        there = f"{cloud.url}/identity/v3/OS-FEDERATION/identity_providers/self/protocols/saml2/auth"
        openstack("service provider create --auth-url", there, "--service-provider-url", there, "abroad")
    visit = Path(__file__).with_name("k2k_visit.py")
    met = openstack.python_run(visit, cloud.url, cloud.password, "abroad", "joint")
    assert met == {"user": "guest admin", "roles": ["reader"], "servers": []}
