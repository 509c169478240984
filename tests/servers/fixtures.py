"""The servers as fixtures; `tests/conftest.py` names this module in `pytest_plugins`."""

import pytest

from tests.servers.langfuse_server import LangfuseServer
from tests.servers.openai_server import OpenAIServer
from tests.servers.smtp_server import SMTPServer


@pytest.fixture
def openai_server():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def langfuse_server():
    with LangfuseServer() as server:
        yield server


@pytest.fixture
def smtp_server():
    with SMTPServer() as server:
        yield server
