"""The provider of a site that something happens to."""

from collections.abc import Iterator

import pytest

from tests.faults.site import Tutor


@pytest.fixture
def openai() -> Iterator[Tutor]:
    with Tutor() as openai:
        yield openai
