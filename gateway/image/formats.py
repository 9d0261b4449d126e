"""What an image's bytes say they are: read from their beginning, never by another program.

Sources: QEMU's qcow2 interoperability document; VMware's "Virtual Disk Format 5.0"; Microsoft's VHD and VHDX format
specifications; VirtualBox' VDI core header; ECMA-119 (ISO 9660).
"""

from __future__ import annotations

from struct import unpack_from

from msgspec import Struct

HEAD = 64 << 10  # bytes from the beginning that `inspect` wants
_DATA_FILE = 1 << 2  # a bit among qcow2's incompatible features
_DECLARED = frozenset({"qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso"})  # formats that bytes can be held to
_NO_DISK = frozenset({"ami", "ari", "aki", "ploop"})


class Found(Struct, frozen=True):
    """What the bytes are."""

    format: str
    virtual_size: int | None = None  # bytes; None: the format tells it elsewhere
    safe: bool = True  # False: they point to other files of the host


def inspect(head: bytes) -> Found:
    """The format that `head`, the first HEAD bytes or all there are, begins."""
    if head[:4] == b"QFI\xfb" and len(head) >= 72:
        return _qcow2(head)
    if head[:4] == b"KDMV" and len(head) >= 512:
        return Found("vmdk", unpack_from("<Q", head, 12)[0] * 512)
    if head.startswith(b"# Disk DescriptorFile"):
        return Found("vmdk", None, False)  # nothing but names of other files
    if head[:8] == b"conectix" and len(head) >= 512:
        return Found("vhd", unpack_from(">Q", head, 48)[0])
    if head[:8] == b"vhdxfile":
        return Found("vhdx")
    if head[0x40:0x44] == b"\x7f\x10\xda\xbe" and len(head) >= 0x178:
        return Found("vdi", unpack_from("<Q", head, 0x170)[0])
    if head[32769:32774] == b"CD001" and len(head) >= 32768 + 132:
        blocks, block = unpack_from("<I", head, 32768 + 80)[0], unpack_from("<H", head, 32768 + 128)[0]
        return Found("iso", blocks * block)
    return Found("raw")


def _qcow2(head: bytes) -> Found:
    version, backing = unpack_from(">IQ", head, 4)
    features = unpack_from(">Q", head, 72)[0] if version >= 3 and len(head) >= 80 else 0
    safe = version in (2, 3) and not backing and not features & _DATA_FILE
    return Found("qcow2", unpack_from(">Q", head, 24)[0], safe)


def mismatch(declared: str | None, found: Found) -> str | None:
    """Why bytes found so are none of the declared format; None: they may be."""
    if declared in _DECLARED and declared != found.format:
        return f"Image disk_format {declared} does not match stream data {found.format}"
    if declared == found.format and not found.safe:
        return "Image failed safety checks"
    return None


def virtual_size(declared: str | None, found: Found, size: int) -> int | None:
    """How large the disk is, in bytes; None: unknown."""
    if declared in _NO_DISK or not size:
        return None
    return size if declared == "raw" else found.virtual_size
