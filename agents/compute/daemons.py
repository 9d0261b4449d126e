"""libvirt's daemons: found running, or started where no service manager does.

They belong to the machine, not to one cloud: started detached, left running, and noted with their start time in
`libvirt/daemons.json` under the state folder, so that `cumulog destroy` may end what no other cloud needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
from pathlib import Path

import msgspec

from agents.commands import HostError, end, launch, run, started_at

SOCKETS = {"virtlogd": Path("/run/libvirt/virtlogd-sock"), "libvirtd": Path("/run/libvirt/libvirt-sock")}
KVM = Path("/dev/kvm")
USER = "libvirt-qemu"  # whom Debian's libvirt runs QEMU as; without it libvirtd does not start


async def ensure(note: Path) -> None:
    """virtlogd and libvirtd answer. Raises HostError with the missing step."""
    for name, socket in SOCKETS.items():
        if await answers(socket):
            continue
        if Path("/run/systemd/system").exists():
            await run("systemctl", "start", f"{name}.socket")
        else:
            await _start(name, note)
        for _ in range(100):
            if await answers(socket):
                break
            await asyncio.sleep(0.05)
        else:
            raise HostError(f"{name} was started and does not answer; see /var/log/libvirt/{name}.log.")


async def answers(socket: Path) -> bool:
    """Whether a daemon listens at `socket`. A socket file outlives its daemon: only a connection tells."""
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_unix_connection(str(socket))
    except (OSError, TimeoutError):
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def end_noted(note: Path) -> None:
    """End the daemons that were started by this cloud, the last first, and forget them."""
    for name, (pid, started) in reversed(_noted(note).items()):
        if started_at(pid) == started:
            await end(pid)
            Path(f"/run/{name}.pid").unlink(missing_ok=True)
    note.unlink(missing_ok=True)


async def _start(name: str, note: Path) -> None:
    if os.geteuid() != 0:
        raise HostError(f"{name} does not run, and only root can start it.")
    Path("/var/log/libvirt").mkdir(parents=True, exist_ok=True)
    await _prepare()
    with contextlib.suppress(HostError):  # another cloud may be starting it at this very moment: who asks will see
        await launch(name, "--daemon")
    pid_file = Path(f"/run/{name}.pid")
    try:
        pid = int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return  # it keeps its pid elsewhere: not ours to end
    if started := started_at(pid):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(msgspec.json.encode(_noted(note) | {name: (pid, started)}))


async def _prepare() -> None:
    """What libvirt's package and udev would have done: a user to run QEMU as, who may use KVM.

    Where he may not, libvirt asks QEMU for its abilities anew before each start: seconds, every time.
    """
    try:
        pwd.getpwnam(USER)
    except KeyError:
        await run("useradd", "--system", "--user-group", "--home-dir", "/var/lib/libvirt", "--no-create-home",
                  "--shell", "/usr/sbin/nologin", USER)  # fmt: skip
    if not KVM.exists() or KVM.stat().st_mode & 0o006 == 0o006:
        return
    try:
        group = grp.getgrnam("kvm")
    except KeyError:
        await run("groupadd", "--system", "kvm")
        group = grp.getgrnam("kvm")
    if USER not in group.gr_mem:
        await run("usermod", "--append", "--groups", "kvm", USER)
    os.chown(KVM, 0, group.gr_gid)
    KVM.chmod(0o660)


def _noted(note: Path) -> dict[str, tuple[int, int]]:
    try:
        return msgspec.json.decode(note.read_bytes(), type=dict[str, tuple[int, int]])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
