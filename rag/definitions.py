"""Notice questions that ask what a thing is, and passages that say so.

The words of such a question stand in every passage of a chapter, and BM25 prefers those that repeat
them; what a student wants to read is the sentence that defines the thing.
"""

import functools
import re

from rag.lexical import simplified

_QUESTIONS = (
    re.compile(
        r"(?:请问|请?解释(?:一下)?)?(?:什么是|什么叫做?|何谓|何为)(?P<term>[^，,。？?！!、]{1,30}?)[呢吗]?"
    ),
    re.compile(
        r"(?P<term>[^，,。？?！!、]{1,30}?)(?:是什么(?:意思)?|是指什么|指的是什么|的(?:定义|含义)(?:是什么)?)"
    ),
    re.compile(
        r"(?:what(?:['’]s|\s+is|\s+are|\s+was|\s+were)|define)\s+(?:(?:an?|the)\s+)?"
        r"[“\"]?(?P<term>\w[\w\s'’-]{0,60}?)[”\"]?",
        re.IGNORECASE,
    ),
    re.compile(
        r"what\s+do(?:es)?\s+(?:the\s+(?:term|word)\s+)?"
        r"[“\"]?(?P<term>\w[\w\s'’-]{0,60}?)[”\"]?\s+mean",
        re.IGNORECASE,
    ),
)
_AROUND = " \t。．.？?！!"
_BEFORE = r"(?:^|[\n。！？；：.!?]\s*|[-*+>]\s+)(?:(?:an?|the)\s+)?[*_`“\"「『]*"
_AFTER = (
    r"(?:e?s)?[*_`”\"」』]*\s*(?:（[^）\n]{0,80}）|\([^)\n]{0,80}\))?[*_]*\s*"
    r"(?:是|指|就是|即|称|(?:is|are|was|were|means?|refers?|denotes?|describes?)\b)"
)


def defined_term(question: str) -> str | None:
    """Return what a question wants defined; None where it asks for something else."""
    plain = simplified(question).strip(_AROUND)
    for pattern in _QUESTIONS:
        if found := pattern.fullmatch(plain):
            return found["term"].strip()
    return None


def defines(text: str, term: str) -> bool:
    """Say whether a sentence of this text begins with the term and says what it is."""
    plain = text if term.isascii() else simplified(text)
    folded = plain.casefold()
    if not all(word in folded for word in term.casefold().split()):
        return False  # a look that costs a tenth of the pattern
    return _definition_of(term).search(plain) is not None


@functools.lru_cache(maxsize=256)
def _definition_of(term: str) -> re.Pattern:
    words = r"\s+".join(re.escape(word) for word in term.split())
    return re.compile(_BEFORE + words + _AFTER, re.IGNORECASE)
