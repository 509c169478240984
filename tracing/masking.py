"""Hide secrets in texts: e-mail addresses, API keys, card numbers, phone numbers.

What is taught must survive: years, pages, decimals, ISBNs, code. A cheap look says whether a text
can hold a secret at all; the patterns run only then. Long texts are read in pieces, cut where no
secret can stand: a pattern holds the interpreter for as long as it runs, and other threads of the
process are answering students.
"""

import re
from collections.abc import Iterator

PIECE = 4_000  # characters; all patterns over it take about 0.3 ms

# Bounded by what the words are made of, not by \b: in 电话13812345678 there is no such border. The
# letters end before the Chinese ones, which do not belong to an address. Possessive (`++`), so that
# no text, however odd, takes longer than its length.
_LETTER = "0-9A-Za-z_\u00c0-\u1fff"
EMAIL = re.compile(rf"(?<![{_LETTER}.%+-])[{_LETTER}.%+-]++@[{_LETTER}-]++(?:\.[{_LETTER}-]++)++")
API_KEY = re.compile(
    r"(?<![0-9A-Za-z])(?:(?:sk|pk|rk)-(?=[A-Za-z_-]{0,40}\d)[0-9A-Za-z_-]{12,}"
    r"|gh[pousr]_\w{20,}|hf_[0-9A-Za-z]{20,}|AKIA[A-Z0-9]{16}|AIza[0-9A-Za-z_-]{30,}"
    r"|xox[abp]-[0-9A-Za-z-]{10,}|[0-9a-f]{32}\.[0-9A-Za-z]{16}(?![0-9A-Za-z]))"
)
BEARER = re.compile(r"(?i)\b(bearer\s{1,4})(?=[^\s\d]{0,40}\d)[0-9a-z_.~+/-]{16,}=*")
CARD = re.compile(
    r"(?<![0-9A-Za-z_])(?<!\d\.)(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{3})?"
    r"|\d{4}([ -])\d{6}\2\d{5})(?![0-9A-Za-z_]|\.\d)"
)
PHONE = re.compile(
    r"(?<![0-9A-Za-z_.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)|\d{1,4})(?:[ .-]?\d{2,4}){2,4}"
    r"|1[3-9]\d([ -]?)\d{4}\1\d{4}|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})"
    r"(?![0-9A-Za-z_.-]?\d)"
)


# What a text must hold for the patterns above to be worth running.
SHORTEST_KEY = 15
SHORTEST_NUMBER = 7
KEY_AFTER_POINT = re.compile(r"\.[0-9A-Za-z]{16}")
MANY_DIGITS = re.compile(r"[0-9](?:[ .()-]{0,2}+[0-9]){5}")
# Where no secret can stand: signs that are part of none, and a space between two words. Not after
# an r: "Bearer" and its key stay together.
BETWEEN = re.compile(
    r"""(?<=[^rR])\n|["',;:{}\[\]<>|*。！？；，、：]|(?<=[^\W\d_rR]) (?=[^\W\d_])"""
)


# An identity number of mainland China: region, date of birth, order, check sign.
IDENTITY = re.compile(
    r"(?<![0-9A-Za-z])[1-8]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]"
    r"(?![0-9A-Za-z])"
)
IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def mask_secrets(value: str) -> str:
    """Hide e-mail addresses, API keys, card, phone and identity numbers; the shipped default."""
    if len(value) <= 2 * PIECE:
        return _mask(value)
    return "".join(_mask(piece) for piece in _pieces(value))


def _mask(value: str) -> str:
    if "@" in value:
        value = EMAIL.sub("[e-mail]", value)
    if _may_hold_key(value):
        value = API_KEY.sub("[key]", value)
        value = BEARER.sub(r"\1[key]", value)
    if len(value) >= SHORTEST_NUMBER and MANY_DIGITS.search(value):
        value = IDENTITY.sub(_hidden_identity, value)
        value = CARD.sub(_hidden_card, value)
        value = PHONE.sub("[phone]", value)
    return value


def _may_hold_key(value: str) -> bool:
    # Spelled out: most texts are short, and a loop or a pattern takes four times as long.
    return len(value) >= SHORTEST_KEY and (
        ("-" in value and ("sk-" in value or "pk-" in value or "rk-" in value))
        or ("_" in value and ("gh" in value or "hf_" in value))
        or ("xox" in value or "AKIA" in value or "AIza" in value)
        or ("earer" in value or "EARER" in value)
        or ("." in value and KEY_AFTER_POINT.search(value) is not None)
    )


def _pieces(value: str) -> Iterator[str]:
    begin, place = 0, PIECE
    while place < len(value):
        border = BETWEEN.search(value, place, place + PIECE)
        if border:
            yield value[begin : border.end()]
            begin = border.end()
        place = (begin if border else place) + PIECE
    yield value[begin:]


def _hidden_identity(match: re.Match) -> str:
    number = match[0].upper()
    total = sum(w * int(digit) for w, digit in zip(IDENTITY_WEIGHTS, number[:17], strict=True))
    return "[identity number]" if "10X98765432"[total % 11] == number[17] else match[0]


def _hidden_card(match: re.Match) -> str:
    number = match[0]
    if _is_card(number):
        return "[card]"
    # Four groups of four, and behind them a check code that is no part of the number.
    return f"[card]{number[19:]}" if number[19:] and _is_card(number[:19]) else number


def _is_card(value: str) -> bool:
    """What issuers begin with, and Luhn's check: else it is just a long number of a lesson."""
    digits = [int(digit) for digit in value if digit.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    begins = digits[0] in (3, 4, 5, 6) or (digits[0] == 2 and 2 <= digits[1] <= 7)
    return begins and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
