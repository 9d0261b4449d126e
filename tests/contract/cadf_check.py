"""Holds audit records against the library that OpenStack's services write theirs with; run by a client's own Python.

Reads records, one to a line, and prints the first sentence of complaint about each that is not as it should be.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pycadf import attachment, cadftaxonomy, event, identifier, reason, resource, tag, timestamp


def complaint(record: dict[str, Any]) -> str | None:
    """What is wrong with a record."""

    def thing(given: dict[str, str]) -> Any:
        return resource.Resource(id=given["id"], typeURI=given["typeURI"], name=given.get("name"))

    rules = {
        "action": cadftaxonomy.is_valid_action(record["action"]),
        "outcome": cadftaxonomy.is_valid_outcome(record["outcome"]),
        "time": timestamp.is_valid(record["eventTime"]),
        "id": identifier.is_valid(record["id"]),
        "type": record["typeURI"] == event.TYPE_URI_EVENT,
        "kinds": all(
            cadftaxonomy.is_valid_resource(record[role]["typeURI"]) for role in ("initiator", "target", "observer")
        ),
        "tags": all(tag.is_valid(one) for one in record["tags"]),
        "reason": record["outcome"] != "failure" or "reason" in record,
    }
    made = event.Event(
        eventType=record["eventType"],
        id=record["id"],
        eventTime=record["eventTime"],
        action=record["action"],
        outcome=record["outcome"],
        initiator=thing(record["initiator"]),
        target=thing(record["target"]),
        observer=thing(record["observer"]),
        reason=reason.Reason(**record["reason"]) if "reason" in record else None,
    )
    for one in record["tags"]:
        made.add_tag(one)
    for given in record["attachments"]:
        made.add_attachment(attachment.Attachment(given["typeURI"], given["content"], given["name"]))
    broken = [name for name, holds in {**rules, "event": made.is_valid()}.items() if not holds]
    return f"{record['id']}: {', '.join(broken)}" if broken else None


if __name__ == "__main__":
    for text in filter(None, (complaint(json.loads(line)) for line in sys.stdin)):
        print(text)
