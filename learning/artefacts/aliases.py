"""Which names a course says are the same thing: "stochastic gradient descent (SGD)"."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from learning.artefacts.base import name_key
from learning.artefacts.scripts import CJK

_IN_BRACKETS = r"[ \t]*[（(](?P<inner>[^（）()\n*$\0]{2,100})[）)]"
_BOLD = re.compile(r"\*\*(?P<name>[^*\n$\0]{1,60}?)\*\*" + _IN_BRACKETS)
_RUNNING = re.compile(
    rf"(?P<name>[{CJK}]{{2,16}}|\b(?:[^\W{CJK}_]+[ \n-]){{0,7}}[^\W{CJK}_]+)" + _IN_BRACKETS
)
_PARTS = re.compile(r"\s*[,，、;；/]\s*|\s+or\s+|或者?")
_ALSO = re.compile(
    r"^(?:简称为?|又称为?|也称为?|亦称|也叫做?|又叫做?|缩写为?|英文(?:名|为)?|即|"
    r"also (?:called|known as|written)|abbreviated(?: as| to)?|short for|or|called)\s*[:：]?\s*",
    re.IGNORECASE,
)
_LATIN_NAME = re.compile(r"[A-Za-zÀ-ɏ][\wÀ-ɏ.+#'’-]*(?:[ \n–-]+[\wÀ-ɏ.+#'’-]+){0,5}")
_HAN_NAME = re.compile(rf"[{CJK}][{CJK}A-Za-z0-9 -]{{1,14}}")
_ACRONYM = re.compile(r"[A-Z][A-Za-z0-9&-]{1,7}")
_SMALL_WORDS = frozenset("a an and by for from in of on or the to with".split())


def said_to_be_same(
    text: str, last_phrase: Callable[[str], str], is_known: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """Yield (name, other name) as a text of prose says it, in brackets after the name.

    `last_phrase` returns the phrase that a run of Chinese ends in: where a name begins that does
    not stand in bold. `is_known` says that the course sets a name in bold.
    """
    for found in _BOLD.finditer(text):
        yield from _pairs(found["name"].strip(), found["inner"])
    for found in _RUNNING.finditer(_BOLD.sub("\n\n", text)):
        name = found["name"]
        if _is_han(name):
            known = [name[at:] for at in range(len(name) - 1) if is_known(name[at:])]
            name = known[0] if known else last_phrase(name)
            yield from _pairs(name, found["inner"])
        else:
            yield from _spelt_out(name, found["inner"])


def is_acronym(name: str) -> bool:
    return bool(_ACRONYM.fullmatch(name)) and sum(c.isupper() for c in name) >= 2


def initials_match(acronym: str, name: str) -> bool:
    """Say whether an acronym is made of the first letters of a name, small words in or out."""
    letters = re.sub(r"[^a-z]", "", acronym.removesuffix("s").casefold())
    words = [word for word in re.split(r"[\s–-]+", name.casefold()) if word]
    short = "".join(word[0] for word in words if word not in _SMALL_WORDS)
    return bool(letters) and letters in ("".join(word[0] for word in words), short)


class SameNames:
    """Names that mean the same, put together from what was said of them two by two."""

    def __init__(self, pairs: Iterable[tuple[str, str]]):
        self._names: dict[str, str] = {}
        said: dict[str, set[str]] = defaultdict(set)
        for one, other in pairs:
            keys = name_key(one), name_key(other)
            if keys[0] != keys[1]:
                self._names.setdefault(keys[0], one)
                self._names.setdefault(keys[1], other)
                said[keys[0]].add(keys[1])
                said[keys[1]].add(keys[0])
        # 偏置 (bias) and 偏差 (bias): a name for two things is no other name of either.
        unclear = {key for key, beside in said.items() if self._is_unclear(beside)}
        self._beside = {key: beside - unclear for key, beside in said.items() if key not in unclear}

    def of(self, name: str) -> list[str]:
        """Return the other names of one."""
        start = name_key(name)
        seen, todo = {start}, [start]
        while todo:
            for key in sorted(self._beside.get(todo.pop(), ())):
                if key not in seen:
                    seen.add(key)
                    todo.append(key)
        return [self._names[key] for key in sorted(seen - {start})]

    def _is_unclear(self, keys: set[str]) -> bool:
        names = [self._names[key] for key in keys]
        spelt = [name for name in names if not is_acronym(name)]
        han = [name for name in spelt if _is_han(name)]
        return len(han) > 1 or len(spelt) - len(han) > 1


def _pairs(name: str, inner: str) -> Iterator[tuple[str, str]]:
    """Names in brackets after one that is known from its first character to its last."""
    if len(name) < 2 and not _is_han(name):
        return
    parts = [(bool(_ALSO.match(part)), _ALSO.sub("", part).strip()) for part in _PARTS.split(inner)]
    spelt = [part for _, part in parts if _LATIN_NAME.fullmatch(part) and not is_acronym(part)]
    if not _is_han(name):
        spelt = [name]
    for is_said, part in parts:
        if is_acronym(part):
            if not spelt or any(initials_match(part, each) for each in spelt):
                yield name, part
        elif _is_han(part):
            if _HAN_NAME.fullmatch(part) and (is_said or not _is_han(name)):
                yield name, part
        elif _LATIN_NAME.fullmatch(part) and len(part) > 2 and (is_said or _is_han(name)):
            yield name, part


def _spelt_out(words: str, inner: str) -> Iterator[tuple[str, str]]:
    """ "… of stochastic gradient descent (SGD)", "SGD (stochastic gradient descent)"."""
    before = words.split()
    for part in _PARTS.split(inner):
        if is_acronym(part):
            for length in range(2, len(before) + 1):
                name = " ".join(before[-length:])
                if before[-length].casefold() not in _SMALL_WORDS and initials_match(part, name):
                    yield name, part
                    break
        elif is_acronym(before[-1]) and _LATIN_NAME.fullmatch(part):
            if initials_match(before[-1], part):
                yield before[-1], part


def _is_han(name: str) -> bool:
    return re.search(f"[{CJK}]", name) is not None
