"""Which virtualization this host really has: found out by booting, never by asking.

    auto -> kvm if the probe runs there, else qemu (TCG)

That /dev/kvm exists says little, and libvirt says no more: inside a virtual machine it may emulate instruction by
instruction, or stop at the first unusual one. The probe is a boot sector that enters long mode, counts to 2**25 (10
ms on a processor, minutes if emulated), does what every kernel does in its first milliseconds (fxsave, fxrstor,
cmpxchg16b) and leaves by QEMU's debug-exit device. Source: Intel SDM volume 3, section 9.8.5, "Initializing
IA-32e Mode"; QEMU, docs/specs, "isa-debug-exit".
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from agents.commands import HostError, run

VirtType = Literal["kvm", "qemu"]
EMULATOR = "qemu-system-x86_64"
KVM_DEADLINE, TCG_DEADLINE = 3.0, 20.0  # s; KVM that needs longer is no faster than TCG
DONE = 0x2A  # what the probe writes to the debug-exit port; QEMU then exits with 2 * DONE + 1

# Assembled at 0x7c00.
PROBE = bytes.fromhex(
    "fa 31c0 8ed8 8ec0"  # cli; ds = es = 0
    "bf0010 b90018 fc f3ab"  # clear 0x1000..0x4000
    "c70600100320 c70600200330 c70600308300"  # page tables: the first 2 MiB, one large page
    "66b820060000 0f22e0"  # cr4 = PAE, OSFXSR, OSXMMEXCPT
    "66b800100000 0f22d8"  # cr3 = 0x1000
    "66b9800000c0 0f32 0d0001 0f30"  # EFER.LME = 1
    "0f0116847c 66b811000080 0f22c0"  # lgdt; cr0 = paging, protection
    "ea547c0800"  # far jump into 64 bits
    "b900000002 ffc9 75fc"  # mov ecx, 2**25; dec ecx; jnz
    "bf00500000 0fae07 0fae0f f0480fc70f"  # fxsave, fxrstor, lock cmpxchg16b at 0x5000
    "b02a e6f4 f4 ebfd"  # out 0xf4, 0x2a; hlt
    "0000000000000000 00000000009a2000"  # the descriptor table: none, 64-bit code
    "0f00 747c0000"  # its limit and address
)


class Verdict(Struct, frozen=True):
    """What the probe found, and where that holds: for this boot of the host and this QEMU."""

    boot: str
    qemu: str
    virt_type: VirtType
    reason: str


async def probe(cache: Path) -> Verdict:
    """The best that works, remembered in `cache`. Raises HostError if not even TCG boots."""
    qemu = (await run(EMULATOR, "--version")).decode().splitlines()[0]
    try:
        known = msgspec.json.decode(cache.read_bytes(), type=Verdict)
    except (FileNotFoundError, msgspec.DecodeError):
        known = None
    if known and (known.boot, known.qemu) == (boot(), qemu):
        return known
    no_kvm = await failure("kvm", "host", KVM_DEADLINE) if Path("/dev/kvm").exists() else "there is no /dev/kvm"
    if no_kvm is None:
        verdict = Verdict(boot(), qemu, "kvm", "a probe booted under KVM")
    else:
        if broken := await failure("tcg", "max", TCG_DEADLINE):
            raise HostError(f"QEMU boots nothing here: {broken}")
        verdict = Verdict(boot(), qemu, "qemu", f"no KVM: {no_kvm}")
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_bytes(msgspec.json.encode(verdict))
    return verdict


def boot() -> str:
    """The name of the host's present boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


async def failure(accelerator: str, cpu: str, deadline: float, sector: bytes = PROBE) -> str | None:
    """Why `sector` did not come through under `accelerator` within `deadline` seconds; None if it did."""
    with tempfile.NamedTemporaryFile(prefix="cumulog-probe-") as disk:
        disk.write(sector.ljust(510, b"\0") + b"\x55\xaa")
        disk.flush()
        drive = f"file={disk.name},format=raw,if=floppy,readonly=on"
        argv = ["prlimit", "--core=0", EMULATOR, "-accel", accelerator, "-cpu", cpu, "-m", "16", "-nodefaults"]
        argv += ["-display", "none", "-no-reboot", "-drive", drive, "-boot", "a"]
        argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        try:
            await run(*argv, timeout=deadline, success=2 * DONE + 1)
        except HostError as error:
            return str(error)
    return None
