"""A real host for the agents' tests: root, QEMU and libvirt. Where they are missing the tests fail and say so."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.destroy import belongings, destroy

NEEDED = ("qemu-system-x86_64", "qemu-img", "libvirtd", "virtlogd", "dnsmasq", "nft", "ip")
BUILDER = Path(__file__).parents[2] / "tools" / "build-guest-image"


@pytest.fixture(scope="session")
def real_host() -> None:
    """Fails loudly where no guest can be run: a test of real guests is never passed over in silence."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        pytest.fail(f"Real guests need root (uid is {os.geteuid()}) and the programs {missing or NEEDED}.")


@pytest.fixture(scope="session")
def guest_image(real_host: None) -> Path:
    """The small guest, built of Debian's packages; kept in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cumulog"
    built = subprocess.run([BUILDER, cache / "guest.qcow2"], capture_output=True, text=True)
    if built.returncode:
        pytest.fail(f"The guest image could not be built: {built.stderr[-2000:]}")
    return cache / "guest.qcow2"


@pytest.fixture(scope="module")
def cloud() -> str:
    """An id no other cloud of this machine has."""
    return uuid.uuid4().hex[:8]


@pytest.fixture(scope="module")
def state(real_host: None, cloud: str) -> Iterator[Path]:
    """A state folder an unprivileged QEMU can reach. Whatever a test has left on the host is a failure, and removed."""
    folder = Path(tempfile.mkdtemp(prefix="cumulog-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    left = asyncio.run(belongings(cloud, folder))
    asyncio.run(destroy(cloud, folder))
    again = asyncio.run(belongings(cloud, folder))
    shutil.rmtree(folder)
    found = (left.domains, left.devices, left.namespaces, left.processes, left.tables)
    assert not any(found), f"left behind on the host: {left}"
    assert not again, f"not even destroy removed: {again}"
