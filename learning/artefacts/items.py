"""What an item holds, by its kind, and what is wrong with it: for makers and for the review alike.

    term      {"name", "aliases": [...]}
    concept   {"name", "aliases": [...], "definition": "" or staff's own words}
    relation  {"type": one of RELATIONS}, between two concepts
    question  {"type": one of QUESTION_TYPES, "text", "options": [...], "right": [positions],
               "accepted": [...], "explanation"}

Of a true-or-false question position 0 is "true" and 1 is "false", and its `options` are empty. A
short answer is one of `accepted`, whatever its case and punctuation.
"""

import re
import unicodedata
from typing import Any

from django.utils.translation import gettext_lazy as _

from learning.artefacts.scripts import CJK
from learning.artefacts.stop_words import CHINESE, SMALL_WORDS
from learning.models import StudyItem

Kind = StudyItem.Kind

SINGLE, MULTIPLE, TRUE_FALSE, SHORT = "single", "multiple", "true_false", "short"
QUESTION_TYPES = {
    SINGLE: _("one right answer"),
    MULTIPLE: _("several right answers"),
    TRUE_FALSE: _("true or false"),
    SHORT: _("short answer"),
}
APPEARS_WITH = "appears_with"
RELATIONS = {
    "is_a": _("is a kind of"),
    "part_of": _("is part of"),
    "needs": _("builds on"),
    "leads_to": _("leads to"),
    "used_for": _("is used for"),
    "differs_from": _("differs from"),
    "example_of": _("is an example of"),
    # Found by counting and not by reading: all that is known is that they are named together.
    APPEARS_WITH: _("appears together with"),
}
# The same whichever way round.
SYMMETRIC = {"differs_from", APPEARS_WITH}
LONGEST_NAME = 80
LONGEST_TEXT = 1_000
LONGEST_OPTION = 300
MOST_OPTIONS = 6

_SUPERSCRIPTS = re.compile("[⁰¹²³⁴-⁹⁺⁻ⁿ]+")
_SAME_SIGNS = str.maketrans({"−": "-", "–": "-", "′": "'", "’": "'", "‘": "'"})
_WORD = re.compile(f"[^\\W\\d_]{{3}}|[{CJK}]{{2}}")
_MEANT = re.compile(r"[#%]|(?<![\w)])-(?=\.?\d)|(?<=\d)\.(?=\d)|(?<=\b[^\W\d_])'(?!\w)")
_AROUND = ' \t.,;:?。，、；：？“”"「」'


class ItemError(ValueError):
    """What is wrong with an item, in words for who made it."""


def check(kind: str, content: dict[str, Any]) -> None:
    """Raise ItemError, in the reader's language, unless the content is what its kind holds."""
    {
        Kind.TERM: _check_name,
        Kind.CONCEPT: _check_name,
        Kind.RELATION: _check_relation,
        Kind.QUESTION: _check_question,
    }[Kind(kind)](content)


def plain(text: str) -> str:
    """Return what is equal for texts that read the same: width, case, spaces, punctuation.

    Signs that mean something stay: those of "-5", "C#", "60 %" and "f'", and in what is no words,
    such as an interval, all of them. A superscript is a power: "10⁵" is "10^5" and not "105".
    """
    powers = _SUPERSCRIPTS.sub(lambda found: f"^{found[0]}", text)
    kept = unicodedata.normalize("NFKC", powers).casefold().translate(_SAME_SIGNS)
    if not _WORD.search(kept):
        return "".join(kept.split()).strip(_AROUND)
    meant = {found.start() for found in _MEANT.finditer(kept)}
    signs = "".join(
        c if at in meant or unicodedata.category(c)[0] not in "PZ" else " "
        for at, c in enumerate(kept)
    )
    return " ".join(signs.split())


def can_be_term(name: str) -> bool:
    """Say whether a name can be that of a term: has letters, is no small word, is not too long."""
    if len(name) > LONGEST_NAME or name.casefold() in SMALL_WORDS or name in CHINESE:
        return False
    return bool(re.search(r"[^\W\d_]{2}|[\u3400-\u9fff]|[^\W\d_][\d+#]", name))


def _check_name(content: dict[str, Any]) -> None:
    for name in (content["name"], *content.get("aliases", [])):
        if not plain(name):
            raise ItemError(_("A name must not be empty."))
        if len(name) > LONGEST_NAME:
            raise ItemError(_("“%(name)s…” is too long for a name.") % {"name": name[:40]})
    if len(content.get("definition", "")) > LONGEST_TEXT:
        raise ItemError(_("The definition is too long."))


def _check_relation(content: dict[str, Any]) -> None:
    if content["type"] not in RELATIONS:
        raise ItemError(_("There is no such relation."))


def _check_question(content: dict[str, Any]) -> None:
    if not content["text"].strip():
        raise ItemError(_("The question has no words."))
    if not content["explanation"].strip():
        raise ItemError(_("The explanation is missing."))
    if max(len(content["text"]), len(content["explanation"])) > LONGEST_TEXT:
        raise ItemError(_("The question, or its explanation, is too long."))
    {
        SINGLE: _check_choice,
        MULTIPLE: _check_choice,
        TRUE_FALSE: _check_true_false,
        SHORT: _check_short,
    }.get(content["type"], _unknown_type)(content)


def _check_choice(content: dict[str, Any]) -> None:
    options, right = content["options"], content["right"]
    _check_words(options, _("An option has no words, or too many."))
    if not (2 if content["type"] == SINGLE else 3) <= len(options) <= MOST_OPTIONS:
        raise ItemError(_("It has too few or too many options."))
    if len({plain(option) or option.strip() for option in options}) < len(options):
        raise ItemError(_("Two options are the same."))
    if len(set(right)) < len(right) or any(not 0 <= place < len(options) for place in right):
        raise ItemError(_("A right answer is not among the options."))
    if content["type"] == SINGLE and len(right) != 1:
        raise ItemError(_("It must have exactly one right answer."))
    if content["type"] == MULTIPLE and not 0 < len(right) < len(options):
        raise ItemError(_("Some of its options must be right, and not all."))


def _check_true_false(content: dict[str, Any]) -> None:
    if content["options"] or content["right"] not in ([0], [1]):
        raise ItemError(_("It must be either true or false."))


def _check_short(content: dict[str, Any]) -> None:
    _check_words(content["accepted"], _("An accepted answer has no words, or too many."))
    if not content["accepted"]:
        raise ItemError(_("It needs an accepted answer."))


def _check_words(texts: list[str], words: str) -> None:
    if any(not text.strip() or len(text) > LONGEST_OPTION for text in texts):
        raise ItemError(words)


def _unknown_type(content: dict[str, Any]) -> None:
    raise ItemError(_("There is no such type of question."))
