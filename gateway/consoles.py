"""Consoles: a question to the agent of a server's host, answered by a report of it."""

from __future__ import annotations

import asyncio

import msgspec

from events.compute.guest import ConsoleAsked
from events.ids import new_hex
from events.nats.assignments import ASK, SAID
from events.nats.wire import Message, Wire
from events.refusals import NoCapacity
from events.subjects import token

PATIENCE = 10.0  # seconds for the agent's answer
ANSWERED = "console"  # handlers hand a console's text on under this subject and the question's id


class Consoles:
    """Asks agents for the text of serial consoles."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def output(self, host: str, server: str, lines: int | None) -> str:
        """The last `lines` of a server's serial console, all that is kept if None. Raises NoCapacity."""
        question = new_hex()
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def take(message: Message) -> None:
            if not answer.done():
                answer.set_result(message.data.decode(errors="replace"))

        heard = await self._wire.listen(f"{ANSWERED}.{question}", take)
        try:
            asked = ConsoleAsked(question=question, server=server, lines=lines)
            await self._wire.cast(f"{SAID}.{token(host)}.{ASK}", msgspec.json.encode(asked))
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError as fault:
            raise NoCapacity(f"Host {host} does not answer now.") from fault
        finally:
            await self._wire.unlisten(heard)


async def answer(wire: Wire, question: str, text: str) -> None:
    """Hand a console's text to who asked for it."""
    await wire.cast(f"{ANSWERED}.{question}", text.encode())
