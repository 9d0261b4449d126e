"""Security groups, their rules, and quotas as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.network.calls import NOWHERE, a_network, ask, make, refusal
from tests.worlds import PROJECT, world


async def test_the_default_group_is_there_from_the_first_look() -> None:
    async with world() as w:
        shown = (await ask(w, "GET", "/security-groups", as_="member")).json()["security_groups"]
        assert [(one["name"], one["description"]) for one in shown] == [("default", "Default security group")]
        rules = shown[0]["security_group_rules"]
        assert [(rule["direction"], rule["ethertype"]) for rule in rules] == [
            ("egress", "IPv4"),
            ("egress", "IPv6"),
            ("ingress", "IPv4"),
            ("ingress", "IPv6"),
        ]
        assert {rule["remote_group_id"] for rule in rules} == {None, shown[0]["id"]}
        details = (await ask(w, "GET", f"/quotas/{PROJECT}/details.json")).json()["quota"]
        assert (details["security_group"]["used"], details["security_group_rule"]["used"]) == (1, 4)
        again = await ask(w, "POST", "/security-groups", {"security_group": {"name": "Default"}}, as_="member")
        assert refusal(again) == (
            409,
            "SecurityGroupDefaultAlreadyExists",
            "Default security group already exists.",
        )
        renamed = await ask(w, "PUT", f"/security-groups/{shown[0]['id']}", {"security_group": {"name": "x"}})
        assert refusal(renamed)[:2] == (409, "SecurityGroupCannotUpdateDefault")
        gone = await ask(w, "DELETE", f"/security-groups/{shown[0]['id']}", as_="member")
        assert refusal(gone)[:2] == (409, "SecurityGroupCannotRemoveDefault")


async def test_a_group_is_made_changed_and_deleted() -> None:
    async with world() as w:
        made = await make(w, "security_group", name="web", description="d")
        assert (made["stateful"], made["shared"], len(made["security_group_rules"])) == (True, False, 2)
        path = f"/security-groups/{made['id']}"
        changed = await ask(w, "PUT", path, {"security_group": {"name": "new", "stateful": False}}, as_="member")
        assert changed.json()["security_group"]["name"] == "new"
        assert (await ask(w, "GET", path, as_="foreign")).status_code == 404
        assert (await ask(w, "DELETE", path, as_="foreign")).status_code == 404
        network, _ = await a_network(w)
        port = await make(w, "port", network_id=network, security_groups=[made["id"]])
        in_use = await ask(w, "DELETE", path, as_="member")
        assert refusal(in_use) == (409, "SecurityGroupInUse", f"Security Group {made['id']} in use.")
        await ask(w, "DELETE", f"/ports/{port['id']}")
        assert (await ask(w, "DELETE", path, as_="member")).status_code == 204
        used = (await ask(w, "GET", f"/quotas/{PROJECT}/details.json")).json()["quota"]
        assert (used["security_group"]["used"], used["security_group_rule"]["used"]) == (1, 4)


async def test_rules_go_with_the_group_they_speak_of() -> None:
    async with world() as w:
        one, other = await make(w, "security_group", name="a"), await make(w, "security_group", name="b")
        rule = {"security_group_id": one["id"], "direction": "ingress", "remote_group_id": other["id"]}
        made = await make(w, "security_group_rule", **rule)
        assert (await ask(w, "DELETE", f"/security-groups/{other['id']}")).status_code == 204
        assert (await ask(w, "GET", f"/security-group-rules/{made['id']}")).status_code == 404


async def test_a_rule_has_the_whole_document() -> None:
    async with world() as w:
        group = (await make(w, "security_group", name="web"))["id"]
        made = await make(
            w,
            "security_group_rule",
            security_group_id=group,
            direction="ingress",
            protocol="TCP",
            port_range_min="22",
            port_range_max=22,
            remote_ip_prefix="10.0.0.5/8",
        )
        assert made["protocol"] == "tcp"
        assert (made["port_range_min"], made["normalized_cidr"]) == (22, "10.0.0.0/8")
        assert set(made) == {
            *("id", "tenant_id", "project_id", "security_group_id", "ethertype", "direction", "protocol"),
            *("port_range_min", "port_range_max", "remote_ip_prefix", "remote_address_group_id"),
            *("normalized_cidr", "remote_group_id", "belongs_to_default_sg", "description"),
            *("created_at", "updated_at", "revision_number"),
        }
        path = f"/security-group-rules/{made['id']}"
        assert (await ask(w, "GET", path, as_="member")).json() == {"security_group_rule": made}
        assert (await ask(w, "GET", path, as_="foreign")).status_code == 404
        listed = await ask(w, "GET", f"/security-group-rules?security_group_id={group}&protocol=tcp&fields=id")
        assert listed.json() == {"security_group_rules": [{"id": made["id"]}]}
        described = await ask(w, "PUT", path, {"security_group_rule": {"description": "ssh"}}, as_="member")
        assert described.json()["security_group_rule"]["description"] == "ssh"
        fixed = await ask(w, "PUT", path, {"security_group_rule": {"protocol": "udp"}})
        assert refusal(fixed)[2] == "Cannot update read-only attribute protocol"
        assert (await ask(w, "DELETE", path, as_="member")).status_code == 204
        gone = await ask(w, "DELETE", path, as_="member")
        assert refusal(gone)[:2] == (404, "SecurityGroupRuleNotFound")


TCP = {"protocol": "tcp"}


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"direction": "sideways"}, 400, "HTTPBadRequest"),
        ({"ethertype": "IPv5"}, 400, "SecurityGroupRuleInvalidEtherType"),
        ({"protocol": "carrier-pigeon"}, 400, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": 256}, 400, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": ["tcp"]}, 400, "SecurityGroupRuleInvalidProtocol"),
        ({**TCP, "port_range_min": 90, "port_range_max": 80}, 400, "SecurityGroupInvalidPortRange"),
        ({**TCP, "port_range_min": 90}, 400, "SecurityGroupInvalidPortRange"),
        ({**TCP, "port_range_min": 0, "port_range_max": 0}, 400, "SecurityGroupInvalidPortValue"),
        ({**TCP, "port_range_min": "x", "port_range_max": 1}, 400, "SecurityGroupInvalidPortValue"),
        ({"port_range_min": 80, "port_range_max": 80}, 400, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "gre", "port_range_min": 1, "port_range_max": 2}, 400, "SecurityGroupInvalidProtocolForPort"),
        ({"protocol": "icmp", "port_range_min": 300}, 400, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "icmp", "port_range_max": 3}, 400, "SecurityGroupMissingIcmpType"),
        ({"protocol": "icmpv6"}, 400, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"remote_ip_prefix": "zz"}, 400, "InvalidCIDR"),
        ({"remote_ip_prefix": "fd00::/8"}, 400, "SecurityGroupRuleParameterConflict"),
        ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": NOWHERE}, 400, "SecurityGroupMultipleRemoteEntites"),
        ({"remote_group_id": NOWHERE}, 404, "SecurityGroupNotFound"),
        ({"remote_group_id": {"a": 1}}, 404, "SecurityGroupNotFound"),
        ({"remote_address_group_id": NOWHERE}, 404, "AddressGroupNotFound"),
        ({"security_group_id": NOWHERE}, 404, "SecurityGroupNotFound"),
        ({"direction": "egress"}, 409, "SecurityGroupRuleExists"),
        ({"bogus": 1}, 400, "HTTPBadRequest"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(values: dict[str, Any], status: int, kind: str) -> None:
    async with world() as w:
        group = (await make(w, "security_group", name="web"))["id"]
        body = {"security_group_rule": {"security_group_id": group, "direction": "ingress"} | values}
        assert refusal(await ask(w, "POST", "/security-group-rules", body, as_="member"))[:2] == (status, kind)


async def test_rules_of_one_group_are_added_all_or_none() -> None:
    async with world() as w:
        one, other = await make(w, "security_group", name="a"), await make(w, "security_group", name="b")
        rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}

        async def post(*rules: dict[str, Any]) -> tuple[int, str]:
            answer = await ask(w, "POST", "/security-group-rules", {"security_group_rules": rules}, as_="member")
            return refusal(answer)[:2]

        mine = {**rule, "security_group_id": one["id"]}
        assert await post(mine, mine) == (409, "DuplicateSecurityGroupRuleInPost")
        theirs = {**rule, "security_group_id": other["id"]}
        assert await post(mine, theirs) == (400, "SecurityGroupNotSingleGroupRules")
        await ask(w, "PUT", f"/quotas/{PROJECT}", {"quota": {"security_group_rule": 8}})
        assert await post(mine) == (409, "OverQuota")
        foreign = await ask(w, "POST", "/security-group-rules", {"security_group_rule": mine}, as_="foreign")
        assert refusal(foreign)[:2] == (403, "PolicyNotAuthorized")


async def test_quotas_are_shown_set_and_reset() -> None:
    async with world() as w:
        shown = (await ask(w, "GET", f"/quotas/{PROJECT}", as_="manager")).json()["quota"]
        assert (shown["network"], shown["port"], shown["security_group"], shown["trunk"]) == (100, 500, 10, -1)
        assert (await ask(w, "GET", "/quotas")).json() == {"quotas": []}
        put = await ask(w, "PUT", "/quotas/other", {"quota": {"network": "3"}})
        assert put.json()["quota"]["network"] == 3
        listed = (await ask(w, "GET", "/quotas")).json()["quotas"]
        assert [(one["project_id"], one["network"]) for one in listed] == [("other", 3)]
        assert (await ask(w, "GET", "/quotas/other/default")).json()["quota"]["network"] == 100
        assert (await ask(w, "DELETE", "/quotas/other")).status_code == 204
        assert refusal(await ask(w, "DELETE", "/quotas/other"))[:2] == (404, "TenantQuotaNotFound")
        for values, message in (
            ({"bogus": 3}, "Unrecognized attribute(s) 'bogus'"),
            ({"network": -5}, "Invalid input for network. Reason: '-5' is too small - must be at least '-1'."),
            ({"network": None}, "Invalid input for operation: 'None' is not an integer."),
        ):
            assert refusal(await ask(w, "PUT", "/quotas/other", {"quota": values}))[::2] == (400, message)
        await make(w, "network")
        low = await ask(w, "PUT", f"/quotas/{PROJECT}", {"quota": {"network": 0}})
        assert "must be greater than or equal to already used 1" in refusal(low)[2]
        forced = await ask(w, "PUT", f"/quotas/{PROJECT}", {"quota": {"network": 0, "force": True}})
        assert forced.status_code == 200
        assert (await ask(w, "GET", "/quotas", as_="member")).status_code == 403
        assert (await ask(w, "GET", f"/quotas/{PROJECT}", as_="foreign")).status_code == 403
        denied = await ask(w, "PUT", f"/quotas/{PROJECT}", {"quota": {}}, as_="member")
        assert refusal(denied)[2] == "rule:update_quota is disallowed by policy"
