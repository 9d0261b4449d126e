"""A state directory of an older version: it is upgraded after a copy, whole or not at all, and everything is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from events.settings import Settings
from gateway.composition.directory import VERSION, Directory, DirectoryFault
from gateway.upgrading import STEPS, Step, upgrade
from tests.contract.clouds import CUMULOG, RunningCloud, cumulog, found, running
from tests.golden.golden import HERE, entries_of

OLD = "0.1.0"
COMPUTE = {"OpenStack-API-Version": "compute 2.100"}


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A directory as the first version left it."""
    with tarfile.open(HERE / OLD / "directory.tar.gz") as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11 has it from 3.11.4 on
        tar.extractall(tmp_path)
    return tmp_path / "cloud"


def contents(path: Path) -> dict[str, bytes]:
    """All files of a directory but those of upgrades and locks."""
    aside = ("lock", "upgrading", "replaced", "backup-", "version.new")
    files = [file for file in path.rglob("*") if file.is_file()]
    kept = [file for file in files if not str(file.relative_to(path)).startswith(aside)]
    return {str(file.relative_to(path)): file.read_bytes() for file in kept}


def look_around(cloud: RunningCloud, http: httpx.Client, fernet: bytes) -> None:
    """Everything that the visitor of then left is there, and can be used."""
    compute, network, image = "/compute/v2.1", "/network/v2.0", "/image/v2"
    servers = found(http.get(f"{compute}/servers/detail", headers=COMPUTE))["servers"]
    assert {server["name"]: server["status"] for server in servers} == {"golden-1": "ACTIVE", "huge": "ERROR"}
    (golden,) = (server for server in servers if server["name"] == "golden-1")
    assert golden["metadata"] == {"colour": "blue"}
    assert golden["OS-EXT-SRV-ATTR:user_data"] == "Z29sZGVu"  # from the vault
    (one,) = found(http.get(f"{image}/images?name=golden"))["images"]
    assert http.get(f"{image}/images/{one['id']}/file").content == b"golden" * 512
    assert {one["name"] for one in found(http.get(f"{network}/networks"))["networks"]} == {"golden"}
    assert {one["name"] for one in found(http.get("/identity/v3/domains"))["domains"]} >= {"golden", "Default"}
    found(http.post(f"{compute}/servers/{golden['id']}/action", json={"os-stop": None}), 202)
    end = time.monotonic() + 20
    while found(http.get(f"{compute}/servers/{golden['id']}"))["server"]["status"] != "SHUTOFF":
        assert time.monotonic() < end
        time.sleep(0.05)
    token = http.headers["X-Auth-Token"]
    Fernet(fernet).decrypt(token + "=" * (-len(token) % 4))  # sealed with the key of then


def test_up_upgrades_a_directory_of_the_first_version(golden: Path) -> None:
    before = contents(golden)
    fernet = (golden / "keys" / "fernet" / "1").read_bytes()
    refused = cumulog(golden, "events")
    assert refused.returncode == 1
    assert "older version (1): `cumulog up` upgrades it" in refused.stderr
    assert contents(golden) == before
    with running(golden, hosts=3) as cloud, cloud.user() as http:
        assert (golden / "version").read_text() == f"{VERSION}\n"
        look_around(cloud, http, fernet)
        lines = [json.loads(line) for line in cloud.run("events", "--format", "json").stdout.splitlines()]
    then = entries_of(OLD)
    assert [(line["sequence"], line["subject"]) for line in lines[: len(then)]] == [entry[:2] for entry in then]
    (backup,) = golden.glob("backup-1-*")
    assert contents(backup) == before
    assert not (golden / "keys" / "fernet").exists()
    assert not (golden / "upgrading").exists()
    assert not (golden / "replaced").exists()
    image = next((backup / "images" / "images").iterdir())
    assert image.stat().st_ino == (golden / "images" / "images" / image.name).stat().st_ino
    checked = cumulog(golden, "verify")
    assert checked.returncode == 0, checked.stdout
    upgrade(golden, VERSION, Settings())
    assert len(list(golden.glob("backup-*"))) == 1, "what is of today is not copied again"


