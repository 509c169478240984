"""The built-in tutor: what it quotes, and what it leaves alone."""

import time
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from learning.llm.base import ChatMessage
from learning.llm.choosing import telling_words
from learning.llm.extractive import NOT_COVERED, ExtractiveChatModel, compose, pieces


@dataclass
class Passage:
    text: str
    heading_path: tuple[str, ...] = ("Calculus",)
    score: float = 1.0


LIMIT = Passage(
    "This chapter explains what a limit says. A table of values is strong evidence.\n\n"
    "A **limit** is the value that $f(x)$ approaches as $x$ approaches $a$. If the outputs "
    "can be kept close to a number $L$, we write\n\n"
    "$$\n\\lim_{x \\to a} f(x) = L\n$$\n\n"
    "and say that the limit of $f(x)$ is $L$. The weather plays no part in it.",
    ("Calculus", "Limits"),
)
SLOPE = Passage(
    "A **derivative** is a limit of slopes. Its value tells how steep the graph is.\n\n"
    "The following program estimates the derivative of a function:\n\n"
    "```python\ndef slope(f, x, h=1e-6):\n    # see? not. a sentence.\n"
    "    return (f(x + h) - f(x)) / h\n```\n\n"
    "The table lists the slopes of the square function.\n\n"
    "| $x$ | slope |\n|---|---|\n| 1 | 2 |\n| 2 | 4 |\n",
    ("Calculus", "Derivatives"),
)
DESCENT = Passage(
    "想象你在大雾里下山。**梯度下降**（gradient descent）是一种沿着损失函数下降最快的方向"
    "反复小步调整参数的优化方法。它只要求能算出斜率。\n\n"
    "梯度下降每一步都按下面的公式更新参数：\n\n$$\nw \\leftarrow w - \\eta \\nabla L\n$$\n\n"
    "**学习率**控制每一步走多远。学习率太大，参数会越过谷底来回震荡。",
    ("机器学习", "梯度下降"),
)


def test_a_definition_comes_first_with_its_number():
    answer = compose("What is a limit?", [SLOPE, LIMIT])

    lead_in, first, *_ = answer.split("\n\n")
    assert lead_in == "The course says:"
    assert first.startswith("A **limit** is the value that $f(x)$ approaches")
    assert "approaches $a$. [2]" in first


def test_every_sentence_stands_in_the_passage_it_cites():
    answer = compose("How is a derivative a limit of slopes?", [LIMIT, SLOPE])

    quoted = [piece for piece in answer.split("\n\n")[1:] if not piece.startswith(("$$", "```"))]
    assert quoted
    for paragraph in quoted:
        for part in paragraph.split("]"):
            sentence, _, number = part.partition(" [")
            if number:
                assert sentence.strip() in [LIMIT, SLOPE][int(number) - 1].text


def test_a_sentence_that_runs_through_a_formula_is_quoted_whole():
    answer = compose("When do we write that the outputs can be kept close to a number?", [LIMIT])

    formula = "$$\n\\lim_{x \\to a} f(x) = L\n$$"
    assert f"we write\n\n{formula}\n\nand say that the limit of $f(x)$ is $L$. [1]" in answer


def test_code_is_quoted_whole_when_it_is_asked_for():
    answer = compose("Show me code that estimates a derivative", [LIMIT, SLOPE])

    assert "estimates the derivative of a function: [2]\n\n```python\ndef slope" in answer
    assert "# see? not. a sentence.\n    return (f(x + h) - f(x)) / h\n```" in answer


def test_a_table_is_quoted_whole():
    answer = compose("Which slopes has the square function?", [SLOPE])

    assert "[1]\n\n| $x$ | slope |\n|---|---|\n| 1 | 2 |\n| 2 | 4 |" in answer


def test_an_answer_that_stands_only_in_a_table_is_found_by_its_sentence():
    passage = Passage(
        "Tides come and go. The table compares two of them.\n\n"
        "| kind | when |\n|---|---|\n| spring tide | full moon |\n| neap tide | half moon |\n"
    )

    answer = compose("When is a neap tide?", [passage])

    assert "The table compares two of them. [1]\n\n| kind | when |" in answer


def test_a_row_is_quoted_where_its_table_stands_alone():
    passage = Passage(
        "| Kind | Time |\n|---|---|\n| spring tide | full moon |\n| neap tide | half moon |"
    )

    answer = compose("When is a neap tide?", [passage])

    assert answer.startswith("The course says:\n\n- Kind: neap tide; Time: half moon [1]")


def test_items_are_quoted_as_a_list():
    passage = Passage("- sums of limits are limits\n- products of limits are limits too")

    answer = compose("Which limits are limits: sums or products?", [passage])

    assert answer.split("\n\n")[1:] == [
        "- sums of limits are limits [1]\n- products of limits are limits too [1]"
    ]


def test_half_a_formula_or_code_block_is_never_quoted():
    cut = Passage("A **limit** is a value. We write the limit as\n\n$$\n\\lim_{x \\to a} f(x")
    code = Passage("This code finds a limit:\n\n```python\nlimit = 1\n")

    assert "lim_" not in compose("What is a limit?", [cut])
    assert "limit = 1" not in compose("Show me code for a limit", [code])


