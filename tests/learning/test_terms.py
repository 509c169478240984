"""The key terms of a course, found in its text alone."""

from pathlib import Path

import pytest

import learning
from learning.artefacts.passages import CourseText, holds, read_chapter
from learning.artefacts.terms import CourseTerms
from learning.models import Chapter

DEMO = Path(learning.__file__).parent / "demo"


def course_of(*texts: str, language: str = "en", titles: tuple[str, ...] = ()) -> CourseText:
    chapters = [
        read_chapter(
            Chapter(pk=number, slug=str(number), title=title or f"Chapter {number}", text=text),
            language,
        )
        for number, (text, title) in enumerate(
            zip(texts, titles or [""] * len(texts), strict=True), start=1
        )
    ]
    return CourseText(1, "course", "A course", language, tuple(chapters))


def demo(name: str, language: str) -> CourseText:
    texts = [path.read_text() for path in sorted((DEMO / name).glob("[0-9]*.md"))]
    titles = tuple(text.split("title: ", 1)[1].split("\n", 1)[0] for text in texts)
    return course_of(*texts, language=language, titles=titles)


def names(terms) -> list[str]:
    return [term.name for term in terms]


@pytest.fixture(scope="module")
def calculus():
    return CourseTerms(demo("calculus", "en"))


@pytest.fixture(scope="module")
def machine_learning():
    return CourseTerms(demo("machine-learning-zh", "zh-hans"))


def test_the_best_terms_of_an_english_course_are_what_a_teacher_would_pick(calculus):
    best = names(calculus.terms[:60])

    assert {"derivative", "limit", "chain rule", "definite integral", "Taylor polynomial"} <= {
        *best
    }
    assert not {"example", "following", "chapter", "value", "point", "table", "number"} & {*best}


def test_the_best_terms_of_a_chinese_course_are_what_a_teacher_would_pick(machine_learning):
    best = names(machine_learning.terms[:60])

    assert {"梯度下降", "过拟合", "学习率", "反向传播", "主成分分析"} <= {*best}
    assert not {"可以", "我们", "例如", "方法", "问题", "结果"} & {*best}


@pytest.mark.parametrize("terms", ["calculus", "machine_learning"])
def test_every_passage_holds_the_term_as_it_stands_there(terms, request):
    terms = request.getfixturevalue(terms)
    seen = 0
    for chapter_id in range(1, 9):
        for term in terms.of_chapter(chapter_id, 25):
            evidence = terms.evidence(term, chapter_id)
            assert evidence, term
            for each in evidence:
                assert each.form and holds(each.passage.text, each.form), (term, each)
                seen += 1
    assert seen > 400


def test_no_two_terms_are_the_same_by_any_name(machine_learning):
    all_names = [name for term in machine_learning.terms for name in (term.name, *term.aliases)]

    assert len(all_names) == len(set(all_names))


def test_terms_of_a_chapter_are_about_that_chapter(calculus):
    assert names(calculus.of_chapter(2, 3)) == ["limit", "one-sided limit", "squeeze theorem"]
    assert len(calculus.of_chapter(2, 5)) == 5


def test_code_formulas_links_and_comments_give_no_terms():
    text = (
        "The **cell** lives.\n\n```python\nribosome = 1\nribosome + ribosome\n```\n\n"
        "Here `ribosome` and $ribosome$ and $$ribosome$$ and \\(ribosome\\).\n\n"
        "See <!-- ribosome --> [the cell](ribosome.html), https://ribosome.org/ribosome.\n"
    )
    terms = CourseTerms(course_of(text))

    assert names(terms.terms) == ["cell"]
    assert terms.evidence_of(["ribosome"], 1) == []


def test_code_that_a_passage_breaks_in_two_is_code_in_both():
    lines = "\n".join(f"ribosome_{n} = ribosome + {n}  # the ribosome" for n in range(120))
    course = course_of(f"The **cell** lives.\n\n```python\n{lines}\n```\n\nThe cell ends.")

    assert len(course.chapters[0].passages) > 2
    assert CourseTerms(course).evidence_of(["ribosome"], 1) == []


def test_singular_and_plural_are_one_term_and_each_stands_as_it_is_written():
    text = "# A\n\nA **mitochondrion** and a **root hair**.\n\n# B\n\nRoot hairs are fine hairs."
    terms = CourseTerms(course_of(text))
    [hair] = [term for term in terms.terms if "hair" in term.name]

    assert hair.name == "root hair"
    assert [each.form for each in terms.evidence(hair, 1)] == ["root hair", "Root hairs"]
    assert [each.form for each in terms.evidence_of(["fine hair"], 1)] == ["fine hairs"]


def test_a_part_of_a_longer_term_that_never_stands_alone_is_no_term():
    text = "The light reaction begins. A light reaction ends. Each light reaction counts."

    assert names(CourseTerms(course_of(text)).terms) == ["light reaction"]


def test_a_phrase_may_go_on_in_the_next_line_and_not_in_the_next_paragraph():
    in_lines = "The light\nreaction begins. A light\nreaction ends. Each light\nreaction counts."

    [term] = CourseTerms(course_of(in_lines)).terms
    assert term.name == "light reaction"
    assert names(CourseTerms(course_of(in_lines.replace("\n", "\n\n"))).terms) != ["light reaction"]


