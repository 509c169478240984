from hypothesis import given, settings
from hypothesis import strategies as st

from rag.chunking import MARKER_TOKENS, SHORT_TOKENS, TARGET_TOKENS, split_document


def count_words(texts):
    return [len(text.split()) for text in texts]


def count_characters(texts):
    return [len("".join(text.split())) for text in texts]


def split(text, count_tokens=count_words, max_tokens=256, title="Title"):
    return split_document(text, title=title, count_tokens=count_tokens, max_tokens=max_tokens)


words = st.text(alphabet="abcXYZ 019.,;:?!。，！？导数极限$`\\_*()[]{}|#>-+\t", max_size=60)
lines = st.one_of(
    words,
    st.sampled_from(
        [
            "",
            "# Heading",
            "### Deeper",
            "```python",
            "```",
            "$$",
            "| a | b |",
            "|---|---|",
            "- item",
            "1. first",
            "> quoted",
            "    indented",
            "<!-- hidden -->",
            "<div>",
            "Setext\n===",
            "\\[",
            "\\]",
            "\r",
            "\x0c",
            "\u2028",
            "Long sentence. " * 30,
            "很长的句子。" * 40,
            "x" * 500,
        ]
    ),
)
documents = st.lists(lines, max_size=30).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(documents, st.sampled_from([40, 100, 256]))
def test_every_passage_is_the_slice_that_its_offsets_name(text, max_tokens):
    end = 0
    for passage in split(text, count_characters, max_tokens):
        assert passage.text == text[passage.start : passage.end]
        assert passage.text == passage.text.strip() != ""
        assert passage.start >= end
        end = passage.end


@settings(max_examples=300, deadline=None)
@given(documents, st.sampled_from([60, 100, 256]))
def test_no_passage_is_longer_than_the_model_reads(text, max_tokens):
    for passage in split(text, count_characters, max_tokens, title="T"):
        assert count_characters([passage.text]) == [passage.token_count]
        assert passage.token_count <= max_tokens - len("T") - MARKER_TOKENS


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="ab c.，。", min_size=1, max_size=80), max_size=20))
def test_no_word_of_a_text_without_headings_is_lost(paragraphs):
    text = "\n\n".join(paragraph.strip() or "a" for paragraph in paragraphs)

    found = "".join(passage.text for passage in split(text, count_characters, 60))

    assert "".join(found.split()) == "".join(text.split())


def test_the_heading_path_begins_with_the_title_and_follows_the_levels():
    text = "Intro.\n\n# One\n\nA.\n\n## Two `x`\n\nB.\n\n# Three {#id}\n\nC."

    assert [(passage.heading_path, passage.text) for passage in split(text)] == [
        (("Title",), "Intro."),
        (("Title", "One"), "A."),
        (("Title", "One", "Two x"), "B."),
        (("Title", "Three"), "C."),
    ]


def test_a_first_heading_that_repeats_the_title_is_named_once():
    [passage] = split("# Limits\n\nA limit is a value.", title="Limits")

    assert passage.embedded_text == "Limits\nA limit is a value."


def test_a_heading_with_nothing_below_it_can_still_be_found():
    assert [passage.text for passage in split("## Empty\n\n## Full\n\nText.")] == [
        "## Empty",
        "Text.",
    ]


def test_short_paragraphs_share_a_passage_and_long_ones_do_not():
    text = "\n\n".join(["word " * 60] * 5)

    counts = [passage.token_count for passage in split(text)]

    assert counts == [180, 120]


def test_a_comment_between_two_paragraphs_is_in_no_passage():
    assert [passage.text for passage in split("One.\n\n<!-- not yet\n\n-->\n\nTwo.")] == [
        "One.",
        "Two.",
    ]


def test_a_short_rest_joins_the_passage_before_it():
    text = "word " * 190 + "\n\n" + "rest " * (SHORT_TOKENS - 10)

    [passage] = split(text)

    assert passage.token_count > TARGET_TOKENS


def test_code_a_table_a_list_and_a_formula_stay_whole_where_they_fit():
    whole = [
        "```python\n" + "x = 1\n\n" * 30 + "```",
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 20,
        "- an item\n" * 50,
        "$$\n" + "a + b\n" * 35 + "$$",
    ]
    text = "\n\nSome words between.\n\n".join(block.strip() for block in whole)

    passages = [passage.text for passage in split(text)]

    for block in whole:
        assert any(block.strip() in passage for passage in passages)


def test_code_a_little_past_the_target_stays_whole_where_the_model_reads_it():
    code = "```\n" + "a line of six words here\n" * 37 + "```"

    [passage] = split(code)

    assert TARGET_TOKENS < passage.token_count < 256


def test_long_code_is_cut_between_lines():
    line = "total = first + second + third  # adds"

    passages = split("```python\n" + f"{line}\n" * 80 + "```")

    assert len(passages) > 1
    for passage in passages:
        assert set(passage.text.splitlines()) <= {line, "```python", "```"}


def test_a_long_list_is_cut_between_items():
    item = "- one item that goes on for a while,\n  and has a second line\n"

    passages = split(item * 40)

    assert len(passages) > 1
    assert all(passage.text.startswith("- one item") for passage in passages)
    assert all(passage.text.endswith("second line") for passage in passages)


def test_a_formula_is_not_cut_at_the_full_stop_inside_it():
    sentence = r"We know $f(x) = 1. B = 2$ holds for all values here. "

    passages = split(sentence * 40)

    assert len(passages) > 1
    assert all(passage.text.count("$") % 2 == 0 for passage in passages)
    assert all(passage.text.endswith("here.") for passage in passages)


def test_abbreviations_do_not_end_a_sentence():
    sentence = "This is shown in Fig. 3 of the paper by Dr. Smith and others. "

    for number in range(20, 40):
        passages = split(sentence * number)

        assert len(passages) > 1
        assert all(passage.text.endswith("others.") for passage in passages)


def test_chinese_is_cut_after_its_own_full_stops():
    passages = split(
        "函数的极限描述了函数在某一点附近的行为！导数是极限吗？是的。" * 20, count_characters
    )

    assert len(passages) > 1
    assert all(passage.text[-1] in "！？。" for passage in passages)


def test_the_packaged_model_reads_every_passage_whole(packaged_model):
    text = (
        "# 极限\n\n" + "函数 $f(x)$ 在 $a$ 点的**极限**是 $L$。" * 60 + "\n\n" + "A limit. " * 300
    )

    passages = split(text, packaged_model.count_tokens, packaged_model.max_tokens)

    counts = packaged_model.count_tokens([passage.embedded_text for passage in passages])
    assert len(passages) > 4
    assert max(counts) + 2 <= packaged_model.max_tokens


def test_text_in_a_language_the_model_does_not_know_is_cut_by_what_a_reader_likes():
    text = "梯度下降法沿着损失函数下降最快的方向更新参数。" * 60

    known = split_document(text, title="", count_tokens=count_characters, max_tokens=256)
    unknown = split_document(
        text, title="", count_tokens=count_characters, max_tokens=256, is_known=False
    )

    assert max(passage.token_count for passage in known) <= 256
    assert 256 < max(passage.token_count for passage in unknown) <= 450
    assert "".join(passage.text for passage in unknown) == text
