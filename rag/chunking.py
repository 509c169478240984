r"""Cut a document into passages: by headings, then blocks, then sentences.

Every passage is a slice of the document, so that a citation leads to the exact place. A fenced
code block, table, list or display formula stays whole where it fits; one that does not is cut
between its lines, rows or items. A sentence that is still too long is cut at a comma, then at a
space, and inside a formula or a line of code only where nothing else is left.
"""

import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.blocks import LINE_ENDS, Block, sections

VERSION = 2
TARGET_TOKENS = 200
# Text that the embedding model does not know is found by its words alone, so what the model reads
# of it at once sets no limit: Chinese under an English model, a word piece a character.
UNKNOWN_TARGET_TOKENS = 350
UNKNOWN_ROOM_TOKENS = 450
# A passage may grow past the target to take in a short rest that would stand alone badly.
SHORT_TOKENS = 50
MARKER_TOKENS = 2  # what a model puts round each text
HEADING_TOKENS = 40  # the most that a heading path may take from a passage

CountTokens = Callable[[Sequence[str]], list[int]]
Slice = tuple[int, int]
Counted = tuple[int, int, int]  # start, end, tokens

# Formulas, code and links: no cut inside, if there is another way.
_PROTECTED = re.compile(
    r"(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`)"
    r"|\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|\$(?!\s)(?:\\.|[^$\\\n])+?(?<!\s)\$"
    r"|!?\[[^\]\n]*\]\([^)\n]*\)",
    re.DOTALL,
)
_PICTURE = re.compile(
    r"!\[([^\]\n]{0,1000})\]"
    r"\((?:<[^<>\n]{0,1000}>|[^()\s]{0,1000})(?:[ \t]+[\"']([^\"'\n]{0,1000})[\"'])?[ \t]*\)"
)
_CLOSERS = r"[\"'”’」』）)\]*_]*"
_SENTENCE_ENDS = re.compile(
    rf"[.!?]+{_CLOSERS}(?=\s+[\"'“‘(\[*_$\\`]*[A-Z0-9\u00c0-\u00de\u0391-\u03a9\u0410-\u042f\u4e00-\u9fff])"
    rf"|[。！？；…]+{_CLOSERS}"
    r"|\n"
)
_CLAUSE_ENDS = re.compile(r"[,;:]+(?=\s)|[，、：；]+|\n")
_SPACES = re.compile(r"\s+")
_BLANK_LINES = re.compile(r"\n[ \t]*\n")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|cf|vs|Fig|Eq|No|Dr|Mr|Mrs|Prof|St|approx|[A-Z])\.$")


@dataclass(frozen=True)
class Passage:
    """One piece of a document; `text` is exactly `document_text[start:end]`."""

    start: int
    end: int
    text: str
    heading_path: tuple[str, ...]
    token_count: int

    @property
    def embedded_text(self) -> str:
        return embedded_text(self.heading_path, self.text)


def embedded_text(heading_path: Sequence[str], text: str) -> str:
    """Return what embedding model, lexical index and rerankers read: heading path, then text.

    Of a picture they read what it shows, not where its file is.
    """
    return f"{' › '.join(heading_path)}\n{_PICTURE.sub(_described, text)}"


def _described(picture: re.Match) -> str:
    return " ".join(filter(None, picture.groups()))


def chunker_version() -> str:
    """Return what an index is stamped with: another value means other passages."""
    return f"{VERSION}:{TARGET_TOKENS}:{UNKNOWN_TARGET_TOKENS}"


def split_document(
    text: str,
    *,
    title: str,
    count_tokens: CountTokens,
    max_tokens: int,
    is_known: bool = True,
) -> list[Passage]:
    """Cut Markdown into passages that fit an embedding model, in order and without overlap.

    `max_tokens` is what the model reads of one text, markers included. The heading path, which
    begins with the title, is read by the model as well, so it counts; a very long one is cut by
    the model, at the passage's end. `is_known` says whether the model knows the text's language.
    """
    parts = list(sections(text, title))
    heading_counts = count_tokens([" › ".join(path) for path, _ in parts])
    passages: list[Passage] = []
    for (path, blocks), heading_count in zip(parts, heading_counts, strict=True):
        room = max(8, max_tokens - MARKER_TOKENS - min(heading_count, HEADING_TOKENS))
        target = min(TARGET_TOKENS, room)
        if not is_known:
            target, room = UNKNOWN_TARGET_TOKENS, UNKNOWN_ROOM_TOKENS
        packer = _Packer(text, count_tokens, target=target, room=room)
        for start, end, count in packer.pack(blocks):
            passages.append(Passage(start, end, text[start:end], path, count))
    return passages


