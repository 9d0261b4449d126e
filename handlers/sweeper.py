"""Sweeps what lies outside of the journal and is nobody's any more: secrets in the vault, orders of security groups.

A secret is put away before what it is for is asked for, and whoever does that may die in between. So a secret that
nobody's is at two looks in a row, of which each stands on a fold that is current, is deleted.
"""

from __future__ import annotations

import asyncio
import logging
from random import Random

from events.compute import server as servers
from events.decider import Executor
from events.fold import Fold
from events.identity import credential as credentials
from events.identity import domain_config as configs
from events.identity import oauth_access_token as access_tokens
from events.identity import oauth_consumer as consumers
from events.identity import oauth_request_token as request_tokens
from events.journal import Unavailable
from events.nats.vault import Vault
from handlers.orders import Orders

log = logging.getLogger("cumulog.sweeper")

PERIOD = 600.0  # seconds between two looks, give or take a half: any number of processes take them
USER_DATA = "user_data-"  # and the server's id
CREDENTIAL = "identity.credential."  # and the name that the credential holds
OAUTH = "identity.oauth1."  # and the id of a consumer or a token
CONFIG = "identity.domain_config."  # and the domain's id, and the name that its configuration holds


class Sweeper:
    """One process's looks."""

    def __init__(self, execute: Executor, vault: Vault, orders: Orders, *, period: float = PERIOD) -> None:
        self._execute = execute
        self._vault = vault
        self._orders = orders
        self._period = period
        self._random = Random()
        self._strays: set[str] = set()  # secrets that were nobody's at the last look

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._period * (0.5 + self._random.random()))
            try:
                await self.look()
            except (Unavailable, TimeoutError) as fault:
                log.info("nothing could be swept: %s", fault)
            except Exception:  # the next look comes all the same
                log.exception("a sweep failed")

    async def look(self) -> None:
        """Delete what was nobody's at the last look either. Raises Unavailable, TimeoutError."""
        keys, fold = await self._vault.keys(), self._execute.fold
        await fold.fence(self._execute.journal)
        if fold.spoiled:
            return  # what cannot be read now may be whose it is
        names = {one.blob for one in fold.all(credentials)}
        strays = {key for key in keys if _is_stray(fold, key, names)}
        for key in sorted(strays & self._strays):
            log.warning("a secret of nobody is deleted: %s", key)
            await self._vault.delete_key(key)
        self._strays = strays
        await self._orders.sweep()


def _is_stray(fold: Fold, key: str, credentials: set[str]) -> bool:
    """Whether a secret is of nobody who lives; of a kind that is not known here it may be."""
    if key.startswith(USER_DATA):
        server = fold.get(servers, key.removeprefix(USER_DATA))
        return server is None or server.user_data != key
    if key.startswith(CREDENTIAL):
        return key.removeprefix(CREDENTIAL) not in credentials
    if key.startswith(OAUTH):
        id = key.removeprefix(OAUTH)
        return all(fold.get(kind, id) is None for kind in (consumers, request_tokens, access_tokens))
    if key.startswith(CONFIG):
        domain, _, name = key.removeprefix(CONFIG).rpartition(".")
        config = fold.get(configs, domain)
        return config is None or not any(name in names.values() for names in config.secrets.values())
    return False
