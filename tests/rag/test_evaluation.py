"""A labelled set is read, indexed beside the courses, asked, and scored stage by stage."""

import io
import json
import signal

import pytest
from django.core.management import CommandError, call_command

from rag.evaluation.evaluation import evaluate
from rag.evaluation.indexed_set import collection_of
from rag.evaluation.labelled_set import read_labelled_set
from rag.evaluation.progress import Progress
from rag.indexing import reindex
from rag.models import Document, IndexVersion
from tests.rag.labelled_parts import PASSAGES, SetOnDisk
from tests.rag.parts import ShortestFirst

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trees(tmp_path, source) -> SetOnDisk:
    return SetOnDisk(tmp_path / "trees")


@pytest.fixture
def evaluated(trees, capsys):
    """Evaluate the set and return what `--json` printed."""

    def run(*options):
        call_command("evaluate_search", str(trees), "--json", *options)
        return json.loads(capsys.readouterr().out)

    return run


def test_a_set_whose_answers_share_words_with_its_questions_is_found_whole(evaluated):
    found = evaluated()

    assert (found["set"], found["stage"], found["embedder"]) == ("trees", "final", "words")
    assert (found["passages"], found["questions"], found["judged_questions"]) == (4, 2, 2)
    for stage in ("lexical", "fused", "final"):
        assert found["stages"][stage]["ndcg@10"] == 1.0
    assert (found["ndcg@10"], found["mrr@10"], found["recall@5"], found["recall@10"]) == (1,) * 4
    assert 0 < found["p50_ms"] <= found["p95_ms"]


def test_the_figures_at_the_top_are_those_of_the_stage_that_was_asked_for(evaluated, rag_settings):
    # It puts the shortest passage first, which answers neither question but q2.
    rag_settings(RERANKER="tests.rag.parts.ShortestFirst")
    final, fused = evaluated(), evaluated("--stage", "fused")

    assert final["stages"] == fused["stages"]
    assert final["mrr@10"] == final["stages"]["final"]["mrr@10"] < fused["mrr@10"] == 1
    assert final["differences"]["final minus fused"]["difference"] < 0
    assert fused["differences"]["fused minus final"]["difference"] > 0


def test_the_table_shows_all_stages_and_how_to_remove_the_index(trees, capsys):
    call_command("evaluate_search", str(trees), "--stage", "lexical")

    printed = capsys.readouterr()
    assert "trees: 4 passages, 2 questions, 2 of them judged, level passage" in printed.out
    for row in ("* lexical   1.0000 ± 0.000", "  dense ", "  fused ", "  final "):
        assert row in printed.out
    assert "lexical minus final: nDCG@10 +0.0000" in printed.out
    assert f"evaluate_search {trees} --forget" in printed.out
    assert printed.err == ""


def test_several_sets_are_evaluated_one_after_the_other(trees, tmp_path, capsys):
    other = SetOnDisk(tmp_path / "other")
    other.meta(name="other")

    call_command("evaluate_search", str(trees), str(other), "--json")

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["set"] for line in lines] == ["trees", "other"]


def test_a_run_holds_every_question_with_passages_best_first(trees, tmp_path):
    out = tmp_path / "run.jsonl"
    call_command("evaluate_search", str(trees), "--run", str(out))

    run = {line["qid"]: line["docids"] for line in map(json.loads, out.read_text().splitlines())}
    assert list(run) == ["q1", "q2"]
    assert (run["q1"][0], run["q2"][0]) == ("bark", "seed")
    for ids in run.values():
        assert len(set(ids)) == len(ids)
        assert set(ids) <= PASSAGES.keys()


def test_where_the_level_is_doc_passages_count_as_their_doc(trees, evaluated):
    trees.meta(level="doc")
    trees.lines(
        "corpus.jsonl",
        *({"id": id, "doc": "book", "text": text} for id, text in list(PASSAGES.items())[:3]),
        {"id": "seed", "text": PASSAGES["seed"]},  # a doc of its own
    )
    trees.judged(("q1", "book", 1), ("q2", "seed", 1))

    assert evaluated()["ndcg@10"] == 1.0


def test_questions_that_nothing_is_judged_for_are_asked_and_not_scored(trees, evaluated):
    trees.judged(("q1", "bark", 1), ("q2", "seed", 0))

    found = evaluated()

    assert (found["questions"], found["judged_questions"], found["ndcg@10"]) == (2, 1, 1.0)


def test_a_passage_is_indexed_with_its_title_and_language(trees, evaluated):
    trees.meta(use_title=True, lang="de")
    trees.lines("corpus.jsonl", {"id": "bark", "title": "The oak " * 100, "text": "It is hard."})
    trees.judged(("q1", "bark", 1))

    evaluated()

    document = Document.objects.get()
    assert (document.key, document.language) == ("bark", "de")
    assert document.title == ("The oak " * 100)[:500]


def test_a_passage_without_text_is_never_found_and_harms_nothing(trees, evaluated):
    trees.lines(
        "corpus.jsonl",
        *({"id": id, "text": text} for id, text in PASSAGES.items() if id != "bark"),
        {"id": "bark", "text": " "},
    )

    found = evaluated()

    assert (found["passages"], found["failed_passages"]) == (4, 0)
    assert found["recall@10"] == 0.5


def test_a_passage_that_cannot_be_indexed_is_named(trees, capsys):
    passages = {**PASSAGES, "odd": "UNREADABLE"}
    trees.lines("corpus.jsonl", *({"id": id, "text": text} for id, text in passages.items()))

    call_command("evaluate_search", str(trees), "--json")

    printed = capsys.readouterr()
    assert json.loads(printed.out)["failed_passages"] == 1
    assert "not indexed, so never found: " in printed.err
    assert "could not be embedded" in printed.err


