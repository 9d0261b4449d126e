"""A host's hypervisor with its networks: the one place where both are put together."""

from __future__ import annotations

from agents.compute.images import FetchImage
from agents.compute.libvirt import LibvirtHypervisor, LibvirtSettings
from agents.network.host import LinuxNetwork, NetworkSettings
from agents.network.metadata import AskMetadata


def libvirt_host(settings: LibvirtSettings, fetch_image: FetchImage, metadata: AskMetadata) -> LibvirtHypervisor:
    """The hypervisor of this host for the cloud of `settings`."""
    network = LinuxNetwork(NetworkSettings(cloud=settings.cloud), metadata)
    return LibvirtHypervisor(settings, fetch_image, network)
