"""A state directory of an older version becomes one of today's, after a copy; it is the old or the new at any moment.

    DIR/backup-<version>-<time>/  the copy; files that are never changed are hard links. Guests' disks, and what can be
                                  made anew, are not in it
    DIR/upgrading/                what a step changes, as copies that it works on
    DIR/version                   says the new version from the moment on at which all steps are done
    DIR/replaced/                 what the new took the place of, until all of it is in place

Before that moment a crash leaves the old, and the next start begins anew (its copy is named `….partial` until then);
after it the next start puts the rest in place. To go back: stop the cloud, and put what is in the copy into DIR, in
place of what is there.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from events.clock import SystemClock
from events.journal import Unavailable
from events.nats.server import StartFault
from events.nats.vault import NatsVault, WrongKey
from events.nats.wire import Wire
from events.settings import Settings
from gateway.composition import journals
from gateway.composition.directory import LOCK, STAGE, VERSION, DirectoryFault
from gateway.identity.keys import KeyRing

REPLACED, BACKUP, PARTIAL = "replaced", "backup-", ".partial"
DRAFT = "version.new"
OWN = (LOCK, STAGE, REPLACED, DRAFT)
LEFT_OUT = ("host", "tables.duckdb", "tables.duckdb.wal", "nats.log", "nats.pid", "nats.conf")  # at any depth
NEVER_CHANGED = "images/images"  # files there have their names only once they are whole

log = logging.getLogger("cumulog.upgrading")


class Step(Struct, frozen=True):
    """From one version to the next."""

    changes: tuple[str, ...]  # entries of DIR
    work: Callable[[Path, Settings], None]  # on a directory that has copies of them


def upgrade(path: Path, found: int, settings: Settings, steps: dict[int, Step] | None = None) -> None:
    """Bring a locked directory of version `found` up to date, or finish what a crash interrupted.

    Raises DirectoryFault: it is as it was.
    """
    if found == VERSION:
        _put_in_place(path)
        return
    ladder = STEPS if steps is None else steps
    if found not in ladder:
        raise DirectoryFault(f"{path} is of a version ({found}) that no program has written")
    try:
        _upgrade(path, found, settings, [ladder[version] for version in range(found, VERSION)])
    except (OSError, StartFault, Unavailable, WrongKey) as fault:
        full = isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "there is no room for a copy of its log" if full else str(fault)
        raise DirectoryFault(f"{path} of version {found} could not be upgraded: {why}") from fault


def _upgrade(path: Path, found: int, settings: Settings, steps: list[Step]) -> None:
    stage = path / STAGE
    _discard(path)
    backup = path / f"{BACKUP}{found}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{PARTIAL}"
    try:
        _copy(path, backup, [entry.name for entry in path.iterdir() if entry.name not in OWN])
        _sync(backup)
        _copy(backup, stage, [name for step in steps for name in step.changes if (backup / name).exists()], links=False)
        for step in steps:
            step.work(stage, settings)
        _sync(stage)
        _say_version(path)
    except BaseException:  # also Ctrl-C
        if _version(path) == found:
            _discard(path)
        raise
    _put_in_place(path)


def _discard(path: Path) -> None:
    """What an upgrade has left that did not come to be; the copy too, for all is as it was."""
    for left in (*path.glob(f"{BACKUP}*{PARTIAL}"), path / STAGE, path / REPLACED):
        shutil.rmtree(left, ignore_errors=True)
    (path / DRAFT).unlink(missing_ok=True)


def _put_in_place(path: Path) -> None:
    """What the steps have made takes the place of what was there; the copy gets its name."""
    stage, replaced = path / STAGE, path / REPLACED
    for backup in path.glob(f"{BACKUP}*{PARTIAL}"):
        kept = backup.with_name(backup.name.removesuffix(PARTIAL))
        backup.rename(kept)
        print(f"{path} is of version {VERSION} now; as it was it is in {kept}", flush=True)
    if stage.exists():
        replaced.mkdir(mode=0o700, exist_ok=True)
        for new in sorted(stage.iterdir()):
            old = path / new.name
            if old.exists():
                old.rename(replaced / new.name)
            new.rename(old)
        stage.rmdir()
        _sync_folder(path)
    shutil.rmtree(replaced, ignore_errors=True)


def _version(path: Path) -> int:
    return int((path / "version").read_text())


def _say_version(path: Path) -> None:
    draft = path / DRAFT
    with draft.open("w") as file:
        file.write(f"{VERSION}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path / "version")
    _sync_folder(path)


def _copy(source: Path, target: Path, names: list[str], *, links: bool = True) -> None:
    """Copies of entries; hard links of files that are never changed, and may stay so."""
    target.mkdir(mode=0o700)
    for name in dict.fromkeys(names):
        if name in LEFT_OUT or name.startswith(BACKUP):
            continue
        entry = source / name
        if not entry.is_dir():
            _copy_file(entry, target / name, links=False)
            continue
        for folder, folders, files in os.walk(entry):
            place = Path(folder).relative_to(source)
            folders[:] = [one for one in folders if one not in LEFT_OUT]
            (target / place).mkdir()
            shutil.copystat(folder, target / place)
            for file in files:
                if file not in LEFT_OUT and not file.endswith(".ports"):
                    fixed = links and str(place) == NEVER_CHANGED
                    _copy_file(Path(folder) / file, target / place / file, links=fixed)


def _copy_file(source: Path, target: Path, *, links: bool) -> None:
    if not stat.S_ISREG(source.lstat().st_mode):
        return  # a socket, or a pipe: of a process that has ended
    if links:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _sync(folder: Path) -> None:
    """Have everything below a folder on disk."""
    for one in _below(folder):
        _sync_folder(one)
    _sync_folder(folder.parent)


def _below(folder: Path) -> Iterator[Path]:
    for place, _, files in os.walk(folder):
        yield from (Path(place) / file for file in files)
        yield Path(place)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keys_into_vault(path: Path, settings: Settings) -> None:
    """1 -> 2: the keys that seal tokens were files; they are an entry of the vault."""
    if (path / journals.JOURNAL / "jetstream").exists():  # else it is a part's own, whose vault is elsewhere
        asyncio.run(_take_keys(path, settings))


async def _take_keys(path: Path, settings: Settings) -> None:
    server = journals.servers(path, settings)
    await server.start()
    try:
        wire = await Wire.connect(server.urls, server.cloud, name="cumulog upgrading")
        try:
            vault = await NatsVault.open(wire, path / "keys", replicas=journals.replicas(wire, settings))
            await KeyRing.open(vault, SystemClock(), path / "keys" / "fernet")
        finally:
            await wire.close()
    finally:
        await server.stop()


STEPS = {1: Step(("journal", "keys"), _keys_into_vault)}
