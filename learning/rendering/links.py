"""Which links an answer may hold: those that its passages hold, and those to their pages.

A model can be talked into writing `[more](https://elsewhere.example/?q=what-you-asked)`, by words
hidden in a course or pasted into a question, and a click would carry the question away. An address
that stands, letter for letter, in a passage was there before the question and carries nothing of
it. Of any other address the reader gets the words and the address, as text.

Knows nothing of chapters: those are the course's own text, and link where they like.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence

from markdown_it.common.normalize_url import normalizeLink
from markdown_it.token import Token

from learning.rendering.markdown import new_parser
from learning.rendering.safety import clean_source

_LEADS_AWAY = re.compile(r"https?://|mailto:", re.IGNORECASE)
# In running text an address ends at a space, a bracket or quotation mark, or Chinese punctuation.
_BARE = re.compile(r"(?:https?://|mailto:)[^\s<>\"'`\u3000-\u303f\uff00-\uffef]+", re.IGNORECASE)
_IS_WHOLE = re.compile(r"//|[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_SENTENCE_ENDS = ".,;:!?*_)]}"
_PARSER = new_parser(raw_html=False)


def addresses_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the addresses outside this site that stand in the passages an answer is given."""
    return frozenset().union(*map(_addresses_in, texts))


@functools.lru_cache(maxsize=1024)  # the answers of a conversation often stand on the same passages
def _addresses_in(text: str) -> frozenset[str]:
    if not _LEADS_AWAY.search(text):
        return frozenset()
    found = set()
    for block in _PARSER.parse(clean_source(text)):
        for token in block.children or []:
            if token.type == "link_open":
                found.add(str(token.attrs["href"]))
    for bare in _BARE.findall(text):
        shorter = bare.rstrip(_SENTENCE_ENDS)
        closed = shorter + ")" * (shorter.count("(") - shorter.count(")"))
        found |= {normalizeLink(bare), normalizeLink(shorter), normalizeLink(closed)}
    return frozenset(address for address in found if _LEADS_AWAY.match(address))


def pages_of(sources: Mapping[int, str]) -> frozenset[str]:
    """Return the pages of this site that the sources' addresses lead to, wherever on them."""
    return frozenset(map(_page, sources.values())) - {""}


def only_known(
    tokens: Sequence[Token], pages: frozenset[str], addresses: frozenset[str]
) -> list[Token]:
    """Return inline tokens in which every other link has become its words and its address."""
    kept: list[Token] = []
    strange: Token | None = None
    begins = 0
    for token in tokens:
        if token.type == "link_open":
            address = str(token.attrs["href"])
            strange = None if address in addresses or _page(address) in pages else token
            begins = len(kept)
            if strange is None:
                token.attrs = {"href": address}  # a title would be words that nobody wrote here
                kept.append(token)
        elif token.type == "link_close" and strange is not None:
            words = "".join(inside.content for inside in kept[begins:])
            kept.append(_address_as_text(strange, words))
            strange = None
        else:
            kept.append(token)
    return kept


def _address_as_text(link: Token, words: str) -> Token:
    token = Token("text", "", 0)
    address = str(link.attrs["href"])
    is_said_already = link.info == "auto" or words == address
    # A path leads to a file of the import, or to a page that nobody was shown: words only.
    if _IS_WHOLE.match(address) and not is_said_already:
        token.content = f" ({address})" if words else address
    return token


def _page(address: str) -> str:
    return re.split("[?#]", address, maxsplit=1)[0]