class _Packer:
    """Puts the blocks of one section into passages of about `target` and at most `room` tokens."""

    def __init__(self, text: str, count_tokens: CountTokens, *, target: int, room: int) -> None:
        self.text = text
        self.count_tokens = count_tokens
        self.target = target
        self.room = room

    def pack(self, blocks: list[Block]) -> list[Counted]:
        """Return (start, end, tokens) of each passage."""
        trimmed = [(block, self._trimmed((block.start, block.end))) for block in blocks]
        trimmed = [(block, piece) for block, piece in trimmed if piece]
        counts = self._counts([piece for _, piece in trimmed])
        packed: list[Counted] = []
        for (block, piece), count in zip(trimmed, counts, strict=True):
            if count > self.room or (count > self.target and block.kind == "paragraph"):
                parts = self._gathered(self._split(block.kind, piece, block.items))
            else:
                parts = [(*piece, count)]
            for part in parts:
                if packed and self._may_join(packed[-1], part, self.target):
                    packed[-1] = _joined(packed[-1], part)
                else:
                    packed.append(part)
        if len(packed) > 1 and packed[-1][2] <= SHORT_TOKENS:
            before, last = packed[-2:]
            if self._may_join(before, last, self.room):
                packed[-2:] = [_joined(before, last)]
        return packed

    def _may_join(self, one: Counted, other: Counted, limit: int) -> bool:
        # What lies between is white space, or a comment or rule that belongs to no passage.
        return one[2] + other[2] <= limit and not self.text[one[1] : other[0]].strip()

    def _gathered(self, pieces: list[Counted]) -> list[Counted]:
        """Join neighbouring pieces into parts of about equal size."""
        total = sum(count for *_, count in pieces)
        aim = total / -(-total // self.target) if total else 0
        parts: list[Counted] = []
        for start, end, count in pieces:
            if parts:
                first, _, so_far = parts[-1]
                if so_far + count <= self.target and so_far + count / 2 <= aim:
                    parts[-1] = (first, end, so_far + count)
                    continue
            parts.append((start, end, count))
        return parts

    def _split(self, kind: str, piece: Slice, items: Sequence[int]) -> list[Counted]:
        """Return pieces that fit, with their token counts, cut as gently as possible."""
        ways = {
            "list": [self._at_items, self._at_lines, *self._prose_ways()],
            "lines": [
                self._at_items,
                self._at_blank_lines,
                self._at_lines,
                *self._prose_ways()[1:],
            ],
            "paragraph": self._prose_ways(),
        }[kind]
        done: list[Counted] = []
        rest = [(piece, 0)]
        while rest:
            (start, end), way = rest.pop()
            [count] = self._counts([(start, end)])
            # A whole paragraph is cut to the target; what came out of a cut may fill the room.
            if count <= self.target or way >= len(ways):
                done.append((start, end, count))
                continue
            cuts = ways[way]((start, end), items)
            smaller = [cut for cut in map(self._trimmed, _slices(start, end, cuts)) if cut]
            rest.extend((cut, way + 1) for cut in reversed(smaller))
        return done

    def _prose_ways(self):
        return [
            self._at(_SENTENCE_ENDS),
            self._at(_CLAUSE_ENDS),
            self._at(_SPACES),
            self._at_formulas,
            self._anywhere,
        ]

    def _at_items(self, piece: Slice, items: Sequence[int]) -> list[int]:
        return [start for start in items if piece[0] < start < piece[1]]

    def _at_blank_lines(self, piece: Slice, items: Sequence[int]) -> list[int]:
        return [match.end() for match in _BLANK_LINES.finditer(self.text, *piece)]

    def _at_lines(self, piece: Slice, items: Sequence[int]) -> list[int]:
        return [match.end() for match in LINE_ENDS.finditer(self.text, *piece)]

    def _at(self, pattern: re.Pattern):
        def cuts(piece: Slice, items: Sequence[int]) -> list[int]:
            protected = [match.span() for match in _PROTECTED.finditer(self.text, *piece)]
            starts = [start for start, _ in protected]
            found = []
            for match in pattern.finditer(self.text, *piece):
                cut = match.end()
                nearest = bisect_right(starts, cut - 1) - 1
                if nearest >= 0 and cut < protected[nearest][1]:
                    continue
                if _ABBREVIATION.search(self.text, max(piece[0], cut - 8), cut):
                    continue
                found.append(cut)
            return found

        return cuts

    def _at_formulas(self, piece: Slice, items: Sequence[int]) -> list[int]:
        return [cut for match in _PROTECTED.finditer(self.text, *piece) for cut in match.span()]

    def _anywhere(self, piece: Slice, items: Sequence[int]) -> list[int]:
        """Cut every `target` characters: a word piece is one character or more."""
        return list(range(piece[0] + self.target, piece[1], self.target))

    def _trimmed(self, piece: Slice) -> Slice | None:
        start, end = piece
        words = self.text[start:end]
        start, end = (
            start + len(words) - len(words.lstrip()),
            end - len(words) + len(words.rstrip()),
        )
        return (start, end) if start < end else None

    def _counts(self, pieces: Sequence[Slice]) -> list[int]:
        return self.count_tokens([self.text[start:end] for start, end in pieces]) if pieces else []


def _joined(one: Counted, other: Counted) -> Counted:
    return one[0], other[1], one[2] + other[2]


def _slices(start: int, end: int, cuts: Sequence[int]) -> list[Slice]:
    edges = [start, *(cut for cut in cuts if start < cut < end), end]
    return list(itertools.pairwise(edges))
