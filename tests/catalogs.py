"""The written catalogs of the product: what is English in it, and how that is said in Chinese.

Nothing here imports the product.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CATALOGS = [
    ROOT / app / "locale/zh_Hans/LC_MESSAGES/django.po"
    for app in ("config", "learning", "rag", "tracing")
]


class Entry(NamedTuple):
    context: str | None
    id: str
    plural: str | None
    translations: tuple[str, ...]
    is_fuzzy: bool

    @property
    def key(self) -> tuple[str | None, str]:
        return self.context, self.id


def entries_of(path: Path) -> list[Entry]:
    """Read a .po file: its entries but for the header."""
    entries = []
    for paragraph in path.read_text().split("\n\n"):
        name, fields = "", {}
        for keyword, quoted in re.findall(r'^(msg\S+ )?(".*")$', paragraph, re.MULTILINE):
            name = keyword.strip() or name  # without one, the text of the line before goes on
            fields[name] = fields.get(name, "") + ast.literal_eval(quoted)
        if fields.get("msgid"):
            entries.append(
                Entry(
                    fields.get("msgctxt"),
                    fields["msgid"],
                    fields.get("msgid_plural"),
                    tuple(text for name, text in fields.items() if name.startswith("msgstr")),
                    is_fuzzy=bool(re.search("^#,.*fuzzy", paragraph, re.MULTILINE)),
                )
            )
    assert entries, f"{path} holds nothing"
    return entries


@cache
def all_entries() -> dict[tuple[str | None, str], Entry]:
    return {entry.key: entry for path in CATALOGS for entry in entries_of(path)}


def chinese(text: str, context: str | None = None, **places: object) -> str:
    """How a text of the product is said in Chinese, with its places filled."""
    said = all_entries()[context, text].translations[-1]
    return re.sub(r"%\((\w+)\)s|\{(\w+)\}", lambda found: str(places[found[1] or found[2]]), said)


@cache
def untranslated_texts() -> tuple[re.Pattern, re.Pattern]:
    """What finds English texts of the product: those that are all of a text, those within one.

    A text is looked for in pieces, as tags cut it on a page, with anything in its places. One word
    is a sign only where it stands alone, or beside what is not English.
    """
    pieces = set()
    for entry in all_entries().values():
        texts = {entry.id, entry.plural or entry.id}
        if all(entry.translations) and not texts & set(entry.translations):
            pieces |= {" ".join(each.split()) for t in texts for each in re.split(r"<[^>]*>", t)}
    by_words = {piece: len(re.findall(r"[A-Za-z]{2,}", PLACE.sub(" ", piece))) for piece in pieces}
    alone = [_pattern(piece, "[^A-Za-z]+") for piece, count in by_words.items() if count == 1]
    within = [_pattern(piece, ".+?") for piece, count in by_words.items() if count > 1]
    return re.compile("|".join(alone)), re.compile("|".join(rf"\b{each}" for each in within))


PLACE = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")


def _pattern(text: str, anything: str) -> str:
    return anything.join(map(re.escape, PLACE.split(text)))
