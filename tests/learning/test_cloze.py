"""Questions made without a model: a sentence, a blank, and options that could stand there."""

import re

import pytest

from learning.artefacts.alike import BLANK
from learning.artefacts.cloze import Clozes
from learning.artefacts.distractors import Vocabulary, distractors, plural
from learning.artefacts.items import check, plain
from learning.artefacts.key_sentences import is_key_sentence, plain_sentence
from learning.artefacts.passages import CourseText, holds, read_chapter
from learning.artefacts.terms import Term
from learning.models import Chapter
from tests.learning.quiz_texts import LEARNING, PLANTS


def course_of(*texts: str, language: str = "en") -> CourseText:
    chapters = [
        read_chapter(Chapter(pk=pk, slug=f"c{pk}", title=f"Chapter {pk}", text=text), language)
        for pk, text in enumerate(texts, start=1)
    ]
    return CourseText(1, "course", "Course", language, tuple(chapters))


def questions_of(course: CourseText, chapter: int = 0) -> list[dict]:
    return [content for content, _ in Clozes(course).of_chapter(course.chapters[chapter])]


def right_answer(content: dict) -> str:
    return (content["accepted"] or [content["options"][n] for n in content["right"]])[0]


@pytest.mark.parametrize(("text", "language"), [(PLANTS, "en"), (LEARNING, "zh-hans")])
def test_each_question_is_a_sentence_of_its_passage_with_a_term_left_out(text, language):
    course = course_of(text, language=language)
    made = list(Clozes(course).of_chapter(course.chapters[0]))

    assert len(made) >= 5
    for content, evidence in made:
        check("question", content)
        assert evidence.passage.text in text
        assert holds(evidence.passage.text, evidence.form)
        assert content["explanation"] in plain_sentence(evidence.passage.text)
        assert BLANK in content["text"]
        assert not holds(content["text"], right_answer(content))


def test_chinese_definitions_are_asked_for_without_the_foreign_name_beside_the_blank():
    made = questions_of(course_of(LEARNING, language="zh-hans"))

    texts = {right_answer(content): content["text"] for content in made}
    assert texts["过拟合"] == "____是模型把训练数据中的噪声也当成规律学了进去的现象。"
    assert not any("overfitting" in text for text in texts.values())


def test_a_short_answer_is_accepted_by_each_name_of_the_term():
    made = questions_of(course_of(LEARNING, language="zh-hans"))

    [short, *_] = [content for content in made if content["type"] == "short"]
    assert len(short["accepted"]) == 2
    assert re.search("[a-z]", short["accepted"][1])


def test_wrong_options_are_other_terms_that_the_sentence_does_not_hold():
    made = [content for content in questions_of(course_of(PLANTS)) if content["type"] == "single"]

    assert made
    for content in made:
        assert len(content["options"]) == 4
        assert len({plain(option) for option in content["options"]}) == 4
        right = len(right_answer(content))
        assert all(right / 3 < len(option) < 3 * right for option in content["options"])
        for wrong in content["options"][1:]:
            assert not holds(content["explanation"], wrong)


def test_a_term_that_the_sentence_holds_is_no_option():
    vocabulary = Vocabulary(
        "A root, a leaf, a stem, a bark and a twig. The leaf is a part of a tree."
    )
    others = [Term(name, (), 1.0) for name in ("leaf", "stem", "bark", "twig")]
    sentence = "A root feeds every leaf of the tree."

    options = distractors(sentence, Term("root", (), 1.0), "root", others, vocabulary)

    assert sorted(options) == ["bark", "stem", "twig"]


def test_wrong_options_come_from_the_chapter_as_another_may_not_be_published():
    course = course_of(
        PLANTS, "A **secret root** is a fine thread. A **hidden word** is a sign. " * 3
    )

    everything = str(questions_of(course))

    assert "secret" not in everything and "hidden" not in everything


def test_no_term_is_asked_for_twice_in_a_chapter():
    answers = [right_answer(content) for content in questions_of(course_of(PLANTS * 2))]

    assert len(set(answers)) == len(answers)


@pytest.mark.parametrize(
    "sentence",
    [
        "This is the process by which a leaf turns light into sugar.",
        "It is the process by which a leaf turns the light into sugar.",
        "As the table above shows, a leaf turns light into sugar by day.",
        "A leaf calls `grow()` each time the light falls onto its surface.",
        "| leaf | light | sugar and oxygen | a table has no sentences |.",
        "**Note.** A leaf turns light into sugar and gives off oxygen.",
        "A leaf is green.",
        "and so a leaf turns light, water and gas into sugar and oxygen.",
        "A leaf turns light, water and gas into",
        "A leaf is green. It turns light, water and gas into sugar by day.",
        "In this chapter a leaf turns light, water and gas into sugar.",
        "这是模型把训练数据中的噪声也当成规律学了进去的现象。",
        "上面的表说明模型把训练数据中的噪声也当成了规律。",
    ],
)
def test_a_sentence_that_does_not_stand_alone_is_no_key_sentence(sentence):
    assert not is_key_sentence(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "**Photosynthesis** is the process by which a leaf turns light into sugar.",
        "A [limit](02-limits.md) is the value that $f(x) = 1. 5$ approaches near $a$.",
        "**过拟合**（overfitting）是模型把训练数据中的噪声也当成规律学了进去的现象。",
    ],
)
def test_a_complete_sentence_is(sentence):
    assert is_key_sentence(sentence)


def test_a_sentence_is_shown_without_bold_type_and_links_and_with_its_formulas():
    shown = plain_sentence("The **limit** of [it](a.md) is *the* $a_1 * b_1 * c$ of\nall.")

    assert shown == "The limit of it is the $a_1 * b_1 * c$ of all."


def test_a_term_in_brackets_is_not_left_out():
    beside = "A leaf takes in air by tiny openings of its skin (each is called a **pore**) by day."

    answers = [right_answer(content) for content in questions_of(course_of(f"{PLANTS} {beside}"))]

    assert "pore" not in answers and "stoma" in answers


def test_a_chinese_term_that_the_sentence_says_again_is_not_left_out():
    course = course_of(
        "**随机梯度下降**（SGD）是每次只用一个样本更新参数的办法，随机梯度下降因此走得摇摇晃晃。",
        language="zh-hans",
    )

    assert questions_of(course) == []


@pytest.mark.parametrize(
    ("one", "many"),
    [("limit", "limits"), ("boundary", "boundaries"), ("box", "boxes"), ("SGD", "SGD")],
)
def test_options_stand_in_the_number_of_the_blank(one, many):
    assert plural(one) == many


def test_a_chapter_of_code_and_tables_gives_no_question():
    assert (
        questions_of(course_of("```python\nlimit = 3  # A limit is a value\n```\n\n| a | b |"))
        == []
    )
