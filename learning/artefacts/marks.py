"""What the author of a course marks as a term: in bold, in headings, and by saying what it is."""

import re
from collections.abc import Iterator

from learning.artefacts.phrases import last_chinese_phrase
from learning.artefacts.prose import BREAK
from learning.artefacts.scripts import HAN
from learning.artefacts.stop_words import CHINESE, COMMON_NOUNS, FUNCTION_WORDS, LABELS, SMALL_WORDS
from learning.llm.choosing import BOLD

LONGEST_LATIN, LONGEST_HAN = 5, 12  # words, characters

_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)
_NAME = re.compile(r"[^\W_](?:[^\W_]|[ \n'’.+#–-])*[^\W_+#]?[+#]*")
_VERY_COMMON = frozenset(
    "is are was were be do does can you we it not what how why when from".split()
)
_REFERENCE = re.compile(  # "Chapter 2", "Listing 10-22"
    r"(?:appendix|chapter|equation|example|exercise|figure|lesson|line|listing|page|part|problem"
    r"|section|step|table|unit|week)s? [\dA-Z][\d.–-]*",
    re.IGNORECASE,
)
_PART_OF_HEADING = re.compile(
    r"[:：,，、;；—/|()（）?？!！\"“”]|\s[-–]\s|[与和及的是]|什么|怎样|为什么|如何|^\s*[\d.]+\s*"
)
_DEFINED = re.compile(
    r"(?:^|[.!?]\s+|\n\s*\n|^\s*[-*]\s+)(?:(?:An?|The)\s+)?"
    r"(?P<name>[^\W\d_][\w'’-]*(?:\s+[\w'’-]+){0,3}?)(?:\s*\([^()\n]{0,80}\))?"
    r"\s+(?:is|are|means|refers\s+to|denotes)\s+(?:an?|the|any|what|when)\b",
    re.MULTILINE,
)
_DEFINED_HAN = re.compile(
    r"(?:^|[。！？；])\s*(?P<name>[\u3400-\u4dbf\u4e00-\u9fff]{2,12}?)(?:（[^（）\n]{0,80}）)?"
    r"(?:是一|是指|是把|指的是|称为|叫做)",
    re.MULTILINE,
)


def bold_names(prose: str) -> Iterator[str]:
    """Yield what stands in bold and can be a name: no sentence, no label such as "Note"."""
    for words in BOLD.findall(prose):
        name = _ARTICLE.sub("", " ".join(words.split()).strip(" .:：。，,"))
        if BREAK not in name and can_be_name(name):
            yield name


def heading_names(title: str) -> Iterator[str]:
    """Yield what a passage's headings may be about: their phrases between small words."""
    for heading in title.split(" › "):
        for part in _PART_OF_HEADING.split(heading):
            if HAN.search(part):
                phrases = [part.strip()]
            else:
                phrases = _between_small_words(part)
            yield from (phrase for phrase in phrases if can_be_name(phrase))


def defined_names(prose: str) -> Iterator[str]:
    """Yield what a sentence begins with and says what it is: "A spring tide is a tide which…"."""
    for found in _DEFINED.finditer(prose):
        words = found["name"].split()
        folded = [word.casefold() for word in words]
        is_phrase = not any(word in FUNCTION_WORDS for word in folded)
        is_telling = not all(word in COMMON_NOUNS for word in folded)
        if is_phrase and is_telling and can_be_name(" ".join(words)):
            yield " ".join(words)
    for found in _DEFINED_HAN.finditer(prose):
        # 这种方法是一… names nothing.
        if last_chinese_phrase(found["name"]) == found["name"] and can_be_name(found["name"]):
            yield found["name"]


def can_be_name(name: str) -> bool:
    """Say whether these words can name a thing, by their form alone."""
    words = [word.casefold() for word in name.split()]
    if not _NAME.fullmatch(name) or name.casefold() in LABELS or _REFERENCE.fullmatch(name):
        return False
    if HAN.search(name):
        return len(name) <= LONGEST_HAN and name not in CHINESE
    if not 0 < len(words) <= LONGEST_LATIN or not re.search(r"[^\W\d_]{2}|[A-Z]\d", name):
        return False
    if words[0] in SMALL_WORDS or words[-1] in SMALL_WORDS or words[0] in LABELS:
        return False
    if len(words) == 1 and (
        words[0] in FUNCTION_WORDS or words[0] in COMMON_NOUNS or words[0].endswith("ly")
    ):
        return False
    return not any(word in _VERY_COMMON for word in words)


def _between_small_words(part: str) -> list[str]:
    phrases: list[list[str]] = [[]]
    for word in part.split():
        if word.casefold() in FUNCTION_WORDS:
            phrases.append([])
        else:
            phrases[-1].append(word)
    return [" ".join(phrase) for phrase in phrases if phrase]
