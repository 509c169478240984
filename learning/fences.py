"""Keep what others wrote inside the fence that a prompt puts round it.

Text of a course, of a question or of an earlier answer must not end its passage and speak as the
prompt, and must not open a turn of its own where a server reads the prompt as one text. Whether a
model obeys what it reads inside is another matter, and nothing here helps against that: so a prompt
holds only what its student may read, and `rendering.links` lets no answer carry it away.
"""

import re
import unicodedata

_UNSEEN = "\u00ad"
_GAP = rf"[\s{_UNSEEN}]*"
# `<passage` and `</passage`, however they are written.
_FENCE = re.compile(
    rf"(<|&lt;|&#0*60;|&#x0*3c;)[\s/{_UNSEEN}]*{_GAP.join('passage')}", re.IGNORECASE
)
_MAY_HOLD_ONE = re.compile("[&＆<＜﹤‹〈《⟨⟪❮❰˂≺ᐸ]")
# What the templates of some models put between the speakers; a tokenizer knows no look-alikes.
_SPEAKER = re.compile(
    r"<(?=[|｜][^\s|｜<>]{1,40}[|｜]>)|<(?=/?(?:s|bos|eos|start_of_turn|end_of_turn)>)"
    r"|<(?=</?sys>>)|\[(?=/?(?:inst|system_prompt)\])",
    re.IGNORECASE,
)
_LOOKALIKES = {
    "<": "‹〈《⟨⟪❮❰˂≺ᐸ",
    "/": "∕⁄⧸╱⟋",
    "|": "│∣ǀ❘",
    "p": "РрΡρᴘ",
    "a": "АаΑαɑᴀ",
    "s": "Ѕѕꜱ",
    "g": "ɡɢց",
    "e": "ЕеΕҽᴇ",
    _UNSEEN: "\u115f\u1160\u2800\u3164\uffa0",
}
_MOST_REMEMBERED = 30_000  # characters: more than any two languages write with


class _Seen(dict):
    """What a character is taken for, one for one: accents, widths and styles aside."""

    def __missing__(self, code: int) -> str:
        first, *others = unicodedata.normalize("NFKD", chr(code))
        if unicodedata.category(first) in ("Cf", "Mn", "Me", "Cc") and not first.isspace():
            seen = _UNSEEN
        else:
            is_one = all(unicodedata.combining(other) for other in others)
            seen = self.get(ord(first), first) if is_one else chr(code)
        if len(self) < _MOST_REMEMBERED:
            self[code] = seen
        return seen


_SEEN = _Seen({ord(char): seen for seen, chars in _LOOKALIKES.items() for char in chars})


def kept_inside(text: str) -> str:
    """Return the text with the bracket of every mark that could end its part of a prompt broken."""
    text = _SPEAKER.sub("(", text)
    if not _MAY_HOLD_ONE.search(text):
        return text
    # A place in one is the same place in the other.
    seen = text if text.isascii() else text.translate(_SEEN)
    parts, at = [], 0
    for fence in _FENCE.finditer(seen):
        parts += [text[at : fence.start()], "("]
        at = fence.end(1)
    return "".join([*parts, text[at:]])


def on_one_line(text: str) -> str:
    """The same for a title or a name: no line of its own, and no end of the quotes round it."""
    return re.sub('["“”„‟＂]', "'", kept_inside(" ".join(text.split())))