def test_up_that_is_killed_in_the_midst_of_it_goes_on_at_the_next_start(golden: Path) -> None:
    fernet = (golden / "keys" / "fernet" / "1").read_bytes()
    command = [str(CUMULOG), "up", "--state", str(golden), "--driver", "simulated", "--listen", "127.0.0.1:0"]
    for sign in ("backup-1-*", "upgrading/journal/nats.pid"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not list(golden.glob(sign)):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with running(golden, hosts=3) as cloud, cloud.user() as http:
        look_around(cloud, http, fernet)
    assert len(list(golden.glob("backup-*"))) == 1


def test_a_copy_can_be_gone_back_to(golden: Path) -> None:
    """As the module says: what is in the copy, in place of what is there."""
    before = contents(golden)
    upgrade(golden, 1, Settings())
    (backup,) = golden.glob("backup-1-*")
    for entry in list(golden.iterdir()):
        if entry != backup and entry.name in {one.name for one in backup.iterdir()}:
            subprocess.run(["rm", "-r", str(entry)], check=True)
    for entry in list(backup.iterdir()):
        entry.rename(golden / entry.name)
    backup.rmdir()
    assert contents(golden) == before


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder where fsync costs nothing, if there is one."""
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


# A small directory, killed at every operation on a file


def work(path: Path, settings: Settings) -> None:
    """A step with several changes, which the next version cannot do without."""
    (path / "log" / "b").write_text("new")
    (path / "log" / "a").unlink()
    (path / "log" / "c").mkdir()
    (path / "log" / "c" / "d").write_text("new")
    (path / "keys").write_text("new")


LADDER = {1: Step(("log", "keys"), work)}
BEFORE = {"version": b"1\n", "log/a": b"old", "log/b": b"old", "keys": b"old", "other": b"kept"}
AFTER = {"version": b"2\n", "log/b": b"new", "log/c/d": b"new", "keys": b"new", "other": b"kept"}


def small(path: Path) -> Path:
    (path / "log").mkdir(parents=True)
    for name, data in BEFORE.items():
        (path / name).write_bytes(data)
    return path


def in_a_child(function: Callable[[], Any]) -> int:
    """How a forked child ends that does it."""
    child = os.fork()
    if child == 0:
        os.close(1)
        os.open(os.devnull, os.O_WRONLY)
        try:
            function()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def killed_at(number: int, path: Path) -> bool:
    """Upgrade in a process that is killed at its so-maniest operation on a file; False if there are not so many."""

    def run() -> None:
        count = 0

        def hook(event: str, arguments: Any) -> None:
            nonlocal count
            if event.startswith(("os.", "open", "shutil.")):
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        upgrade(path, int((path / "version").read_text()), Settings(), LADDER)

    return in_a_child(run) == signal.SIGKILL


@pytest.mark.skipif(VERSION != 2, reason="the small directory is of a version before this one")
def test_wherever_it_is_killed_it_is_the_old_or_the_new(memory: Path) -> None:
    versions = []
    number = 1
    while True:
        path = small(memory / str(number))
        if not killed_at(number, path):
            break
        version = int((path / "version").read_text())
        versions.append(version)
        if version == 1:
            assert contents(path) == BEFORE, number
        if number % 8 == 1:
            killed_at(number // 2 + 1, path)  # and once more
        upgrade(path, int((path / "version").read_text()), Settings(), LADDER)
        assert contents(path) == AFTER, number
        assert [contents(one) for one in path.glob("backup-1-*")] == [BEFORE], number
        assert not list(path.glob("*.partial")), number
        number += 2
    assert number > 40
    assert versions == sorted(versions)
    assert set(versions) == {1, 2}
    assert contents(path) == AFTER


def test_a_step_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = small(tmp_path / "cloud")

    def fail(stage: Path, settings: Settings) -> None:
        work(stage, settings)
        raise OSError(28, "No space left on device")

    with pytest.raises(DirectoryFault, match="no room"):
        upgrade(path, 1, Settings(), {1: Step(("log", "keys"), fail)})
    assert contents(path) == BEFORE
    assert sorted(one.name for one in path.iterdir()) == ["keys", "log", "other", "version"]


def test_guests_disks_are_neither_copied_nor_touched(tmp_path: Path) -> None:
    path = small(tmp_path / "cloud")
    (path / "host").mkdir()
    (path / "host" / "disk").write_text("large")
    upgrade(path, 1, Settings(), LADDER)
    (backup,) = path.glob("backup-1-*")
    assert not (backup / "host").exists()
    assert (path / "host" / "disk").read_text() == "large"


def test_a_directory_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path / "cloud")
    (path / "version").write_text(f"{VERSION + 1}\n")
    with pytest.raises(DirectoryFault, match="newer version"):
        Directory(path).open(lambda path, found: upgrade(path, found, Settings()))
    refused = cumulog(path, "up", "--listen", "127.0.0.1:0", "--driver", "simulated")
    assert refused.returncode == 1
    assert "newer version" in refused.stderr


def test_a_directory_of_no_version_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path / "cloud")
    (path / "version").write_text("0\n")
    with pytest.raises(DirectoryFault, match="no program has written"):
        upgrade(path, 0, Settings())


def test_only_up_finishes_what_was_interrupted(tmp_path: Path) -> None:
    path = small(tmp_path / "cloud")
    (path / "version").write_text(f"{VERSION}\n")
    (path / "upgrading").mkdir()
    with pytest.raises(DirectoryFault, match="not upgraded to its end"):
        Directory(path).open()
    directory = Directory(path)
    directory.open(lambda path, found: upgrade(path, found, Settings()))
    directory.close()
    assert not (path / "upgrading").exists()


def test_there_is_a_step_from_every_version() -> None:
    assert set(STEPS) == set(range(1, VERSION))
