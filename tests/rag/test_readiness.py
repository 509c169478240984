import subprocess
import sys

import pytest
from django.core.checks import run_checks

from rag.indexing import reindex
from rag.readiness import IndexStatus, index_status

pytestmark = pytest.mark.django_db(transaction=True)


def ids(**options):
    return {message.id for message in run_checks(**options)}


def test_a_collection_without_an_index_is_named(plants):
    assert "“plants” has no search index yet" in str(index_status())
    reindex()
    assert index_status() == IndexStatus(searchable=["plants"])


def test_a_collection_without_documents_needs_no_index(source):
    source.held["plants"] = {}

    assert index_status() == IndexStatus()


def test_an_index_of_another_model_is_named(plants, rag_settings):
    from rag.sources import get_source

    reindex()
    held = plants.held
    rag_settings(EMBEDDING_MODEL="newer words")
    get_source().held = held

    assert "built with words, but newer words" in index_status().problems["plants"]


def test_a_dotted_path_that_leads_nowhere_is_an_error(rag_settings):
    rag_settings(STORE="rag.stores.nowhere.Store")

    assert "rag.E001" in ids()


def test_a_model_folder_that_is_missing_is_an_error(rag_settings):
    rag_settings(EMBEDDING_MODEL="/nowhere/model")

    assert "rag.E002" in ids()


def test_the_index_is_looked_at_only_where_a_database_is_named(plants):
    assert "rag.W001" in ids(databases=["default"])
    assert "rag.W001" not in ids()
    reindex()
    assert "rag.W001" not in ids(databases=["default"])


def test_checks_and_an_unchanged_reindex_import_no_torch():
    script = (
        "import sys, django; django.setup()\n"
        "from django.core.checks import run_checks; run_checks()\n"
        "from rag import indexing, search, admin\n"
        "from rag.embedders.base import get_embedder\n"
        "get_embedder().fingerprint, get_embedder().count_tokens(['a word'])\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'jieba'}\n"
        "print(heavy & sys.modules.keys())"
    )

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "set()"
