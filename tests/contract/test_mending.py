"""The commands that look after a cloud, run as an operator runs them."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.contract.clouds import cumulog, running


def test_a_locked_out_cloud_is_mended_while_it_runs(tmp_path: Path) -> None:
    with running(tmp_path / "cloud", hosts=1) as cloud:
        before = cloud.password
        with cloud.user() as admin:
            me = admin.get("/identity/v3/users?name=admin").json()["users"][0]["id"]
            assert admin.patch(f"/identity/v3/users/{me}", json={"user": {"enabled": False}}).status_code == 200
        mended = cloud.run("bootstrap")
        assert mended.returncode == 0, mended.stderr
        assert cloud.password != before
        with cloud.user() as admin:
            assert admin.get("/identity/v3/users").status_code == 200
        body = {"methods": ["password"], "password": {"user": {"id": me, "password": before}}}
        answer = httpx.post(f"{cloud.url}/identity/v3/auth/tokens", json={"auth": {"identity": body}}, timeout=30)
        assert answer.status_code == 401


def test_a_destroyed_cloud_is_gone_and_a_running_one_is_not_destroyed(tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    with running(state, hosts=1) as cloud:
        refused = cloud.run("destroy", "--yes")
        assert refused.returncode != 0
        assert "in use" in refused.stderr
        assert cloud.stop() == 0
    destroyed = cumulog(state, "destroy", "--yes")
    assert destroyed.returncode == 0, destroyed.stderr
    assert not state.exists()
    assert "there is no cloud" in cumulog(state, "destroy", "--yes").stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    wrong = cumulog(tmp_path / "cloud", "up", "--set", "compute.patience=soon")
    assert wrong.returncode != 0
    assert "compute.patience" in wrong.stderr
