"""What a NATS server of this machine tells of itself over HTTP. Source: NATS documentation, "Monitoring"."""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def ask(port: int, question: str, seconds: float) -> tuple[int, str]:
    """The status and the body of its answer to GET `question`.

    0 and nothing if nobody is there, or if it has not ended in time: such a server is asked again, by whoever asked.
    """
    said = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {question} HTTP/1.0\r\n\r\n".encode())
                said = await reader.read()
            finally:
                writer.close()
    head, _, body = said.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return status, body.decode(errors="replace")
