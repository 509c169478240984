"""Where a passage is cut into sentences, and where not."""

import pytest

from learning.llm.quotes import Quote, quotes, sentences


@pytest.mark.parametrize(
    ("paragraph", "cut"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("About 3.5 percent, e.g. Apples of St. Ives. Next.",
         ["About 3.5 percent, e.g. Apples of St. Ives.", "Next."]),
        ("See `f(x). Then` here. Next.", ["See `f(x). Then` here.", "Next."]),
        ("Let $a. B$ be. Next.", ["Let $a. B$ be.", "Next."]),
        ("第一句。第二句！“引用。”第三句？", ["第一句。", "第二句！", "“引用。”", "第三句？"]),
        ("**甲**是一。**乙**是二。", ["**甲**是一。", "**乙**是二。"]),
        ("**整句是粗体。**下一句。", ["**整句是粗体。**", "下一句。"]),
        ("**Bold. Still bold.** Plain.", ["Bold.", "Still bold.", "Plain."]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_end_them(paragraph, cut):
    assert list(sentences(paragraph)) == cut


def test_headings_rules_and_lone_blocks_are_no_quotes():
    text = "## Limits\n\n---\n\n$$x$$\n\n```text\nout\n```\n\n| 1 | 2 |\n| 3 | 4 |\n\nA sentence."

    assert quotes(text) == [Quote("A sentence.")]


def test_the_rest_of_a_program_is_no_sentence():
    text = "x = 1\nprint(x)\n```\n\n```text\n1\n```\n\nIt prints one."

    assert quotes(text) == [Quote("It prints one.")]


def test_lines_of_one_paragraph_are_joined():
    assert quotes("> A sentence\n> over lines. Another\none.") == [
        Quote("A sentence over lines."),
        Quote("Another one."),
    ]


def test_list_items_are_quotes_of_their_own():
    text = "Two ways.\n\n1. First way,\n   with a second line.\n2. Second way."

    assert quotes(text) == [
        Quote("Two ways."),
        Quote("First way, with a second line.", is_item=True),
        Quote("Second way.", is_item=True),
    ]


def test_a_list_item_goes_on_after_an_empty_line_where_it_is_indented():
    text = "1. 为什么用平方？\n\n   答：正负不会抵消。\n\n2. 还有呢？\n\n下一段。"

    assert [quote.text for quote in quotes(text)] == [
        "为什么用平方？ 答：正负不会抵消。",
        "还有呢？",
        "下一段。",
    ]


def test_a_table_that_nothing_leads_to_is_told_row_by_row():
    text = "| Function | Slope |\n|---|---|\n| $x^2$ | $2x$ |\n| $\\|x\\|$ | |\n| 7 | 0 |"

    assert quotes(text) == [
        Quote("Function: $x^2$; Slope: $2x$", is_item=True, cells="$x^2$ $2x$"),
        Quote("Function: 7; Slope: 0", is_item=True, cells="7 0"),
    ]


def test_a_row_of_a_chinese_table_is_told_with_chinese_marks():
    table = "| | 决策树 | k 近邻 |\n| --- | --- | --- |\n| 训练速度 | 较快 | 不用训练 |"

    assert [quote.text for quote in quotes(table)] == ["训练速度；决策树：较快；k 近邻：不用训练"]


def test_a_sentence_that_leads_to_a_list_brings_it_whole():
    assert quotes("Then:\n\n- one;\n- two.") == [Quote("Then:", block="- one;\n- two.")]


@pytest.mark.parametrize("formula", ["$$x = 1$$", "$$\nx = 1\n$$", "\\[\nx = 1\n\\]"])
def test_a_formula_belongs_to_the_sentence_before_it(formula):
    assert quotes(f"It is\n\n{formula}\n\nand no more. Next.") == [
        Quote("It is", block=formula, ending="and no more."),
        Quote("Next."),
    ]


def test_a_program_that_nothing_leads_to_is_left_out():
    assert quotes("Slopes differ.\n\n```python\nx = 1\n```") == [Quote("Slopes differ.")]


def test_a_sentence_that_only_leads_to_what_was_cut_off_is_no_quote():
    assert quotes("There are several remedies besides regularisation:") == []
