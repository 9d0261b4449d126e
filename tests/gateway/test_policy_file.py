"""The operator's policy file: what it changes, what it refuses, and what `cumulog policy` tells of it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from gateway import cli, policy_file
from gateway.policy import Policy
from gateway.rules import BadRule
from tests.waiting import PATIENCE, until
from tests.worlds import PROJECT, World, world


async def status(w: World, method: str, path: str, who: str, body: object = None) -> int:
    return (await w.call(method, path, body, as_=who)).status_code


def written(path: Path, text: str) -> Path:
    file = path / "policy.yaml"
    file.write_text(text)
    return file


async def test_an_operator_gives_a_right_and_takes_one(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '"create_network:shared": "role:member"\n'
        '"os_compute_api:os-hypervisors:list": "rule:watchers or rule:context_is_admin"\n'
        '"watchers": "role:reader"\n'
        "network:\n"
        '  "create_subnet": "!"\n',
    )
    async with world() as w:
        network = {"network": {"name": "n", "shared": True}}
        assert await status(w, "POST", "/network/v2.0/networks", "member", network) == 403
        assert await status(w, "GET", "/compute/v2.1/os-hypervisors", "reader") == 403
        policy_file.take(w.cloud.policy, file)
        made = await w.call("POST", "/network/v2.0/networks", network, as_="member")
        assert made.status_code == 201
        assert await status(w, "POST", "/network/v2.0/networks", "reader", network) == 403
        assert await status(w, "GET", "/compute/v2.1/os-hypervisors", "reader") == 200
        subnet = {"subnet": {"network_id": made.json()["network"]["id"], "cidr": "10.0.0.0/24", "ip_version": 4}}
        assert await status(w, "POST", "/network/v2.0/subnets", "admin", subnet) == 403
        file.unlink()
        policy_file.take(w.cloud.policy, file)
        assert await status(w, "POST", "/network/v2.0/subnets", "admin", subnet) == 201
        assert await status(w, "GET", "/compute/v2.1/os-hypervisors", "reader") == 403


async def test_a_former_name_of_a_rule_goes_for_those_of_today(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(
        tmp_path,
        '"os_compute_api:os-hypervisors": "role:reader"\n'
        '"os_compute_api:os-hypervisors:statistics": "!"\n'
        '"os_compute_api:os-services": "rule:os_compute_api:os-services:list"\n'
        'network:\n  "create_networks_tags": "!"\n',
    )
    async with world() as w:
        policy_file.take(w.cloud.policy, file)
        assert await status(w, "GET", "/compute/v2.1/os-hypervisors", "reader") == 200
        assert await status(w, "GET", "/compute/v2.1/os-hypervisors/statistics", "admin") == 403
        assert await status(w, "GET", "/compute/v2.1/os-services", "reader") == 403
        assert await status(w, "GET", "/compute/v2.1/os-services", "admin") == 200
        assert w.cloud.policy.tables["network"].check("create_network:tags") == "!"
    said = [record.getMessage() for record in caplog.records]
    assert any("`os_compute_api:os-hypervisors` goes for" in one for one in said)
    assert not any("there is no rule" in one for one in said)


async def test_who_is_an_admin_is_the_operators_word_too(tmp_path: Path) -> None:
    file = written(tmp_path, 'compute:\n  context_is_admin: "role:admin or user_id:member-user"\n')
    async with world() as w:
        path = "/compute/v2.1/servers?all_tenants=1"
        assert await status(w, "GET", path, "member") == 403
        policy_file.take(w.cloud.policy, file)
        assert await status(w, "GET", path, "member") == 200
        assert await status(w, "GET", path, "reader") == 403
        other = {"network": {"project_id": "2" * 32}}
        assert await status(w, "POST", "/network/v2.0/networks", "member", other) == 400  # of compute alone


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"get_image": "role:admin and"', "get_image: it ends too early"),
        ('"get_image": "rule:nosuch"', "there is no rule `nosuch`"),
        ('"get_image": "rule:get_image"', "round in a circle"),
        ('"get_image": ["role:admin"]', "the check of `get_image` is no text"),
        ("image:\n  get_image: 5", "the check of `image: get_image` is no text"),
        ("- role:admin", "holds no rules"),
        ("a: b: c", "is no YAML"),
        ('"get_image": "http://x/%(y)s"', "questions to other servers"),
    ],
)
async def test_a_mistake_in_the_file_is_told_and_changes_nothing(tmp_path: Path, text: str, words: str) -> None:
    async with world() as w:
        before = {name: dict(table.guards) for name, table in w.cloud.policy.tables.items()}
        with pytest.raises(BadRule) as told:
            policy_file.take(w.cloud.policy, written(tmp_path, text))
        assert words in str(told.value)
        assert "policy.yaml" in str(told.value)
        assert before.keys() == w.cloud.policy.tables.keys()
        assert await status(w, "GET", "/image/v2/images", "reader") == 200


def test_a_name_that_is_no_rule_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = written(tmp_path, '"identity:list_user": "@"\nimage:\n  get_imago: "@"\n')
    with caplog.at_level(logging.WARNING, "cumulog.policy"):
        policy = Policy()
        policy_file.take(policy, file)
    assert [record.args[1] for record in caplog.records if isinstance(record.args, tuple)] == [
        "identity:list_user",
        "image: get_imago",
    ]


async def test_the_file_is_read_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(policy_file, "LOOK", 0.01)
    async with world() as w:
        watching = asyncio.create_task(policy_file.watch(w.cloud.policy, tmp_path / "policy.yaml"))
        await asyncio.sleep(0)  # it has seen that there is no file

        async def becomes(wanted: int) -> None:
            async with asyncio.timeout(PATIENCE):
                while await status(w, "GET", "/image/v2/images", "member") != wanted:
                    await asyncio.sleep(0.01)

        written(tmp_path, '"get_images": "role:admin"\n')
        await becomes(403)
        written(tmp_path, '"get_images": "role:admin and and"\n')
        await until(lambda: "what was in force stays" in caplog.text)
        await becomes(403)
        (tmp_path / "policy.yaml").unlink()
        await becomes(200)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def asked(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as end:
        cli.main(["policy", *words, "--state", str(path)])
    return end.value.code, capsys.readouterr().out


def test_the_rules_are_listed_as_a_sample_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = asked(capsys, tmp_path, "list")
    assert code == 0
    assert '# show a role\n# GET /identity/v3/roles/{id}\n# with a token of: domain, project, system\n#"iden' in text
    (tmp_path / "all.yaml").write_text(
        "\n".join(line.removeprefix("#") for line in text.splitlines() if ": " in line and line.startswith('#"'))
    )
    policy_file.take(Policy(), tmp_path / "all.yaml")  # it is one
    written(tmp_path, '"get_images": "role:auditor"\n')
    assert (
        '# default: rule:context_is_admin or (role:reader and project_id:%(project_id)s)\n"get_images": "role:auditor"'
        in (asked(capsys, tmp_path, "list", "--service", "image")[1])
    )
    assert "* get_images " in asked(capsys, tmp_path, "list", "--format", "table")[1]


def test_a_check_that_depends_on_the_thing_says_what_to_tell_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = asked(capsys, tmp_path, "check", "identity:create_user", "--persona", "domain-manager")
    assert code == 0
    assert "it depends on the thing: say --target target.user.domain_id=…" in text


def test_a_check_says_who_may_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = "os_compute_api:servers:delete"
    code, text = asked(
        capsys, tmp_path, "check", rule, "--persona", "project-member", "--target", f"project_id={PROJECT}"
    )
    assert code == 1
    assert "     no        project_id:%(project_id)s" in text.replace("          project", "        project")
    assert (
        asked(capsys, tmp_path, "check", rule, "--persona", "project-member", "--target", "project_id=a-project")[0]
        == 0
    )
    code, text = asked(capsys, tmp_path, "check", rule, "--persona", "system-admin")
    assert (code, "it takes a token of: project" in text) == (1, True)
    code, text = asked(capsys, tmp_path, "check", "--persona", "project-reader")
    assert (code, "own  os_compute_api:servers:show: show a server" in text) == (0, True)
    assert "servers:create" not in text
    assert "there is no rule" in str(asked(capsys, tmp_path, "check", "nosuch", "--persona", "unscoped")[0])