@pytest.mark.parametrize("strange", ["x" * 400, "a\0b", "\ud800", " 叶/leaf? "])
def test_an_id_may_be_any_text(strange, trees, tmp_path):
    out = tmp_path / "run.jsonl"
    (trees.folder / "corpus.jsonl").write_text(
        "".join(
            json.dumps({"id": id, "text": text}) + "\n"
            for id, text in {**PASSAGES, strange: "Moss grows on stones."}.items()
        )
    )
    trees.lines("queries.jsonl", {"id": "q1", "text": "Where does moss grow?"})
    trees.judged(("q1", "bark", 1))

    call_command("evaluate_search", str(trees), "--run", str(out))

    assert json.loads(out.read_text())["docids"][0] == strange
    assert all(len(document.key) <= 200 for document in Document.objects.all())


def test_no_course_is_touched(trees, plants, evaluated):
    reindex()
    before = set(IndexVersion.objects.values_list("pk", "status"))

    evaluated()
    reindex()  # which removes what is no course any more

    versions = IndexVersion.objects.exclude(collection=collection_of(trees.folder))
    assert set(versions.values_list("pk", "status")) == before
    assert IndexVersion.objects.filter(collection=collection_of(trees.folder)).exists()


def test_a_second_evaluation_embeds_only_what_changed(trees, evaluated, embedder):
    evaluated()
    first = len(embedder.embedded)
    trees.lines(
        "corpus.jsonl",
        *({"id": id, "text": text} for id, text in {**PASSAGES, "root": "It drinks."}.items()),
    )

    evaluated()

    assert [text.strip() for text in embedder.embedded[first:]] == ["It drinks."]


def test_sets_of_one_name_in_two_places_do_not_meet(trees, tmp_path):
    (tmp_path / "elsewhere").mkdir()

    assert collection_of(trees.folder) != collection_of(tmp_path / "elsewhere/trees")


def test_forget_removes_the_index_of_a_set(trees, plants, evaluated, capsys):
    reindex()
    evaluated()
    collection = collection_of(trees.folder)

    call_command("evaluate_search", str(trees), "--forget")

    assert f"removed {collection}" in capsys.readouterr().out
    assert set(Document.objects.values_list("collection", flat=True)) == {"plants"}
    assert set(IndexVersion.objects.values_list("collection", flat=True)) == {"plants"}
    call_command("evaluate_search", str(trees), "--forget")
    assert f"there is no {collection}" in capsys.readouterr().out


def test_forget_without_a_set_removes_all_of_them_and_no_course(trees, plants, evaluated, capsys):
    reindex()
    evaluated()

    call_command("evaluate_search", "--forget")

    assert set(IndexVersion.objects.values_list("collection", flat=True)) == {"plants"}
    capsys.readouterr()
    call_command("evaluate_search", "--forget")
    assert "no index of a labelled set" in capsys.readouterr().out


def test_one_trace_holds_the_figures_and_none_a_question(trees, evaluated, traces):
    found = evaluated()

    [trace] = traces.traces
    assert (trace.name, trace.tags, trace.observations) == ("evaluate_search", ["job"], [])
    assert trace.input["passages"] == 4
    assert trace.output == found
    assert traces.running == []


@pytest.fixture
def interrupts():
    """Ctrl-C as in a terminal; a process that a shell put into the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Impatient(ShortestFirst):
    def score(self, question, candidates):
        raise TimeoutError("too slow")


def test_questions_whose_rerank_gave_up_are_counted(trees, evaluated, rag_settings, capsys):
    assert evaluated()["rerank_gave_up"] == 0
    rag_settings(RERANKER=f"{__name__}.Impatient")

    assert evaluated()["rerank_gave_up"] == 2
    call_command("evaluate_search", str(trees))
    assert "rerank gave up: 2 questions" in capsys.readouterr().out


def test_ctrl_c_between_questions_ends_it_at_once(trees, interrupts):
    asked = []

    def press(done, total, what):
        asked.append(done)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        evaluate(read_labelled_set(trees.folder), indexing=print, asking=press)

    assert asked == [1]
    assert IndexVersion.objects.get().status == IndexVersion.Status.ACTIVE


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere():
    shown = {}
    for stream in (Terminal(), io.StringIO()):
        with Progress("questions", stream=stream, seconds_between_lines=0) as progress:
            for done in (1, 2, 3):
                progress(done, 3, "trees")
        shown[type(stream)] = stream.getvalue()

    assert "trees: 100%" in shown[Terminal]
    assert shown[io.StringIO] == "trees: 2 of 3 questions\ntrees: 3 of 3 questions\n"


def test_a_fault_in_a_set_is_said_before_anything_is_indexed(trees, tmp_path):
    broken = SetOnDisk(tmp_path / "broken")
    (broken.folder / "qrels.tsv").unlink()

    with pytest.raises(CommandError, match=r"broken holds no qrels\.tsv"):
        call_command("evaluate_search", str(trees), str(broken))
    assert not IndexVersion.objects.exists()


def test_a_run_that_cannot_be_written_is_known_before_anything_is_indexed(trees, tmp_path):
    for out, said in ((tmp_path, "is a folder"), (tmp_path / "no/run", "lies in no folder that")):
        with pytest.raises(CommandError, match=said):
            call_command("evaluate_search", str(trees), "--run", str(out))
    with pytest.raises(CommandError, match="name one SET"):
        call_command("evaluate_search", str(trees), str(trees), "--run", str(tmp_path / "run"))
    assert not IndexVersion.objects.exists()


def test_without_a_set_there_is_nothing_to_do(source):
    with pytest.raises(CommandError, match="Name the folder of a labelled set"):
        call_command("evaluate_search")
