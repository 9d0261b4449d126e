"""Whole scenarios: the answers are those of the real service, step by step."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.contract import scenarios
from tests.contract.scenarios import begin, fits, message, send, shape


@pytest.mark.parametrize("name", sorted(file.stem for file in Path(scenarios.__file__).parent.glob("*.json")))
def test_each_answer_is_the_real_services_own(admin: httpx.Client, name: str) -> None:
    names = begin()
    differences = []
    for step in scenarios.read(name):
        answer = send(admin, step, names)
        found = (answer.status_code, message(answer, names))
        if found != (step.status, step.message) or not fits(shape(answer), step.shape):
            differences.append((step.name, (step.status, step.message, step.shape), answer.text))
    assert not differences
