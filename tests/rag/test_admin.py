import pytest

from rag.indexing import reindex
from rag.models import EVALUATION_PREFIX, Chunk, IndexVersion

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin(client, staff):
    client.force_login(staff)
    return client


def test_staff_see_which_index_is_active_and_what_it_holds(admin, plants):
    reindex()

    page = admin.get("/admin/rag/indexversion/")

    [row] = page.context["cl"].result_list
    assert (row.collection, row.embedder_name, row.passage_count) == ("plants", "words", 5)


def test_staff_see_how_an_index_was_made(admin, plants):
    reindex()
    version = IndexVersion.objects.get()

    shown = admin.get(f"/admin/rag/indexversion/{version.pk}/change/").content.decode()

    for words in ("words", version.embedder_revision, version.chunker_version, "l2", "64"):
        assert words in shown


def test_a_labelled_set_is_no_course(admin, plants):
    plants.put(EVALUATION_PREFIX + "scifact", "1", "Sugar", "Sugar is made of light.")
    reindex()

    versions = admin.get("/admin/rag/indexversion/").context["cl"].result_list
    assert [version.collection for version in versions] == ["plants"]
    assert "Sugar is made" not in admin.get("/admin/rag/chunk/").content.decode()


def test_staff_read_a_passage(admin, plants):
    reindex()
    chunk = Chunk.objects.get(text__startswith="Root hairs")

    assert "Root hairs" in admin.get("/admin/rag/chunk/").content.decode()
    page = admin.get(f"/admin/rag/chunk/{chunk.pk}/change/").content.decode()
    assert "single cells" in page


def test_nobody_changes_the_index_in_the_admin(admin, plants):
    reindex()
    version = IndexVersion.objects.get()

    assert admin.get("/admin/rag/indexversion/add/").status_code == 403
    assert admin.post(f"/admin/rag/indexversion/{version.pk}/delete/").status_code == 403
