"""Key pairs, quotas, limits, hosts, zones, usage and versions as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from events.compute import keypair as keypairs
from events.compute import quota as quotas
from events.compute import server as servers
from events.compute.quota import SetLimits
from events.envelope import CLOUD
from tests.gateway.compute.clouds import HOST, NOBODY, boot, furnish, run
from tests.worlds import FOREIGN, PROJECT, World, world

V = "/compute/v2.1"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGX6yd4UBfkGhw6vlOmJ3tPUB7tGuY3a1KwXcWpOKzUv compare"
FINGERPRINT = "af:0f:5b:5b:bf:ab:ab:83:28:64:b9:ab:c7:46:5d:3b"


async def bring(w: World, name: str, version: str = "2.100", as_: str = "member", **more: Any) -> Any:
    return await w.call("POST", f"{V}/os-keypairs", {"keypair": {"name": name, **more}}, as_=as_, version=version)


async def test_a_key_is_brought() -> None:
    async with world() as w:
        answer = await bring(w, "mine", public_key=KEY)
        assert answer.status_code == 201
        assert answer.json()["keypair"] == {
            "name": "mine",
            "public_key": KEY,
            "fingerprint": FINGERPRINT,
            "type": "ssh",
            "user_id": "member-user",
        }
        assert (await bring(w, "old", "2.1", public_key=KEY)).status_code == 200
        again = await bring(w, "mine", public_key=KEY)
        assert again.json()["conflictingRequest"]["message"] == "Key pair 'mine' already exists."
        shown = (await w.call("GET", f"{V}/os-keypairs/mine", as_="member")).json()["keypair"]
        assert "type" not in shown
        assert shown["deleted"] is False


async def test_a_key_made_here_is_told_once() -> None:
    async with world() as w:
        made = (await bring(w, "made", "2.91")).json()["keypair"]
        assert made["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
        assert made["public_key"].startswith("ssh-rsa ")
        state = w.fold.get(keypairs, ("member-user", "made"))
        assert state is not None
        assert "PRIVATE" not in repr(state)
        answer = await bring(w, "not", "2.92")
        assert "'public_key' is a required property" in answer.json()["badRequest"]["message"]


@pytest.mark.parametrize("key", ["nonsense", "", "ssh-rsa AAAA", "ssh-rsa !!!", KEY.replace("ed25519", "rsa"), "a\nb"])
async def test_nonsense_is_no_key(key: str) -> None:
    async with world() as w:
        answer = await bring(w, "x", public_key=key)
        assert answer.json()["badRequest"]["message"] == "Keypair data is invalid: failed to generate fingerprint"


async def test_names_of_keys_are_plain() -> None:
    async with world() as w:
        assert (await bring(w, "a@b.c", "2.91", public_key=KEY)).status_code == 400
        assert (await bring(w, "a@b.c", "2.92", public_key=KEY)).status_code == 201
        for name in ("a/b", "", " a", "x" * 256):
            assert (await bring(w, name, public_key=KEY)).status_code == 400


async def test_keys_are_their_users_own() -> None:
    async with world() as w:
        await bring(w, "b", public_key=KEY)
        await bring(w, "a", public_key=KEY)
        assert (await w.call("GET", f"{V}/os-keypairs/a", as_="reader")).status_code == 404
        page = (await w.call("GET", f"{V}/os-keypairs?limit=1", as_="member", version="2.35")).json()
        assert [one["keypair"]["name"] for one in page["keypairs"]] == ["a"]
        assert page["keypairs_links"][0]["href"].endswith("?limit=1&marker=a")
        theirs = await w.call("GET", f"{V}/os-keypairs?user_id=member-user", version="2.10")
        assert len(theirs.json()["keypairs"]) == 2
        asked = await w.call("GET", f"{V}/os-keypairs?user_id=member-user", as_="reader", version="2.10")
        assert asked.status_code == 403
        assert (await bring(w, "c", as_="admin", public_key=KEY, user_id="member-user")).status_code == 201
        assert (await w.call("DELETE", f"{V}/os-keypairs/a", as_="member")).status_code == 202
        assert (await w.call("DELETE", f"{V}/os-keypairs/b", as_="member", version="2.2")).status_code == 204
        gone = await w.call("DELETE", f"{V}/os-keypairs/b", as_="member")
        assert gone.json()["itemNotFound"]["message"] == "Keypair b not found for user member-user"


async def test_there_is_a_quota_of_keys() -> None:
    async with world() as w:
        await w.execute(quotas, SetLimits(id=PROJECT, limits={"key_pairs": 1}), CLOUD)
        assert (await bring(w, "a", public_key=KEY)).status_code == 201
        answer = await bring(w, "b", public_key=KEY)
        assert answer.json()["forbidden"]["message"] == "Quota exceeded, too many key pairs."


async def test_quotas_are_shown_set_and_reset() -> None:
    async with world() as w:
        await furnish(w)
        await boot(w)
        here = f"{V}/os-quota-sets/{PROJECT}"
        old = (await w.call("GET", here, as_="member")).json()["quota_set"]
        assert (old["id"], old["instances"], old["floating_ips"]) == (PROJECT, 10, -1)
        new = (await w.call("GET", here, version="2.100")).json()["quota_set"]
        assert not {"floating_ips", "injected_files"} & set(new)
        assert "injected_files" in (await w.call("GET", here, version="2.56")).json()["quota_set"]
        changed = await w.call("PUT", here, {"quota_set": {"instances": "3", "cores": -1}})
        assert (changed.json()["quota_set"]["instances"], changed.json()["quota_set"]["cores"]) == (3, -1)
        detail = (await w.call("GET", f"{here}/detail", version="2.57")).json()["quota_set"]
        assert detail["instances"] == {"limit": 3, "in_use": 1, "reserved": 0}
        assert (await w.call("GET", f"{here}/defaults")).json()["quota_set"]["instances"] == 10
        below = await w.call("PUT", here, {"quota_set": {"instances": 0}})
        assert "must be greater than or equal to already used" in below.json()["badRequest"]["message"]
        assert (await w.call("PUT", here, {"quota_set": {"instances": 0, "force": True}})).status_code == 200
        assert (await w.call("DELETE", here)).status_code == 202
        assert (await w.call("GET", here)).json()["quota_set"]["instances"] == 10


async def test_quotas_that_make_no_sense_are_refused() -> None:
    async with world() as w:
        here = f"{V}/os-quota-sets/{PROJECT}"
        for wrong in ({"instances": -2}, {"instances": "x"}, {"instances": 1 << 31}, {"bogus": 1}, {"instances": None}):
            assert (await w.call("PUT", here, {"quota_set": wrong})).status_code == 400, wrong
        assert (await w.call("PUT", here, {"quota_set": {}}, as_="member")).status_code == 403
        nobody = await w.call("GET", f"{V}/os-quota-sets/nosuch")
        assert nobody.json()["badRequest"]["message"] == "Project ID nosuch is not a valid project."
        assert (await w.call("GET", here, as_="foreign")).status_code == 403
        assert (await w.call("GET", f"{V}/os-quota-sets/{FOREIGN}", as_="foreign")).status_code == 200


async def test_limits_tell_what_is_used() -> None:
    async with world() as w:
        await furnish(w)
        await boot(w)
        old = (await w.call("GET", f"{V}/limits", as_="member")).json()["limits"]["absolute"]
        assert (old["maxTotalInstances"], old["totalInstancesUsed"], old["totalRAMUsed"]) == (10, 1, 64)
        assert (old["maxImageMeta"], old["maxPersonality"]) == (128, 5)
        new = (await w.call("GET", f"{V}/limits", as_="member", version="2.57")).json()["limits"]["absolute"]
        assert not {"maxImageMeta", "maxPersonality", "maxSecurityGroups"} & set(new)


async def test_a_host_is_a_service_and_a_hypervisor() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await run(w, id)
        service = (await w.call("GET", f"{V}/os-services", version="2.69")).json()["services"][0]
        assert (service["host"], service["binary"], service["state"], service["status"]) == (
            HOST,
            "nova-compute",
            "up",
            "enabled",
        )
        assert isinstance((await w.call("GET", f"{V}/os-services")).json()["services"][0]["id"], int)
        old = (await w.call("GET", f"{V}/os-hypervisors/detail", version="2.87")).json()["hypervisors"][0]
        assert (old["vcpus"], old["memory_mb"], old["running_vms"]) == (8, 8192, 1)
        new = (await w.call("GET", f"{V}/os-hypervisors/{old['id']}?with_servers=true", version="2.88")).json()
        assert "vcpus" not in new["hypervisor"]
        assert new["hypervisor"]["servers"] == [{"name": "web", "uuid": id}]
        assert (await w.call("GET", f"{V}/os-hypervisors/{NOBODY}", version="2.88")).status_code == 404
        assert (await w.call("GET", f"{V}/os-hypervisors/1", version="2.53")).status_code == 400
        assert (await w.call("GET", f"{V}/os-hypervisors/host/search")).json()["hypervisors"][0]["status"] == "enabled"
        assert (await w.call("GET", f"{V}/os-hypervisors/x/search")).status_code == 404
        statistics = (await w.call("GET", f"{V}/os-hypervisors/statistics")).json()["hypervisor_statistics"]
        assert (statistics["count"], statistics["vcpus"]) == (1, 8)
        assert (await w.call("GET", f"{V}/os-hypervisors/statistics", version="2.88")).status_code == 404
        assert (await w.call("GET", f"{V}/os-hypervisors", as_="member")).status_code == 403
        assert (await w.call("DELETE", f"{V}/os-services/{service['id']}", version="2.53")).status_code == 409


async def test_a_service_is_disabled_and_forced_down() -> None:
    async with world() as w:
        await furnish(w)
        id = (await w.call("GET", f"{V}/os-services", version="2.53")).json()["services"][0]["id"]
        here = f"{V}/os-services/{id}"
        off = await w.call("PUT", here, {"status": "disabled", "disabled_reason": "broken"}, version="2.53")
        assert off.json()["service"]["disabled_reason"] == "broken"
        down = await w.call("PUT", here, {"status": "enabled", "forced_down": True}, version="2.53")
        assert (down.json()["service"]["state"], down.json()["service"]["status"]) == ("down", "enabled")
        old = await w.call("PUT", f"{V}/os-services/disable", {"host": HOST, "binary": "nova-compute"})
        assert old.json()["service"] == {"host": HOST, "binary": "nova-compute", "status": "disabled"}
        nowhere = await w.call("PUT", f"{V}/os-services/disable", {"host": "x", "binary": "nova-compute"})
        assert nowhere.json()["itemNotFound"]["message"] == "Host 'x' is not mapped to any cell"
        for wrong in ({}, {"status": "x"}, {"disabled_reason": "x"}, {"bogus": 1}):
            assert (await w.call("PUT", here, wrong, version="2.53")).status_code == 400
        assert (await w.call("DELETE", here, version="2.53")).status_code == 204
        assert (await w.call("DELETE", here, version="2.53")).status_code == 404


async def test_a_zone_is_available_while_one_of_its_hosts_is() -> None:
    async with world() as w:
        await furnish(w)
        zones = (await w.call("GET", f"{V}/os-availability-zone", as_="member")).json()["availabilityZoneInfo"]
        assert zones == [{"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}]
        await w.call("PUT", f"{V}/os-services/disable", {"host": HOST, "binary": "nova-compute"})
        detail = (await w.call("GET", f"{V}/os-availability-zone/detail")).json()["availabilityZoneInfo"]
        assert [(one["zoneName"], one["zoneState"]["available"]) for one in detail] == [
            ("internal", True),
            ("nova", False),
        ]
        assert detail[1]["hosts"][HOST]["nova-compute"]["active"] is False
        assert (await w.call("GET", f"{V}/os-availability-zone/detail", as_="member")).status_code == 403


async def test_usage_is_counted_from_the_launch() -> None:
    async with world() as w:
        await furnish(w)
        await run(w, await boot(w))
        span = "start=2026-01-01T00:00:00&end=2100-01-01T00:00:00"
        usage = (await w.call("GET", f"{V}/os-simple-tenant-usage/{PROJECT}?{span}")).json()["tenant_usage"]
        assert usage["tenant_id"] == PROJECT
        assert usage["server_usages"][0]["state"] == "active"
        assert usage["total_hours"] > 0
        every = (await w.call("GET", f"{V}/os-simple-tenant-usage?{span}")).json()["tenant_usages"]
        assert [one["tenant_id"] for one in every] == [PROJECT]
        nothing = await w.call("GET", f"{V}/os-simple-tenant-usage/{FOREIGN}?{span}")
        assert nothing.json() == {"tenant_usage": {}}
        for wrong in ("start=x", "start=2026-01-02T00:00:00&end=2026-01-01T00:00:00"):
            assert (await w.call("GET", f"{V}/os-simple-tenant-usage?{wrong}")).status_code == 400


async def test_the_versions_are_told_to_anyone() -> None:
    async with world() as w:
        for path in ("/compute", "/compute/"):
            answer = await w.http.get(path)
            assert [one["id"] for one in answer.json()["versions"]] == ["v2.1"]
        for path in (V, f"{V}/"):
            version = (await w.http.get(path)).json()["version"]
            assert (version["min_version"], version["version"]) == ("2.1", "2.100")
            assert version["links"][0]["href"] == "http://cloud.test/compute/v2.1/"


async def test_what_is_gone_is_said_to_be_gone() -> None:
    async with world() as w:
        for path in ("os-cells", "os-fping", "os-agents", f"servers/{NOBODY}/consoles"):
            assert (await w.call("GET", f"{V}/{path}")).status_code == 410
        assert (await w.call("GET", f"{V}/extensions/os-keypairs")).json()["extension"]["alias"] == "os-keypairs"
        assert (await w.call("GET", f"{V}/extensions/nosuch")).status_code == 404
        assert not w.fold.all(servers)
