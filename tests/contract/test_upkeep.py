"""The log is archived, the tables are made anew, and both are checked: beside a running cloud and of a stopped one."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import httpx
import pytest

from tests.contract.clouds import RunningCloud, cumulog, found, running
from tests.waiting import wait_until

FLAVORS = "/compute/v2.1/flavors"


def a_flavor(name: str) -> dict[str, object]:
    return {"flavor": {"name": name, "ram": 64, "vcpus": 1, "disk": 1}}


def names(admin: httpx.Client) -> set[str]:
    return {flavor["name"] for flavor in found(admin.get(FLAVORS))["flavors"]}


def done(cloud: RunningCloud, *words: str) -> str:
    result = cloud.run(*words)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_cloud_is_archived_rebuilt_and_checked_while_it_is_used(tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    with running(state, hosts=1) as cloud, cloud.user() as admin:
        made: set[str] = set()
        failed: list[int] = []
        stop = threading.Event()

        def work() -> None:
            n = 0
            while not stop.wait(0.01):
                n += 1
                answer = admin.post(FLAVORS, json=a_flavor(f"f{n}"))
                if answer.status_code == 200:
                    made.add(f"f{n}")
                    found(admin.get(f"{FLAVORS}?sort_key=name&limit=3"))
                else:
                    failed.append(answer.status_code)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            assert "Epoch 1," in done(cloud, "archive")
            assert "resources in" in done(cloud, "rebuild")
            assert "Epoch 2, " in done(cloud, "archive")
            assert ": 0 findings" in done(cloud, "verify")
        finally:
            stop.set()
            worker.join()
        assert not failed
        assert made <= names(admin)
        assert len(list((state / "archive").glob("epoch-*/manifest.json"))) == 2
    (newest,) = sorted((state / "checkpoints").iterdir(), key=lambda file: int(file.stem))[-1:]
    for old in state.glob("tables.duckdb*"):
        old.unlink()
    said = cumulog(state, "verify", "--checkpoint", str(newest)).stdout
    assert "and the tables checked: 0 findings" in said
    assert "Epoch 3" in cumulog(state, "archive").stdout
    with running(state, hosts=1, arguments=("--set", "archive.commits=20")) as cloud, cloud.user() as admin:
        assert made <= names(admin)  # from the archive
        assert int(own_checkpoint(state, cloud, admin).stem) > int(newest.stem)


def own_checkpoint(state: Path, cloud: RunningCloud, admin: httpx.Client) -> Path:
    """The one that the cloud writes with the epoch that it closes and archives by itself."""
    before = set((state / "checkpoints").iterdir())
    for n in range(20):
        found(admin.post(FLAVORS, json=a_flavor(f"more{n}")))
    file: Path
    (file,) = wait_until(lambda: set((state / "checkpoints").iterdir()) - before)
    assert ": 0 findings" in done(cloud, "verify", "--checkpoint", str(file))
    return file


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a stopped cloud that has an archive and a log after it: its directory, and its log as it once was."""
    tmp_path = tmp_path_factory.mktemp("lived")
    state = tmp_path / "cloud"
    with running(state, hosts=1) as cloud, cloud.user() as admin:
        found(admin.post(FLAVORS, json=a_flavor("one")))
        done(cloud, "archive")
        found(admin.post(FLAVORS, json=a_flavor("two")))
        shutil.copytree(state / "journal", tmp_path / "before")
        done(cloud, "archive")
    assert ": 0 findings" in cumulog(state, "verify").stdout
    return tmp_path


@pytest.fixture
def archived(lived: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(lived, tmp_path, dirs_exist_ok=True)
    return tmp_path / "cloud"


def test_what_was_changed_in_the_archive_is_found(archived: Path) -> None:
    for kind in ("commits.parquet", "manifest.json"):
        (file,) = (archived / "archive" / "epoch-0001").glob(f"*{kind}")
        good = file.read_bytes()
        data = bytearray(good or b"x")
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        checked = cumulog(archived, "verify")
        assert checked.returncode == 1, f"{kind}: {checked.stdout}"
        file.write_bytes(good)
    shutil.rmtree(archived / "archive" / "epoch-0001")
    assert "missing in the archive" in cumulog(archived, "verify").stdout


def test_a_tail_that_was_cut_off_is_missed_by_a_checkpoint(archived: Path, tmp_path: Path) -> None:
    (newest,) = sorted((archived / "checkpoints").iterdir(), key=lambda file: int(file.stem))[-1:]
    shutil.rmtree(archived / "archive" / "epoch-0002")
    shutil.rmtree(archived / "journal")
    shutil.copytree(tmp_path / "before", archived / "journal")
    for old in archived.glob("tables.duckdb*"):
        old.unlink()
    assert cumulog(archived, "verify").returncode == 0  # nothing in it tells
    checked = cumulog(archived, "verify", "--checkpoint", str(newest))
    assert checked.returncode == 1
    assert "its tail was cut off" in checked.stdout
    forged = tmp_path / "forged.json"
    forged.write_text(newest.read_text().replace('"sequence": ', '"sequence": 1'))
    assert "no checkpoint of this cloud" in cumulog(archived, "verify", "--checkpoint", str(forged)).stderr
