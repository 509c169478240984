import pytest

from rag.definitions import defined_term, defines


@pytest.mark.parametrize(
    ("question", "term"),
    [
        ("什么是梯度下降？", "梯度下降"),
        ("什麼是過擬合", "过拟合"),
        ("梯度下降是什么意思？", "梯度下降"),
        ("请解释一下什么是正则化", "正则化"),
        ("过拟合的定义", "过拟合"),
        ("What is a limit?", "limit"),
        ("what's gradient descent", "gradient descent"),
        ("What does SGD mean?", "SGD"),
        ("What does “gradient descent” mean?", "gradient descent"),
        ('What is "overfitting"?', "overfitting"),
        ("Define overfitting.", "overfitting"),
    ],
)
def test_a_question_that_asks_what_a_thing_is_names_it(question, term):
    assert defined_term(question) == term


@pytest.mark.parametrize(
    "question",
    [
        "How do plants grow?",
        "为什么学习率太大会发散？",
        "什么是极限，什么是导数？",
        "",
        "?",
        "什么",
    ],
)
def test_other_questions_ask_for_no_definition(question):
    assert defined_term(question) is None


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("**梯度下降**（gradient descent）是一种沿着损失函数下降的方法。", "梯度下降"),
        ("先看定义。过拟合指模型记住了噪声。", "过拟合"),
        ("**過擬合**是一種現象。", "过拟合"),
        ("A **limit** is the value that a function approaches.", "limit"),
        ("First this.\n\nLimits (of functions) describe behaviour.", "limit"),
        ("- Gradient\n  descent\n- Gradient descent is a method.", "gradient descent"),
    ],
)
def test_a_sentence_that_begins_with_the_term_and_says_what_it_is_defines_it(text, term):
    assert defines(text, term)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("**批量梯度下降**是每次使用全部样本的方法。", "梯度下降"),
        ("No limit is known here.", "limit"),
        ("A limitation is a bound.", "limit"),
        ("Limits, as before.", "limit"),
        ("", "limit"),
        ("a+b is c", "a.b"),
    ],
)
def test_a_sentence_about_something_else_defines_nothing(text, term):
    assert not defines(text, term)