def test_nothing_is_said_twice():
    answer = compose("What is a limit?", [LIMIT, Passage(LIMIT.text)])

    assert answer.count("is the value that $f(x)$ approaches") == 1


def test_at_most_five_sentences_are_quoted():
    words = "red rain falls,old dogs bark,new ships sail,big trees grow,wet cats sleep,hot suns set"
    many = Passage(" ".join(f"Limits, because {w} north." for w in words.split(",")))

    assert compose("What are limits?", [many]).count("[1]") == 5


def test_the_passage_that_defines_comes_before_one_that_fits_better():
    better = Passage("By sum laws, limits obey sum laws.")
    defining = Passage("Rain falls. A **limit** is a value that obeys laws, for some outputs.")

    answer = compose("Which sum laws does a limit obey?", [better, defining])

    assert answer.index("[2]") < answer.index("[1]")


def test_a_single_sentence_is_explained_by_the_next_one():
    passage = Passage("Slopes differ. A **limit** is a value. It need not be reached. Rain falls.")

    answer = compose("What is a limit?", [passage])

    assert answer.endswith("\n\nA **limit** is a value. [1] It need not be reached. [1]")


def test_a_definition_brings_the_list_that_follows_it():
    passage = Passage(
        "The **limit laws** respect sums. If both exist, then:\n\n- sums add;\n- products multiply."
        "\n\nEverything else about the limit laws follows from these."
    )

    answer = compose("What are the limit laws?", [passage])

    assert "If both exist, then: [1]\n\n- sums add;\n- products multiply." in answer


def test_sentences_of_one_passage_keep_their_order():
    passage = Passage(
        "Slopes differ. Outputs crowd together near their limit point. "
        "The **limit** of outputs is one number."
    )

    answer = compose("Which number is the limit of outputs?", [passage])

    assert answer.endswith(
        "Outputs crowd together near their limit point. [1] "
        "The **limit** of outputs is one number. [1]"
    )


@pytest.mark.parametrize(
    "question",
    [
        "Who won the world cup in 2018?",
        "What is the market value of gold coins from Peru?",
        "???",
        "",
    ],
)
def test_what_the_course_does_not_cover_is_said_plainly(question):
    assert compose(question, [LIMIT, SLOPE]) == NOT_COVERED["en"]


def test_without_passages_the_course_does_not_cover_it():
    assert compose("What is a limit?", []) == NOT_COVERED["en"]
    assert compose("什么是极限？", []) == NOT_COVERED["zh"]


def test_a_chinese_course_answers_in_chinese():
    answer = compose("什么是梯度下降？", [DESCENT])

    lead_in, first, *_ = answer.split("\n\n")
    assert lead_in == "课程中写道："
    assert first.startswith("**梯度下降**（gradient descent）是一种")
    assert "优化方法。 [1]" in first


def test_a_chinese_formula_is_quoted_with_the_sentence_before_it():
    answer = compose("梯度下降的更新公式是什么？", [DESCENT])

    assert "更新参数： [1]\n\n$$\nw \\leftarrow w - \\eta \\nabla L\n$$" in answer


def test_what_chinese_passages_do_not_cover_is_said_plainly():
    assert compose("北京的天气怎么样？", [DESCENT]) == NOT_COVERED["zh"]


def test_question_words_name_no_subject():
    assert telling_words("Can you explain what the limit of a function is, please?") == [
        "limit",
        "function",
    ]
    assert "什么" not in "".join(telling_words("什么是梯度下降？"))


def test_links_that_only_work_in_the_chapter_become_their_text():
    passage = Passage("A **limit** is explained in [another chapter](02-limits.md), not here.")

    assert "explained in another chapter, not here." in compose("What is a limit?", [passage])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "One word and another, then more. [1]\n\n$$x$$",
        "课程中写道：\n\n梯度 descent 下降🌱。 [1]",
    ],
)
def test_pieces_joined_are_the_answer(text):
    assert "".join(pieces(text)) == text
    assert all(len(piece) < 60 for piece in pieces(text))


async def read(model, question, passages):
    messages = [ChatMessage("system", "…"), ChatMessage("user", question)]
    async with aclosing(model.stream(messages, passages=passages)) as chunks:
        return [chunk async for chunk in chunks]


async def test_the_answer_streams_in_pieces_and_ends_with_an_estimated_usage():
    chunks = await read(ExtractiveChatModel(pace_seconds=0), "What is a limit?", [LIMIT])

    text = "".join(chunk.text for chunk in chunks)
    assert len(chunks) > 5
    assert text == compose("What is a limit?", [LIMIT])
    assert chunks[-1].text == ""
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].usage.is_estimate
    assert chunks[-1].usage.output == ExtractiveChatModel().count_tokens(text)


async def test_the_answer_is_paced_for_a_reader():
    model = ExtractiveChatModel(pace_seconds=0.01)

    started = time.monotonic()
    chunks = await read(model, "What is a limit?", [LIMIT])

    assert time.monotonic() - started >= 0.01 * (len(chunks) - 1)
