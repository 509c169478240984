"""Plain text becomes Markdown that shows it as it was."""

import re
import unicodedata
from pathlib import Path

LEADING_NUMBER = re.compile(r"^\d+(?:[.\-_]\d+)*[\s.\-_]+")

# Han, kana and their punctuation: written without spaces.
CJK = "\u2e80-\u2fdf\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff65\U00020000-\U0003ffff"
_UNWANTED = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
# Letters that PDFs write in another shape: ligatures, and radicals in place of characters.
_SHAPES = re.compile("[\u2e80-\u2fdf\ufb00-\ufb06]")
_SPACES = re.compile(r"[^\S\n]+")
_LINE_JOIN = re.compile(r"\s*\n\s*")

_INLINE = re.compile(
    r"(?P<any>[`$])"
    r"|(?P<star>\*)(?!(?<=\s\*)(?=\s))"
    r"|(?P<underscore>(?<!\w)_|_(?!\w))"
    r"|(?P<backslash>\\)(?=[!-/:-@\[-`{-~]|\n|$)"
    r"|(?P<tag><)(?=[A-Za-z/!?])"
    r"|(?P<entity>&)(?=#?\w{1,40};)"
    r"|(?P<link>\])(?=[(\[:])"
    r"|(?P<picture>!)(?=\[)"
    r"|(?P<strike>~)(?=~)|(?P<strike2>(?<=~)~)"
)
_LINE_START = re.compile(
    r"^(?P<indent>[ \t]*)(?:(?P<number>\d{1,9})(?=[.)](?:\s|$))|(?=#{1,6}(?:\s|$)|>|[-+](?:\s|$)"
    r"|[-=]+\s*$|\||:?-{2,}|\*(?:\s|$)))",
    re.MULTILINE,
)


def clean(text: str) -> str:
    """Return the text without what cannot be stored or shown, and with its letters in one shape."""
    text = _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " "))
    text = _SURROGATES.sub("\ufffd", text)
    return _SHAPES.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)


def escape(text: str) -> str:
    """Escape what Markdown would take for markup, and nothing else: readers search for words."""
    return _LINE_START.sub(_escaped_start, _INLINE.sub(r"\\\g<0>", text))


def _escaped_start(found: re.Match) -> str:
    return f"{found['number']}\\" if found["number"] else "\\"


def one_line(text: str) -> str:
    """Join the lines of a paragraph: with a space, but for Chinese and Japanese."""
    lines = _LINE_JOIN.split(text.strip())
    joined = lines[0]
    for line in lines[1:]:
        joined += joint(joined, line) + line
    return _SPACES.sub(" ", joined)


def joint(before: str, after: str) -> str:
    """Return what stands between two lines of one paragraph."""
    if re.search(f"[{CJK}]\\Z", before) or re.match(f"[{CJK}]", after):
        return ""
    return " "


def is_mostly_chinese(text: str) -> bool:
    return len(re.findall("[\u3400-\u9fff]", text)) > len(re.findall("[A-Za-z]", text)) / 3


def title_of(path: Path | str) -> str:
    """Make a title of a file's name: `02-one-sided_limits.md` → `One sided limits`."""
    stem = LEADING_NUMBER.sub("", Path(path).stem) or Path(path).stem
    words = re.sub(r"[\s_-]+", " ", stem).strip()
    return words[:1].upper() + words[1:]


def depth_under(open_levels: list[int], level: int) -> int:
    """Return how deep an item stands in its list, after the items whose levels are given.

    Begins at 0 and grows by one: deeper, Markdown would take the item for code.
    """
    while open_levels and level < open_levels[-1]:
        open_levels.pop()
    if not open_levels or level > open_levels[-1]:
        open_levels.append(level)
    return len(open_levels) - 1


def key_of(title: str, taken: set[str]) -> str:
    """Make a part's key of its title, such as `3-limits`, unlike those that are taken."""
    words = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFKC", title).lower()).strip("-_")
    stem = key = words[:60].strip("-") or "part"
    number = 1
    while key in taken:
        number += 1
        key = f"{stem}-{number}"
    taken.add(key)
    return key
