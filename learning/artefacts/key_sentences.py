"""Which sentences of a course say something by themselves that a student should know."""

import re
from enum import IntEnum

from learning.artefacts.prose import prose
from learning.artefacts.scripts import HAN
from learning.llm.choosing import ANNOUNCES, POINTS_BACK
from rag.definitions import defines

LENGTHS, HAN_LENGTHS = range(40, 301), range(16, 161)

_FINISHED = re.compile(r"[.!。！][\"'”’)\]」』）*_]*$")
_GOES_ON = re.compile(r"[.!?][\"'”’)*_]*\s+[A-Z(\[]|[。！？].", re.DOTALL)
_LABEL = re.compile(r"\s*\*\*[^*]+(?:[.:：。]\*\*|\*\*[.:：。])")
_MARKUP = re.compile(r"`|<[A-Za-z/!]|\{[a-z:-]+\}|\[\^|\[@|https?://|\||!\[|:::")
_ELSEWHERE = re.compile(
    r"\b(above|below|following|figure|table|diagram|listing|exercise|example|section|chapters?|"
    r"here|earlier|later|previous|next|last|program|saw|recall|let us|let's|suppose|such|these|"
    r"both|i|me|my|you|your|yours|he|she|his|her|they|them|today|yesterday)\b"
    r"|[上下]面|[上下][文表图节一]|如[上下]|[表图]中|本[章节例]|[前后]一?[章节]|程序|第.章|这|上述|设想|例[如子]|"
    r"比如|答[:：]|你|我|他|她|刚才|之前|同样",
    re.IGNORECASE,
)
_LINK = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_EMPHASIS = re.compile(r"\*{1,3}|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)")
_SAYS_WHAT = re.compile(
    r"\b(?:is|are)\s+(?:an?|the|any|what|one|when|defined)\b"
    r"|\b(?:means?|refers?\s+to|denotes?|consists?\s+of|says?\s+that|states?\s+that)\b"
    r"|是|指|即|定义为"
)
_OF_WHAT = re.compile(
    r"(?:\s+(?:of|in|for|with|at|from|to)\s+[^.;]{1,60}?)?\s+(?=is|are|means?)|\s*"
)
_CALLED = re.compile(
    r"(?:\b(?:called|known\s+as|named|termed)\s+(?:an?\s+|the\s+)?|(?:称为|叫做?|称作|称之为)[“「]?)$",
    re.IGNORECASE,
)
_IS_THE = re.compile(r"\b(?:is|are)\s+(?:called\s+)?(?:the|an?)\s+$")
_LEAST_NAMING, _LEAST_NAMING_HAN = 60, 24  # characters: less says too little to tell the term
# After these a sentence states a property, or is about something else of the term.
_PLAIN_VERB = re.compile(
    r"[称叫时以都在和与、，也的要只]|\s+(?:is|are|was|were|be|can|may|might|must|has|have|had|would|could|will|gives?|becomes?|"
    r"and|or|of|in|at|for|to|on|with|by|from|the|an?|that|which)\b|[^\w\s]"
)


class Saying(IntEnum):
    """How much a sentence says of a term that stands in it."""

    TOO_LITTLE = 0
    NAMES = 1
    TELLS = 2  # the sentence is about the term
    DEFINES = 3


def is_key_sentence(markdown: str) -> bool:
    """Say whether a sentence stands by itself, is complete, and is of prose."""
    text = plain_sentence(markdown)
    outside = prose(text)
    return (
        len(text) in (HAN_LENGTHS if HAN.search(text) else LENGTHS)
        and bool(_FINISHED.search(markdown))
        and (text[0].isupper() or bool(HAN.match(text)))
        and not _MARKUP.search(markdown)
        and not _LABEL.match(markdown)
        and not _GOES_ON.search(outside)
        and not POINTS_BACK.match(text)
        and not text.startswith("另")
        and not ANNOUNCES.search(text)
        and not _ELSEWHERE.search(outside)
    )


def plain_sentence(markdown: str) -> str:
    """Return a sentence without bold type and links; formulas stay as they are."""
    shown = _LINK.sub(r"\1", markdown)
    parts, at = [], 0
    for mark in _EMPHASIS.finditer(prose(shown)):
        parts.append(shown[at : mark.start()])
        at = mark.end()
    return " ".join("".join([*parts, shown[at:]]).split())


def saying(markdown: str, before: str, form: str, after: str) -> Saying:
    """Say what a sentence says of a term; `before` and `after` are the plain sentence around it."""
    is_bold = f"**{form}**" in markdown
    if _CALLED.search(before) or (is_bold and _IS_THE.search(before)):
        return Saying.DEFINES
    if (is_bold or defines(markdown, form)) and _SAYS_WHAT.match(
        after, _OF_WHAT.match(after).end()
    ):
        return Saying.DEFINES
    begins = re.fullmatch(r"(?:(?:An?|The|Every|Each)\s+)?|每个|任何", before)
    if begins and not _PLAIN_VERB.match(after):
        return Saying.TELLS
    least = _LEAST_NAMING_HAN if HAN.search(form) else _LEAST_NAMING
    return Saying.NAMES if len(before) + len(after) >= least else Saying.TOO_LITTLE


def is_of_an_example(sentence: str) -> bool:
    """Say whether a sentence calculates: such a one is about its numbers."""
    outside = prose(sentence)
    formulas = "".join(
        shown for shown, seen in zip(sentence, outside, strict=True) if shown != seen
    )
    return bool(re.search(r"=|\\approx|\d{2}", formulas)) or bool(re.search(r"\d", outside))
