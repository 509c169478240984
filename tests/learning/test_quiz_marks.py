"""What an answer is worth."""

import pytest

from learning.quiz_marks import has_typo, mark

SINGLE = {"type": "single", "options": ["a", "b", "c"], "right": [1]}
MULTIPLE = {"type": "multiple", "options": ["a", "b", "c", "d"], "right": [0, 2]}
FALSE = {"type": "true_false", "options": [], "right": [1]}


def short(*accepted: str) -> dict:
    return {"type": "short", "accepted": list(accepted)}


@pytest.mark.parametrize(("given", "marks"), [([1], 1), ([0], 0), ([], 0)])
def test_one_right_answer_is_worth_all_or_nothing(given, marks):
    assert mark(SINGLE, given) == marks
    assert mark(FALSE, given) == marks


@pytest.mark.parametrize(
    ("given", "marks"),
    [([0, 2], 1), ([0], 0.5), ([0, 1], 0), ([0, 1, 2], 0.5), ([1, 3], 0), ([], 0)],
)
def test_of_several_right_answers_a_wrong_pick_takes_back_a_right_one(given, marks):
    assert mark(MULTIPLE, given) == marks


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("chain rule", "chain rule"),
        ("  The Chain-Rule! ", "chain rule"),
        ("ｃｈａｉｎ ｒｕｌｅ", "chain rule"),
        ("過擬合", "过拟合"),
        ("过拟合。", "过拟合"),
        ("$f$", "f"),
    ],
)
def test_case_punctuation_width_and_script_do_not_count(given, accepted):
    assert mark(short("something else", accepted), given) == 1
    assert not has_typo(short(accepted), given)


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("5", "-5"),
        ("f", "f'"),
        ("C", "C#"),
        ("n", "n!"),
        ("105", "10⁵"),
        ("12", "1/2"),
        ("(a, b)", "[a, b]"),
        ("the limit is 5", "the limit is -5"),
        ("314 metres", "3.14 metres"),
    ],
)
def test_a_sign_that_means_something_counts(given, accepted):
    assert mark(short(accepted), given) == 0
    assert mark(short(accepted), accepted) == 1


@pytest.mark.parametrize(
    ("given", "accepted"),
    [("−5", "-5"), ("5.", "5"), ("[0,1]", "[0, 1]"), ("10^5", "10⁵"), ("f’", "f'"), ("No!", "no!")],
)
def test_a_sign_may_be_written_in_another_way(given, accepted):
    assert mark(short(accepted), given) == 1


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("derivativ", "derivative"),
        ("derivatives", "derivative"),
        ("derivetive", "derivative"),
        ("chain rulle", "chain rule x"),
        ("implicit diferentiation", "implicit differentiation"),
    ],
)
def test_a_letter_more_less_or_other_is_a_typo_in_a_long_word(given, accepted):
    is_same_length = len(given.split()) == len(accepted.split())
    assert has_typo(short(accepted), given) is is_same_length
    assert mark(short(accepted), given) == is_same_length


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("sum", "sun"),  # another word
        ("sine", "line"),
        ("dervatve", "derivative"),  # two letters
        ("dervative", "derivativ e"),
        ("欠拟合", "过拟合"),
        ("2025", "2026"),
        ("12345", "12346"),
        ("", "derivative"),
    ],
)
def test_other_words_are_wrong(given, accepted):
    assert mark(short(accepted), given) == 0
    assert not has_typo(short(accepted), given)
