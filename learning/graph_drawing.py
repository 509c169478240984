"""The picture of a knowledge graph: where its circles, labels and lines go, in units of the SVG."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from learning.artefacts.items import SYMMETRIC
from learning.artefacts.layout import spread
from learning.graphs import Concept, Relation
from learning.llm.base import CJK

FONT = 13.0
LINE = 15.0
# Rather too wide: the visitor's font is not known.
NARROW_CHARACTER, WIDE_CHARACTER = 0.6 * FONT, 1.05 * FONT
LINE_UNITS, MOST_LINES = 16, 2  # a wide character counts two
SMALLEST, LARGEST = 6.0, 16.0  # radius of a circle
ARROW = 9.0
TYPE_FONT = 11.0
# Where on a line its text may stand, from the chosen concept: best where lines have parted.
TEXT_SHARES = (0.6, 0.7, 0.5, 0.8, 0.4, 0.9, 0.3)
_TOKEN = re.compile(rf"\s*(?:{CJK.pattern}|(?:(?!{CJK.pattern})\S)+)")


@dataclass(slots=True)
class Line:
    text: str
    y: float


@dataclass(slots=True)
class Node:
    concept: Concept
    x: float
    y: float
    radius: float
    lines: list[Line]
    role: str  # "chosen", "near", "far", or "" where nothing is chosen


@dataclass(slots=True)
class Edge:
    """One line for all that is known of two concepts; `text` stands on it where one is chosen.

    Where there is no room for the text, `text_at` is None: it stands in words below the picture.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    sentences: list[str]
    text: str
    text_at: tuple[float, float] | None
    has_arrow_to_first: bool
    has_arrow_to_second: bool
    is_counted: bool
    role: str


@dataclass(slots=True)
class Drawing:
    width: float
    height: float
    nodes: list[Node]
    edges: list[Edge]

    @property
    def has_counted(self) -> bool:
        return any(edge.is_counted for edge in self.edges)


def draw(concepts: Sequence[Concept], chosen: Concept | None = None) -> Drawing:
    """Draw these concepts, the weightiest first, and all relations between two of them."""
    heaviest = max((concept.weight for concept in concepts), default=1.0) or 1.0
    near = {chosen, *chosen.neighbours} if chosen else set()
    boxes = []
    for concept in concepts:
        radius = SMALLEST + (LARGEST - SMALLEST) * math.sqrt(concept.weight / heaviest)
        lines = label_lines(concept.name)
        width = max(2 * radius, *(_width(line) for line in lines))
        boxes.append((radius, lines, width, 2 * radius + LINE * len(lines) + 4))
    picture = spread([concept.point for concept in concepts], [box[2:] for box in boxes])
    nodes = {}
    for concept, (radius, lines, _across, height), (x, middle) in zip(
        concepts, boxes, picture.middles, strict=True
    ):
        y = middle - height / 2 + radius
        below = [
            Line(text, round(y + radius + 1 + LINE * (number + 0.8), 1))
            for number, text in enumerate(lines)
        ]
        role = _role(concept is chosen, concept in near) if chosen else ""
        nodes[concept] = Node(concept, round(x, 1), round(y, 1), round(radius, 1), below, role)
    edges = _edges(nodes, chosen)
    if chosen:
        _place_texts(edges, nodes.values(), nodes[chosen])
    return Drawing(math.ceil(picture.width), math.ceil(picture.height), [*nodes.values()], edges)


def label_lines(name: str) -> list[str]:
    """Break a name into the few short lines of a label; what is too long ends in “…”."""
    lines = [""]
    for token in _TOKEN.findall(name):
        if lines[-1] and _units(lines[-1] + token) > LINE_UNITS:
            lines.append("")
        lines[-1] += token if lines[-1] else token.lstrip()
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1]}…"]
    return [line if _units(line) <= 2 * LINE_UNITS else f"{line[:LINE_UNITS]}…" for line in lines]


def _edges(nodes: dict[Concept, Node], chosen: Concept | None) -> list[Edge]:
    between: dict[frozenset[Concept], list[Relation]] = defaultdict(list)
    for concept in nodes:
        for relation in concept.relations:
            if relation.source is concept and relation.target in nodes:
                between[frozenset((relation.source, relation.target))].append(relation)
    return [_edge(nodes, relations, chosen) for relations in between.values()]


def _edge(nodes: dict[Concept, Node], relations: list[Relation], chosen: Concept | None) -> Edge:
    first, second = nodes[relations[0].source], nodes[relations[0].target]
    directed = [relation for relation in relations if relation.type not in SYMMETRIC]
    to_first = any(relation.target is first.concept for relation in directed)
    to_second = any(relation.target is second.concept for relation in directed)
    is_near = chosen in (first.concept, second.concept)
    words = [relation.words for relation in relations if not relation.is_counted]
    x1, y1 = _at_rim(first, second, ARROW if to_first else 0.0)
    x2, y2 = _at_rim(second, first, ARROW if to_second else 0.0)
    return Edge(
        x1,
        y1,
        x2,
        y2,
        sentences=[relation.sentence for relation in relations],
        text=", ".join(words) if is_near else "",
        text_at=None,
        has_arrow_to_first=to_first,
        has_arrow_to_second=to_second,
        is_counted=all(relation.is_counted for relation in relations),
        role=_role(False, is_near) if chosen else "",
    )


def _place_texts(edges: Iterable[Edge], nodes: Iterable[Node], chosen: Node) -> None:
    """Put the texts where they cover neither a label nor one another, as far as there is room."""
    taken = [_box(node) for node in nodes]
    for edge in edges:
        if not edge.text:
            continue
        half = _width(edge.text) * TYPE_FONT / FONT / 2
        ends = sorted(
            ((edge.x1, edge.y1), (edge.x2, edge.y2)),
            key=lambda end: math.dist(end, (chosen.x, chosen.y)),
        )
        for share in TEXT_SHARES:
            x, y = (near + (far - near) * share for near, far in zip(*ends, strict=True))
            box = (x - half, y - TYPE_FONT, x + half, y + 3)
            if not any(_overlap(box, other) for other in taken):
                edge.text_at = round(x, 1), round(y, 1)
                taken.append(box)
                break


def _box(node: Node) -> tuple[float, float, float, float]:
    half = max(node.radius, *(_width(line.text) / 2 for line in node.lines))
    bottom = node.y + node.radius + LINE * len(node.lines)
    return node.x - half, node.y - node.radius, node.x + half, bottom


def _overlap(one: tuple, other: tuple) -> bool:
    left, top, right, bottom = other
    return one[0] < right and left < one[2] and one[1] < bottom and top < one[3]


def _at_rim(node: Node, other: Node, room: float) -> tuple[float, float]:
    """Return where a line to the other leaves the circle, with room for an arrow's head."""
    distance = math.dist((node.x, node.y), (other.x, other.y)) or 1.0
    share = min(0.45, (node.radius + room) / distance)
    return (
        round(node.x + (other.x - node.x) * share, 1),
        round(node.y + (other.y - node.y) * share, 1),
    )


def _role(is_chosen: bool, is_near: bool) -> str:
    return "chosen" if is_chosen else "near" if is_near else "far"


def _units(text: str) -> int:
    return len(text) + len(CJK.findall(text))


def _width(text: str) -> float:
    wide = len(CJK.findall(text))
    return wide * WIDE_CHARACTER + (len(text) - wide) * NARROW_CHARACTER
