"""A labelled set is read as it is meant, or refused with the file and the line of the fault."""

import pytest

from rag.evaluation.labelled_set import LabelledSetError, read_labelled_set
from tests.rag.labelled_parts import PASSAGES, QUESTIONS, SetOnDisk


@pytest.fixture
def trees(tmp_path) -> SetOnDisk:
    return SetOnDisk(tmp_path / "trees")


def test_what_is_read_is_what_the_files_say(trees):
    trees.meta(lang="de")

    labelled = read_labelled_set(trees.folder)

    assert (labelled.name, labelled.language, labelled.level) == ("trees", "de", "passage")
    assert {id: passage.text for id, passage in labelled.passages.items()} == PASSAGES
    assert labelled.questions == QUESTIONS
    assert labelled.relevant == {"q1": {"bark": 2}, "q2": {"seed": 1}}


def test_titles_are_used_where_the_set_says_so(trees):
    trees.lines("corpus.jsonl", {"id": "bark", "title": "The oak", "text": "It is hard."})
    trees.judged(("q1", "bark", 1))
    read = {}
    for uses_titles in (False, True):
        trees.meta(use_title=uses_titles)
        read[uses_titles] = read_labelled_set(trees.folder).passages["bark"].title

    assert read == {False: "", True: "The oak"}


def test_a_set_without_a_name_has_its_folders(trees):
    trees.lines("meta.json", {"level": "passage"})

    assert read_labelled_set(trees.folder).name == "trees"


def test_where_the_level_is_doc_several_passages_are_one_place(trees):
    trees.meta(level="doc")
    trees.lines(
        "corpus.jsonl",
        *({"id": id, "doc": "book", "text": text} for id, text in list(PASSAGES.items())[:3]),
        {"id": "seed", "text": PASSAGES["seed"]},  # a doc of its own
    )
    trees.judged(("q1", "book", 1), ("q2", "seed", 1))

    found = read_labelled_set(trees.folder).found(["leaf", "root", "seed", "bark"])

    assert found == ["book", "seed"]


def test_files_made_on_windows_are_read_as_well(trees):
    before = read_labelled_set(trees.folder)
    for path in trees.folder.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    assert read_labelled_set(trees.folder) == before


def test_text_may_hold_what_unicode_calls_the_end_of_a_line(trees):
    trees.lines("corpus.jsonl", {"id": "bark", "text": "One\u2028two\x85three"})
    trees.judged(("q1", "bark", 1))

    assert read_labelled_set(trees.folder).passages["bark"].text == "One\u2028two\x85three"


def fault(trees) -> str:
    return fault_of(trees.folder)


def fault_of(folder) -> str:
    with pytest.raises(LabelledSetError) as raised:
        read_labelled_set(folder)
    return str(raised.value)


def test_a_set_that_is_no_folder_is_named(tmp_path):
    assert fault_of(tmp_path / "nowhere") == (
        f"{tmp_path}/nowhere is no folder. A labelled set is a folder."
    )


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv", "meta.json"])
def test_a_missing_file_is_named(name, trees):
    (trees.folder / name).unlink()

    assert fault(trees) == f"{trees} holds no {name}."


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("corpus.jsonl", '{"id": "leaf"', "is not JSON: "),
        ("corpus.jsonl", "[1]", "is no JSON object."),
        ("corpus.jsonl", '{"text": "x"}', "has no id."),
        ("corpus.jsonl", '{"id": "", "text": "x"}', "has an empty id."),
        ("corpus.jsonl", '{"id": 7, "text": "x"}', "has 7 as its id; it takes text."),
        ("corpus.jsonl", '{"id": "leaf", "text": "x"}', "has the id “leaf”, which a line before"),
        ("corpus.jsonl", '{"id": "x"}', "has no text."),
        ("corpus.jsonl", '{"id": "x", "text": null}', "has null as its text; it takes text."),
        ("corpus.jsonl", '{"id": "x", "text": "x", "doc": 3}', "has 3 as its doc; it takes text."),
        ("queries.jsonl", '{"id": "q2", "text": "x"}', "has the id “q2”, which a line before"),
        ("queries.jsonl", '{"id": "q3"}', "has no text."),
        ("qrels.tsv", "q9\tbark\t1", "judges the question “q9”, which is not in the set."),
        ("qrels.tsv", "q1\twood\t1", "judges the passage “wood”, which is not in corpus.jsonl."),
        ("qrels.tsv", "q1\tbark", "is not a question, a passage and a whole number between tabs."),
        ("qrels.tsv", "q1\tbark\tyes", "is not a question, a passage and a whole number between"),
    ],
)
def test_a_broken_line_is_named_with_its_number(name, line, said, trees):
    path = trees.folder / name
    number = len(path.read_bytes().splitlines()) + 2
    trees.text(name, f"{path.read_text()}\n{line}\n")  # a blank line between, which is no fault

    assert fault(trees).startswith(f"{path}, line {number}: {said}")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("meta.json", "{", "meta.json, line 1: is not JSON: "),
        ("meta.json", "[]", "meta.json: holds no JSON object."),
        ("meta.json", '{"name": "x"}', "meta.json: level is null; it takes passage or doc."),
        ("meta.json", '{"level": "page"}', 'meta.json: level is "page"; it takes passage or doc.'),
        (
            "meta.json",
            '{"level": "doc", "use_title": "yes"}',
            'meta.json: use_title is "yes"; it takes true or false.',
        ),
        ("corpus.jsonl", "", "corpus.jsonl: holds no passage."),
        ("qrels.tsv", "", "qrels.tsv, line 1: is not a header of three names between tabs."),
        ("qrels.tsv", "q1\tbark\t1\n", "qrels.tsv, line 1: is not a header of three names"),
        ("qrels.tsv", "a\tb\tc\nq1\tbark\t0\n", "qrels.tsv: judges no passage as relevant."),
    ],
)
def test_a_file_that_is_no_use_is_named(name, text, said, trees):
    trees.text(name, text)

    assert fault(trees).startswith(f"{trees}/{said}")


def test_a_judged_passage_is_no_doc(trees):
    trees.meta(level="doc")
    trees.lines("corpus.jsonl", *({"id": id, "doc": "book", "text": "x"} for id in PASSAGES))

    assert "line 2: judges the doc “bark”, which is not in corpus.jsonl." in fault(trees)


def test_text_that_is_not_utf_8_is_named_with_its_line(trees):
    with (trees.folder / "queries.jsonl").open("ab") as file:
        file.write(b'{"id": "q3", "text": "caf\xe9"}\n')

    assert fault(trees) == f"{trees}/queries.jsonl, line 3: is not UTF-8."
