"""What is secret is hidden, what is taught is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracing import content, masking
from tracing.content import storable, text
from tracing.masking import mask_secrets

HIDDEN = [
    ("write to alice.b+c@mail.example.org.", "write to [e-mail]."),
    ("我的邮箱是alice@example.org，谢谢", "我的邮箱是[e-mail]，谢谢"),
    ("André: andré@exämple.org", "André: [e-mail]"),
    ("key sk-proj-Ab1dEfGh1jKlMnOp", "key [key]"),
    ("密钥sk-lf-1234567890abcdef是", "密钥[key]是"),
    ("pk-lf-12345678-abcd", "[key]"),
    ("ghp_" + "a1" * 18, "[key]"),
    ("AKIAIOSFODNN7EXAMPLE", "[key]"),
    ("0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp", "[key]"),
    ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "Authorization: Bearer [key]"),
    ("4111 1111 1111 1111", "[card]"),
    ("pay with 4111-1111-1111-1111.", "pay with [card]."),
    ("4111 1111 1111 1111 12/28", "[card] 12/28"),
    ("4111 1111 1111 1111 123", "[card] 123"),
    ("卡号4111111111111111。", "卡号[card]。"),
    ("3782 822463 10005", "[card]"),
    ("call +49 170 1234567", "call [phone]"),
    ("+86 138 1234 5678", "[phone]"),
    ("电话13812345678", "电话[phone]"),
    ("手机 138-1234-5678。", "手机 [phone]。"),
    ("(555) 123-4567", "[phone]"),
    ("身份证11010519491231002X。", "身份证[identity number]。"),
    ("555-123-4567 or +1 (555) 123-4567", "[phone] or [phone]"),
]

KEPT = [
    "3.14159265358979",
    "2.71828182845904523536",
    "2026-11-22 and 2026-11-22T10:00:00+00:00",
    "1 234 567",
    "1 234 567 890 123 456",
    "12,345,678.90",
    "the year 2026, pages 100-110, 17:30:45",
    "f(x) = x^2 + 3x - 1, x_1 + x_2 = 10",
    r"\int_0^1 x^2 \, dx = \frac{1}{3}, 6.02214076e23",
    "for i in range(1000000): a[i] = b[i - 1] @ c",
    "@property\ndef area(self): return self.w * self.h",
    "ISBN 978-3-16-148410-0, 9783161484100",
    "4111 1111 1111 1112",  # fails Luhn's check
    "110105194912310021",  # no identity number: its check sign would be X
    "1732300000004, 9783161484102",  # a time in milliseconds, a book: both pass it
    "the bearer responsibilities of an engineer, task-oriented-learning, sk-learning-curves",
    "192.168.100.200:8000",
    "0x7fff5fbff8a0 and deadbeefdeadbeefdeadbeefdeadbeef",
    "a1b2c3d4-1234-4567-8901-123456789012",
    "极限 lim_{x→0} sin(x)/x = 1，样本数为 123456789",
    "1 + 1 = 2, -273.15, +20, 10^100",
]


@pytest.mark.parametrize(("said", "kept"), HIDDEN)
def test_a_secret_is_hidden(said, kept):
    assert mask_secrets(said) == kept


@pytest.mark.parametrize("said", KEPT)
def test_what_is_taught_is_left_alone(said):
    assert mask_secrets(said) == said


def test_secrets_are_hidden_wherever_they_stand():
    kept = storable({"bob@example.org": [{"deep": ("call +49 170 1234567",)}]})
    assert kept == {"[e-mail]": [{"deep": ["call [phone]"]}]}
    assert text("ValueError: sk-proj-Ab1dEfGh1jKlMnOp") == "ValueError: [key]"


SAID = st.sampled_from([said for said, _ in HIDDEN] + KEPT)
BETWEEN = st.sampled_from([" ", "\n", "。", ", ", " and then ", "\nBearer\n", "：", ""])


@given(st.lists(st.tuples(SAID, BETWEEN), min_size=1, max_size=12), st.integers(20, 200))
def test_a_long_text_is_masked_as_if_it_were_read_in_one_piece(parts, piece):
    said = "".join(said + between for said, between in parts)
    whole = mask_secrets(said)
    before, masking.PIECE = masking.PIECE, piece
    try:
        assert mask_secrets(said) == whole
    finally:
        masking.PIECE = before


def test_a_secret_at_the_end_of_what_is_kept_of_a_huge_text_is_hidden():
    said = ("word " * 60_000)[:-10] + " alice@example.org 13812345678 " + "tail " * 400_000

    kept = storable(said)

    assert "alice" not in kept and "1381" not in kept
    _, _, tail = kept.partition("… [")
    missing = int(tail.partition(" ")[0])
    assert len(said) - missing < len(kept)


def test_a_huge_text_of_secrets_says_what_is_missing_and_keeps_no_half_of_one():
    said = "somebody.with.a.long.name@university-example.edu " * 20_000

    kept = storable(said)

    assert "characters cut" in kept
    assert "somebody" not in kept and "university" not in kept


@pytest.mark.parametrize("piece", ["a.", "a+", "1 ", "1-", "%", "sk-", "bearer ", "+1", "极", "a@"])
def test_no_text_takes_long_to_mask(piece):
    said = piece * (200_000 // len(piece)) + "@"
    began = time.perf_counter()
    mask_secrets(said)
    assert time.perf_counter() - began < 1.0


def shout(value: str) -> str:
    return value.upper()


def fail(value: str) -> str:
    raise RuntimeError(value)


def forget(value: str):
    return None


def test_a_projects_own_mask_is_used(tracing_settings):
    tracing_settings(MASK="tests.tracing.test_masking.shout")
    assert storable({"a": "b"}) == {"A": "B"}


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("tests.tracing.test_masking.fail", "RuntimeError"),
        ("tests.tracing.test_masking.forget", "TypeError"),
        ("tests.tracing.no_such_module.mask", "ModuleNotFoundError"),
    ],
)
def test_a_mask_that_fails_keeps_no_content_and_harms_nobody(tracing_settings, path, error):
    tracing_settings(MASK=path)
    assert storable(["my secret", 5]) == [f"[not kept: masking failed with {error}]", 5]
    assert content.text("my secret") == f"[not kept: masking failed with {error}]"
