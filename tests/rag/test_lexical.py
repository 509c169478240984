import subprocess
import sys

import numpy as np
import pytest

from rag.lexical import LexicalIndex, tokens


def best(index, question):
    return int(np.argmax(index.scores(question).bm25))


def test_english_words_meet_in_their_stem():
    index = LexicalIndex(["Differentiating a product", "Integrating by parts"])

    assert best(index, "how is it integrated") == 1


def test_a_chinese_question_finds_its_passage():
    index = LexicalIndex(["梯度下降的学习率控制步长", "过拟合是模型记住了噪声", "导数是变化率"])

    assert best(index, "什么是过拟合？") == 1
    assert best(index, "学习率太大会怎样") == 0


def test_mixed_text_is_found_by_either_script():
    index = LexicalIndex(["用 numpy.linalg.inv 求逆矩阵", "用 pandas 读取表格"])

    assert best(index, "逆矩阵") == best(index, "numpy linalg") == 0


@pytest.mark.parametrize(
    "question", ["learning_rate", "learning rate", "learningRate", "LearningRate"]
)
def test_identifiers_are_found_whole_and_by_their_parts(question):
    index = LexicalIndex(["Set `learning_rate` to 0.1", "Plants grow", "Call `learningRate()`"])

    scores = index.scores(question).bm25

    assert scores[0] > 0 and scores[2] > 0 and scores[1] == 0


def test_languages_with_signs_in_their_names_stay_apart():
    assert tokens("C++ and C# and C") == ["c++", "and", "c#", "and", "c"]


def test_accents_and_wide_letters_do_not_hide_a_word():
    assert tokens("Poincaré ＡＢＣ") == tokens("Poincare abc")


def test_names_in_the_possessive_are_the_name():
    assert tokens("Newton's method") == tokens("Newton’s method") == tokens("Newton method")


def test_coverage_is_the_share_of_the_telling_words_that_a_passage_holds():
    index = LexicalIndex(["the limit of a function", "a function of two limits and a derivative"])

    coverage = index.scores("What is the derivative of the limit?").coverage

    assert coverage[1] == pytest.approx(1.0)
    assert 0 < coverage[0] < 1
    assert index.scores("zebra").coverage.max() == 0


def test_the_words_that_make_a_chinese_question_are_not_searched_for():
    index = LexicalIndex(
        ["那是什么样的山？什么是什么？", "过拟合是把噪声当成规律的现象。", "山很高。"]
    )

    bm25 = index.scores("什么是过拟合？").bm25

    assert bm25[0] == 0 and bm25[1] > 0


def test_a_question_of_nothing_but_asking_words_still_finds_them():
    assert LexicalIndex(["这是什么？", "山很高。"]).scores("什么？").bm25[0] > 0


def test_traditional_and_simplified_characters_find_one_another():
    index = LexicalIndex(["梯度下降法最小化损失函数。", "機器學習的過擬合現象。"])

    assert index.scores("損失函數").bm25[0] > 0 == index.scores("損失函數").bm25[1]
    assert index.scores("过拟合").bm25[1] > 0
    assert index.scores("過擬合").coverage.tolist() == index.scores("过拟合").coverage.tolist()


@pytest.mark.parametrize("texts", [[], [""], ["…", "  "]])
def test_an_index_without_words_finds_nothing(texts):
    scores = LexicalIndex(texts).scores("limit 极限")

    assert scores.bm25.shape == (len(texts),)
    assert not scores.bm25.any()


def test_building_an_index_is_silent(caplog):
    with caplog.at_level("DEBUG"):
        LexicalIndex(["a limit"])

    assert caplog.records == []


def test_jieba_is_silent_and_keeps_its_cache_in_our_folder(tmp_path):
    script = (
        "from django.conf import settings\n"
        f"settings.configure(DATA_DIR={str(tmp_path)!r})\n"
        "from rag.lexical import tokens\n"
        "print(tokens('机器学习'))"
    )

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "机器" in run.stdout
    assert run.stderr == ""
    assert (tmp_path / "cache" / "jieba.cache").is_file()
