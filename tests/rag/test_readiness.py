import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks

from rag.embedders.base import get_embedder
from rag.errors import IndexMismatch
from rag.indexing import reindex
from rag.models import IndexVersion
from rag.readiness import IndexStatus, index_status
from rag.search import search_sync
from rag.sources import get_source
from rag.stamps import revision
from tests.rag.parts import WordEmbedder

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
    reindex()
    held = plants.held
    rag_settings(EMBEDDING_MODEL="newer words")
    get_source().held = held

    assert "built with words, but newer words" in index_status().problems["plants"]


def test_new_files_of_the_same_model_are_named_by_their_revisions(plants):
    reindex()
    IndexVersion.objects.update(embedder_fingerprint="old", embedder_revision="0ld")

    assert index_status().problems["plants"] == (
        "The search index of “plants” was built with words of revision 0ld, but its files are now "
        "of revision fingerprint . Run: manage.py reindex --course plants"
    )


def test_vectors_that_are_not_normalised_are_refused(plants):
    reindex(activate=False)
    IndexVersion.objects.update(status=IndexVersion.Status.ACTIVE, normalisation="none")

    assert "normalised by none, but" in index_status().problems["plants"]
    with pytest.raises(IndexMismatch, match=r"normalised by none.*reindex --course plants"):
        search_sync("root hairs", collection="plants")


class ShorterWords(WordEmbedder):
    """Says that it is the same model, and gives shorter vectors."""

    dimension = 32
    is_loaded = False


def test_vectors_of_another_dimension_are_refused_once_the_model_is_loaded(plants, rag_settings):
    reindex()
    held = plants.held
    rag_settings(EMBEDDER="tests.rag.test_readiness.ShorterWords")
    get_source().held = held

    assert index_status().problems == {}
    get_embedder().is_loaded = True
    assert "has vectors of 64 numbers, but words gives 32" in index_status().problems["plants"]


def test_an_index_of_an_older_chunker_is_searched_and_the_check_tells(plants):
    reindex()
    IndexVersion.objects.update(chunker_version="1:9")

    status = index_status()

    assert (status.searchable, status.problems) == (["plants"], {})
    assert "cut by chunker 1:9" in status.outdated["plants"]
    assert "rag.W002" in ids(databases=["default"])
    assert search_sync("root hairs", collection="plants").passages


def test_a_model_of_the_hub_has_its_commit_as_its_revision():
    class OfTheHub(WordEmbedder):
        folder = Path("/cache/models--owner--name/snapshots") / ("0123456789" * 4)

    assert revision(OfTheHub()) == "012345678901"
    assert revision(WordEmbedder()) == "fingerprint "


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
