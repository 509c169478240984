"""The picture of a knowledge graph: what stands where, and that all of it can be read."""

import pytest

from learning.artefacts.layout import arrange, spread
from learning.graph_drawing import draw, label_lines
from learning.graphs import Concept, Relation


def test_the_same_graph_is_laid_out_the_same():
    nodes = [f"n{number}" for number in range(40)]
    edges = [(a, b, 1.0) for a, b in zip(nodes, nodes[3:], strict=False)]

    assert arrange(nodes, edges) == arrange(nodes, list(edges))


def test_what_is_joined_stands_nearer_than_what_is_not():
    places = arrange("adbecf", [(a, b, 1.0) for a, b in ("ab", "bc", "ac", "de", "ef", "df")])

    def distance(one, other):
        (x1, y1), (x2, y2) = places[one], places[other]
        return ((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5

    assert max(distance("a", "b"), distance("d", "e")) < distance("a", "e")


@pytest.mark.parametrize("count", [1, 2, 60, 300])
def test_no_two_labels_overlap_and_all_are_in_the_picture(count):
    points = [(n * n % 97, n * 31 % 53) for n in range(count)]
    sizes = [(40 + n * 7 % 90, 30 + n % 3 * 15) for n in range(count)]

    picture = spread(points, sizes)

    boxes = [(x, y, w, h) for (x, y), (w, h) in zip(picture.middles, sizes, strict=True)]
    for place, (x, y, w, h) in enumerate(boxes):
        assert w / 2 <= x <= picture.width - w / 2 and h / 2 <= y <= picture.height - h / 2
        for x2, y2, w2, h2 in boxes[:place]:
            assert abs(x - x2) >= (w + w2) / 2 or abs(y - y2) >= (h + h2) / 2


def test_labels_of_one_place_all_find_room():
    assert len(set(spread([(5, 5)] * 20, [(80, 40)] * 20).middles)) == 20


@pytest.mark.parametrize(
    "name, lines",
    [
        ("limit", ["limit"]),
        ("fundamental theorem of calculus", ["fundamental", "theorem of…"]),
        ("average rate of change", ["average rate of", "change"]),
        ("随机梯度下降", ["随机梯度下降"]),
        ("卷积神经网络的反向传播", ["卷积神经网络的反", "向传播"]),
        ("x" * 60, ["x" * 16 + "…"]),
    ],
)
def test_a_label_is_at_most_two_short_lines(name, lines):
    assert label_lines(name) == lines


def test_the_words_on_lines_cover_neither_labels_nor_one_another():
    hub, *others = [Concept(n, f"concept {n}", 1.0, {}, (n % 5 * 9, n // 5 * 9)) for n in range(25)]
    for other in others:
        link = Relation(hub, other, "used_for", frozenset())
        hub.relations.append(link)
        other.relations.append(link)

    drawing = draw([hub, *others], hub)

    spots = [edge.text_at for edge in drawing.edges if edge.text_at]
    assert len(spots) >= 10
    half, high = 11 * len("is used for") * 0.5 / 2, 11
    for place, (x, y) in enumerate(spots):
        for node in drawing.nodes:
            assert abs(node.x - x) >= half or not node.y - high < y < node.y + node.radius
        for x2, y2 in spots[:place]:
            assert abs(x - x2) >= 2 * half or abs(y - y2) >= high


def test_an_empty_graph_is_an_empty_picture():
    assert draw([]).nodes == []
    assert len(draw([Concept(1, "limit", 0.0, {}, (0.0, 0.0))]).nodes) == 1
