"""A course that can be asked about, and a provider that says what a test tells it to."""

import pytest
import pytest_asyncio

from learning.llm.availability import get_availability
from learning.llm.base import _other_model, get_chat_model, get_fallback_model
from learning.models import Conversation
from rag import database
from rag.indexing import reindex
from tests.learning.chat import Tab


@pytest.fixture(scope="session", autouse=True)
def database_threads(django_db_setup):
    """A database that is still in use cannot be removed at the end."""
    yield
    database.close_connections()


@pytest.fixture
def forget_models():
    """Call it after a change of settings.TUTOR."""
    yield _forget_models
    _forget_models()


@pytest.fixture
def chat_model(openai_server, settings):
    """A real OpenAI-compatible server, and the product set to use it."""
    settings.TUTOR = {
        **settings.TUTOR,
        "CHAT_MODEL_BACKEND": "learning.llm.openai.OpenAIChatModel",
        "BASE_URL": openai_server.url,
        "API_KEY": "sk-test-0123456789abcdef",
    }
    _forget_models()
    yield openai_server
    _forget_models()


def _forget_models() -> None:
    for getter in (get_chat_model, _other_model, get_fallback_model, get_availability):
        getter.cache_clear()


@pytest.fixture
def indexed(transactional_db, course, settings):
    """The course of plants, searchable; by a model that counts words, since search is not asked."""
    settings.RAG = {**settings.RAG, "EMBEDDER": "tests.rag.parts.WordEmbedder"}
    reindex([course.slug])
    return course


@pytest.fixture
def conversation(indexed, alice) -> Conversation:
    """Alice's, about plants."""
    return Conversation.objects.create(user=alice, course=indexed)


@pytest_asyncio.fixture
async def tab(conversation, alice):
    """Alice's browser tab on her conversation."""
    opened = await Tab(conversation.pk, alice).open()
    yield opened
    await opened.close()
