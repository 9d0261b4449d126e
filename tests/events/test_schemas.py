"""The schemas, held against what every release has written, and the AsyncAPI document against its own specification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from events import schemas
from events.chronicle import JournalChronicle
from events.cloudevents import cloudevent, told, told_of
from events.compute import flavor
from events.compute.flavor import CreateFlavor
from events.decider import Executor
from events.envelope import CLOUD
from events.epochs import close
from events.fold import Fold
from events.journal import Entry, MemoryJournal
from events.services import deciders
from events.subjects import split
from tests.fingerprints import fingerprints
from tests.golden.golden import entries_of, versions

SPECIFICATION = Path(__file__).parents[2] / ".cache" / "asyncapi" / "package" / "schemas" / "3.0.0.json"
FORMATS = FormatChecker()


def validator(schema: Any) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FORMATS)


def resource(entry: Entry) -> str:
    return split(entry.subject)[0].removeprefix("ev.")


@pytest.mark.parametrize("version", versions())
def test_every_commit_of_a_recorded_history_is_as_its_schema_says(version: str) -> None:
    validators = {name: validator(schema) for name, schema in schemas.json_schemas().items()}
    fold = Fold(deciders())
    for entry in entries_of(version):
        validators[resource(entry)].validate(msgspec.json.decode(told_of(entry, fold).data))


def test_a_commit_that_is_otherwise_is_seen() -> None:
    schema = validator(schemas.json_schemas()["compute.flavor"])
    entry = next(entry for entry in entries_of(versions()[0]) if resource(entry) == "compute.flavor")
    commit = msgspec.json.decode(entry.data)
    schema.validate(commit)
    harmed: list[Any] = [
        {**commit, "events": [{**commit["events"][0], "ram": "much"}]},
        {**commit, "events": [{**commit["events"][0], "type": "NoSuch"}]},
        {**commit, "events": [{"type": "FlavorCreated"}]},
        {name: value for name, value in commit.items() if name != "at"},
    ]
    for wrong in harmed:
        with pytest.raises(ValidationError):
            schema.validate(wrong)


def test_every_event_has_a_schema() -> None:
    found = {f"{name}.{event}" for name, schema in schemas.json_schemas().items() for event in schema["$defs"]}
    assert set(fingerprints()) <= found


def messages() -> dict[str, Draft202012Validator]:
    """The payloads that the AsyncAPI document tells of, by resource."""
    document = schemas.asyncapi()
    parts = {"components": document["components"]}
    return {
        name: validator({**message["payload"], **parts}) for name, message in document["components"]["messages"].items()
    }


def test_every_cloudevent_is_as_the_document_says() -> None:
    validators = messages()
    for entry in entries_of(versions()[-1]):
        event = msgspec.json.decode(cloudevent(told(entry.sequence, entry.subject, entry.data)))
        validators[resource(entry)].validate(event)
        assert set(event) - {"data"} <= set(schemas.ATTRIBUTES)
        assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in event)
    with pytest.raises(ValidationError):
        validators["compute.server"].validate({**event, "id": "one"})


def test_the_document_is_asyncapi() -> None:
    if not SPECIFICATION.exists():
        pytest.skip("tools/install-clients fetches the specification where there is npm")
    specification = msgspec.json.decode(SPECIFICATION.read_bytes())
    for document in (schemas.asyncapi(), schemas.asyncapi("https://cloud.example.org/")):
        errors = list(Draft7Validator(specification).iter_errors(document))
        assert errors == []
    broken = {**schemas.asyncapi(), "channels": {"a": {"address": 1}}}
    assert not Draft7Validator(specification).is_valid(broken)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = schemas.asyncapi()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(reference := value.get("$ref"), str):
                found = document
                for step in reference.removeprefix("#/").split("/"):
                    found = found[step]
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(document)
    assert set(document["components"]["messages"]) == {*schemas.json_schemas(), "journal.epoch"}


async def test_what_the_journal_says_of_itself_is_told_without_anybodys_state() -> None:
    journal = MemoryJournal()
    fold = Fold([flavor])
    await fold.follow(journal)
    wish = CreateFlavor(id="secret", name="secret", ram=1, disk=1, vcpus=1)
    await Executor(journal, fold)(flavor, wish, CLOUD)
    await close(journal, fold)
    entries = [entry async for entry in JournalChronicle(journal).entries(1)]
    assert len(entries) > 3
    assert any(b"secret" in entry.data for entry in entries)
    for entry in entries:
        text = cloudevent(told_of(entry, fold))
        messages()["journal.epoch"].validate(msgspec.json.decode(text))
        assert b"secret" not in text
    await fold.stop()


@pytest.mark.parametrize("version", versions())
def test_no_hash_of_a_password_is_told(version: str) -> None:
    fold = Fold(deciders())
    stored = b"".join(entry.data for entry in entries_of(version))
    assert b"$2b$" in stored
    told = [cloudevent(told_of(entry, fold)) for entry in entries_of(version)]
    assert b"$2b$" not in b"".join(told)
    assert any(b'"password":"redacted"' in one for one in told)
    assert any(b'"secret":"redacted"' in one for one in told)
