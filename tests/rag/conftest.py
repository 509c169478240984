"""A source in memory; the word-counting model unless a test asks for the packaged one."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import connections

from rag.embedders.base import get_embedder
from rag.sources import get_source
from tests.rag.parts import DictSource, WordEmbedder

if not django_settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
    collect_ignore = ["test_runs_at_once.py"]  # SQLite lets one write at a time

PHOTOSYNTHESIS = """Plants feed on light.

## What it is

Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.

## Where it happens

It happens in the chloroplasts, small green bodies in the cells of a leaf.
"""
ROOTS = """## What roots do

A root takes water and minerals from the soil and holds the plant in place.

## Root hairs

Root hairs are single cells that make the surface of the root many times larger.
"""


@pytest.fixture
def rag_settings(settings):
    """Change settings.RAG for one test: `rag_settings(EMBEDDING_MODEL="…")`."""

    def change(**changes):
        settings.RAG = {**settings.RAG, **changes}

    return change


@pytest.fixture
def source(rag_settings) -> DictSource:
    """An empty source, and the word-counting model."""
    rag_settings(SOURCE="tests.rag.parts.DictSource", EMBEDDER="tests.rag.parts.WordEmbedder")
    return get_source()


@pytest.fixture
def plants(source) -> DictSource:
    """The source with one collection, `plants`, of two documents; not indexed."""
    source.put("plants", "1", "Photosynthesis", PHOTOSYNTHESIS)
    source.put("plants", "2", "Roots", ROOTS)
    return source


@pytest.fixture
def embedder(source) -> WordEmbedder:
    return get_embedder()


@pytest.fixture(scope="session")
def packaged_model():
    """The real MiniLM, loaded once for the whole session."""
    from rag.embedders.sentence_transformer import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(None)


@pytest.fixture
def minilm(source, rag_settings, packaged_model):
    """Let `source` be indexed and searched with the real MiniLM."""
    held = source.held
    rag_settings(EMBEDDER="tests.rag.conftest.the_loaded_model")
    get_source().held = held
    the_loaded_model.model = packaged_model
    return packaged_model


def the_loaded_model(model=None):
    return the_loaded_model.model


@pytest.fixture(scope="session", autouse=True)
def the_thread_of_async_queries_is_left_without_a_connection(django_db_setup):
    """PostgreSQL removes no database that somebody is connected to."""
    yield
    asyncio.run(sync_to_async(connections.close_all)())
