"""Writes down what happens to servers, over NATS. Killed at any moment, it is told again what it had not acknowledged.

cumulog credentials consumer metering     # once; it prints the name of the file with the credentials
python metering_nats.py FILE LEDGER
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, TextIO

import nats


async def main(given: dict[str, Any], file: TextIO) -> None:
    client = await nats.connect(given["servers"], user=given["user"], password=given["password"])
    feed = await client.subscribe(given["subject"])
    async for message in feed.messages:
        event = json.loads(message.data)
        if event["type"].startswith("cumulog.compute.server."):
            print(event["sequence"], event["time"], event["type"], event["subject"], file=file, flush=True)
        await message.ack()


with open(sys.argv[2], "a") as ledger:
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text()), ledger))