def test_what_a_sentence_says_the_meaning_of_is_a_term():
    terms = CourseTerms(course_of("A spring tide is a tide with a large range. It is fine."))

    [tide] = [term for term in terms.terms if term.name == "spring tide"]
    [evidence] = terms.evidence(tide, 1)
    assert evidence.definition == "A spring tide is a tide with a large range."


def test_a_definition_brings_the_formula_it_leads_to(machine_learning):
    [sigmoid] = [term for term in machine_learning.terms if term.name == "sigmoid 函数"]
    definitions = [each.definition for each in machine_learning.evidence(sigmoid, 4)]

    [definition] = filter(None, definitions)
    assert definition.startswith("**sigmoid 函数**（sigmoid function）是一条")
    assert r"\frac{1}{1 + e^{-z}}" in definition


def test_a_label_in_bold_is_no_term():
    text = (
        "**Note:** keep it. **Warning** too. **Do not do this!** A **stoma** opens. **Is it so?**"
    )

    assert names(CourseTerms(course_of(text)).terms) == []
    assert names(CourseTerms(course_of(f"{text} The stoma closes.")).terms) == ["stoma"]


def test_a_proper_name_keeps_its_capital_though_somebody_forgot_it_once():
    text = "Rust is a language. We like Rust. Compile Rust code. A Rust programmer writes Rust. "
    terms = CourseTerms(course_of(text * 3 + "Some write rust."))

    assert "Rust" in names(terms.terms) and "rust" not in names(terms.terms)


def test_a_reference_to_a_chapter_or_listing_is_no_term():
    text = "See **Chapter 2** and **Listing 10-22** of the book. **Ownership** is a set of rules. "
    terms = CourseTerms(course_of(text * 3))

    assert names(terms.terms) == ["Ownership"]


def test_names_in_brackets_are_other_names():
    text = "**随机梯度下降**（stochastic gradient descent，SGD）每次取一个样本。SGD 很快。"
    [term] = CourseTerms(course_of(text, language="zh-hans")).terms

    assert term.name == "随机梯度下降"
    assert {*term.aliases} == {"stochastic gradient descent", "SGD"}


def test_an_english_acronym_must_be_made_of_the_initials():
    good = "We use stochastic gradient descent (SGD). Then SGD (stochastic gradient descent) ends."
    bad = "We use stochastic gradient descent (ADAM) and the chain rule (see above)."

    [term] = [
        term for term in CourseTerms(course_of(good)).terms if "SGD" in (term.name, *term.aliases)
    ]
    assert (term.name, term.aliases) == ("stochastic gradient descent", ("SGD",))
    assert not any(term.aliases for term in CourseTerms(course_of(bad)).terms)


def test_names_are_the_same_across_chapters_and_languages():
    terms = CourseTerms(
        course_of(
            "**随机梯度下降**（stochastic gradient descent）每次取一个样本。",
            "Stochastic gradient descent (SGD) takes one sample.",
            "今天常用 SGD。SGD 很快。",
            language="zh-hans",
        )
    )
    [term] = [term for term in terms.terms if term.name == "随机梯度下降"]

    assert {*term.aliases} == {"stochastic gradient descent", "SGD"}
    assert [each.form for each in terms.evidence(term, 3)] == ["SGD"]


def test_a_name_in_running_chinese_is_not_cut_in_half():
    text = "训练时使用随机梯度下降（SGD）。梯度下降很慢，梯度下降很稳，梯度下降不难。"
    terms = CourseTerms(course_of(text, language="zh-hans"))

    assert terms.aliases_of("SGD") == ["随机梯度下降"]
    assert terms.aliases_of("梯度下降") == []


def test_one_name_for_two_things_makes_them_not_one():
    text = "**偏置**（bias）是一个参数。偏置很小。\n\n**偏差**（bias）是系统性的误差。偏差很大。"
    terms = CourseTerms(course_of(text, language="zh-hans"))

    assert terms.aliases_of("偏置") == terms.aliases_of("偏差") == []
    assert terms.aliases_of("bias") == []
    assert {"偏置", "偏差"} <= {*names(terms.terms)}


def test_an_acronym_is_not_the_word_it_looks_like():
    terms = CourseTerms(course_of("**Information technology** (IT) grows. Nobody knew it."))

    [evidence] = terms.evidence_of(["IT"], 1)
    assert (evidence.form, evidence.weight) == ("IT", 2.0)  # once each way, and no "it"


def test_traditional_characters_stand_as_they_are_written():
    text = "**隨機森林**（random forest）是一種集成方法。隨機森林很穩。"
    terms = CourseTerms(course_of(text, language="zh-hant"))
    [term] = terms.terms

    assert (term.name, term.aliases) == ("隨機森林", ("random forest",))
    assert [each.form for each in terms.evidence(term, 1)] == ["隨機森林"]


def test_a_chapter_without_words_has_no_terms():
    terms = CourseTerms(course_of("$$x^2$$", "12 + 3", "..."))

    assert terms.terms == []
    assert terms.of_chapter(1, 5) == []
