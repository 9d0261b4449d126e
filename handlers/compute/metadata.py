"""What a guest may know of itself, told to the agent of its host and to no other."""

from __future__ import annotations

import msgspec

from events.compute import server as servers
from events.compute.metadata import Metadata
from events.fold import Fold
from events.nats.vault import Vault


class Metadatas:
    """Answers agents' questions for their guests' metadata."""

    def __init__(self, fold: Fold, vault: Vault, zone: str) -> None:
        self._fold = fold
        self._vault = vault
        self._zone = zone  # of hosts that name none

    async def document(self, host: str, id: str) -> bytes:
        """A Metadata in JSON; nothing if there is no such server on this host. Raises Unavailable."""
        server = self._fold.get(servers, id)
        if server is None or server.host != host:
            return b""
        user_data = await self._vault.get(server.user_data) if server.user_data else None
        zone, _, _ = (server.zone or self._zone).partition(":")
        return msgspec.json.encode(
            Metadata(
                id=server.id,
                name=server.name,
                hostname=server.hostname,
                project=server.project,
                keys={server.key_name: server.public_key} if server.key_name and server.public_key else {},
                user_data=user_data,
                meta=server.metadata,
                availability_zone=zone,
                launch_index=server.launch_index,
                flavor=server.size.name,
                image=server.image or "",
                reservation=server.reservation,
                security_groups=server.security_groups,
            )
        )
