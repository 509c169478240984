import json

import pytest
from django.core.management import CommandError, call_command

from rag import conf
from rag.models import IndexVersion

pytestmark = pytest.mark.django_db(transaction=True)


def test_reindex_prints_what_it_did(plants, capsys):
    call_command("reindex")

    printed = capsys.readouterr()
    assert "2 added, 0 changed, 0 unchanged, 0 removed" in printed.out
    assert "seconds" in printed.out
    assert printed.err == ""  # no progress bar where nobody watches


def test_reindex_ends_with_1_when_a_document_failed(plants, capsys):
    plants.put("plants", "3", "Broken", "\ud800")

    with pytest.raises(SystemExit) as ended:
        call_command("reindex")

    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert "plants: Broken: " in printed.err
    assert "2 added" in printed.out and "1 failed" in printed.out


def test_reindex_of_an_unknown_course_names_the_known_ones(plants):
    with pytest.raises(CommandError, match=r"no course “stones”. Known: plants\."):
        call_command("reindex", course="stones")


def test_a_dry_run_says_so(plants, capsys):
    call_command("reindex", "--dry-run", "--course", "plants")

    assert "dry run, nothing written" in capsys.readouterr().out
    assert not IndexVersion.objects.exists()


def test_no_activate_leaves_the_search_as_it_was(plants):
    call_command("reindex", "--no-activate")

    with pytest.raises(CommandError, match="no search index yet"):
        call_command("search", "root", course="plants")


def test_rollback_says_where_it_went_back_to(plants, capsys):
    call_command("reindex")
    plants.put("plants", "2", "Roots", "All about roots.")
    call_command("reindex")

    call_command("reindex", "--rollback", "--course", "plants")

    assert "plants: back to the index of" in capsys.readouterr().out


def test_rollback_to_the_index_of_another_model_is_refused(plants, rag_settings, capsys):
    call_command("reindex")
    held = plants.held
    held["stones"] = {}
    rag_settings(EMBEDDING_MODEL="newer words")
    conf.backend("SOURCE").held = held
    call_command("reindex")

    with pytest.raises(CommandError, match="built with words, but newer words is configured"):
        call_command("reindex", "--rollback")


def test_rollback_of_all_says_which_stay_as_they_are(plants, rag_settings, capsys):
    call_command("reindex")
    plants.put("stones", "9", "Granite", "Granite is hard.")
    call_command("reindex")
    plants.put("plants", "2", "Roots", "All about roots.")
    plants.put("stones", "9", "Granite", "Granite is old.")
    call_command("reindex")
    stones = IndexVersion.objects.filter(collection="stones", status="retired")
    stones.update(embedder_fingerprint="old", embedder_name="older words")

    call_command("reindex", "--rollback")

    printed = capsys.readouterr()
    assert "plants: back to the index of" in printed.out
    assert "“stones” stays as it is" in printed.err and "older words" in printed.err


def test_a_course_without_an_earlier_index_does_not_keep_the_others_from_going_back(plants, capsys):
    call_command("reindex")
    plants.put("plants", "2", "Roots", "All about roots.")
    plants.put("stones", "9", "Granite", "Granite is hard.")
    call_command("reindex")

    call_command("reindex", "--rollback")

    assert "plants: back to the index of" in capsys.readouterr().out


def test_rollback_with_nothing_to_go_back_to_is_an_error(plants):
    call_command("reindex")

    with pytest.raises(CommandError, match="no earlier index version"):
        call_command("reindex", "--rollback")


def test_search_shows_passages_with_their_positions(plants, capsys):
    call_command("reindex")
    call_command("search", "root hairs", course="plants")

    printed = capsys.readouterr().out
    assert "[1] Roots › Root hairs" in printed
    assert "lexical 1 · dense 1 · fused 1 · rerank 1" in printed


def test_search_prints_json(plants, capsys):
    call_command("reindex")
    capsys.readouterr()
    call_command("search", "root hairs", "--course", "plants", "--json")

    shown = json.loads(capsys.readouterr().out)
    assert (shown["question"], shown["weak"]) == ("root hairs", False)
    first = shown["passages"][0]
    assert first["document_key"] == "2"
    assert first["lexical_position"] == first["rerank_position"] == 1


def test_search_of_an_unknown_course_names_the_known_ones(plants):
    with pytest.raises(CommandError, match=r"no course “stones”. Known: plants\."):
        call_command("search", "root", course="stones")


@pytest.mark.parametrize("command", [["reindex"], ["search", "root", "--course", "plants"]])
def test_a_model_folder_that_is_not_there_is_named(plants, rag_settings, command):
    held = plants.held
    rag_settings(
        EMBEDDER="rag.embedders.sentence_transformer.SentenceTransformerEmbedder",
        EMBEDDING_MODEL="/nowhere/model",
    )
    conf.backend("SOURCE").held = held
    IndexVersion.objects.create(collection="plants", status=IndexVersion.Status.ACTIVE)

    with pytest.raises(CommandError, match="EMBEDDING_MODEL is /nowhere/model: there is no such"):
        call_command(*command)
