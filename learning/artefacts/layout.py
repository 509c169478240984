"""Where the concepts of a knowledge graph stand in its picture.

`arrange` looks at who is related to whom, once, when a graph has been made. `spread` makes room for
the labels of those that a page draws, each time: with a chapter chosen that is a handful of them.
Both give the same for the same.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 1000.0, 700.0  # the box of `arrange`; pictures have its proportions
SEED = 7
PIECE_MARGIN = 0.12  # of a piece's side
GAP = 12.0  # between two labels
STEP = 20.0  # between the places that a label may take
AT_ONCE = 64
# How much larger than all labels together a picture is, for a start: the lines need room too.
ROOM = 3.0
NARROWEST = 520.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A box that begins at (0, 0), and the middles of the labels in it, in the order given."""

    width: float
    height: float
    middles: list[tuple[float, float]]


def arrange(
    nodes: Sequence[Hashable], edges: Iterable[tuple[Hashable, Hashable, float]]
) -> dict[Hashable, tuple[float, float]]:
    """Place nodes near those they are joined to, in a box of WIDTH × HEIGHT.

    What hangs together is laid out by itself, by springs (Fruchterman and Reingold 1991), and the
    pieces are set side by side in rows, the largest first. An edge is (from, to, strength).
    """
    if not nodes:
        return {}
    # 0.2 s, and only a worker needs it.
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(nodes)
    for source, target, strength in edges:
        graph.add_edge(source, target, weight=1 + math.log1p(strength))
    order = {node: place for place, node in enumerate(nodes)}
    pieces = [
        sorted(piece, key=order.__getitem__) for piece in networkx.connected_components(graph)
    ]
    pieces.sort(key=lambda piece: (-len(piece), order[piece[0]]))

    row_width = 1.1 * math.sqrt(len(nodes) * WIDTH / HEIGHT)
    placed: dict[Hashable, tuple[float, float]] = {}
    x = y = row_height = 0.0
    for piece in pieces:
        side = math.sqrt(len(piece))
        if x and x + side > row_width:
            x, y, row_height = 0.0, y + row_height, 0.0
        alone = networkx.Graph()
        alone.add_nodes_from(piece)  # the layout depends on their order
        alone.add_edges_from(graph.subgraph(piece).edges(data=True))
        springs = networkx.spring_layout(alone, iterations=200, seed=SEED)
        shares = PIECE_MARGIN + (1 - 2 * PIECE_MARGIN) * _shares([springs[node] for node in piece])
        for node, share in zip(piece, shares, strict=True):
            placed[node] = (x + side * share[0], y + side * share[1])
        x, row_height = x + side, max(row_height, side)

    places = _shares([placed[node] for node in nodes]) * (WIDTH, HEIGHT)
    return {node: (float(x), float(y)) for node, (x, y) in zip(nodes, places, strict=True)}


def spread(points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]]) -> Picture:
    """Give labels of these sizes a place each where none overlaps another, the first ones first.

    `points` are where they would stand, by any measure: they are scaled to the picture. Each label
    takes the free place nearest to its point; where there is none, the picture grows.
    """
    if not points:
        return Picture(NARROWEST, NARROWEST * HEIGHT / WIDTH, [])
    labels = np.array(sizes, dtype=float) + GAP
    # Halfway to even: springs leave much in the middle and little at the edges.
    shares = (_shares(points) + _shares(_ranks(points))) / 2
    width = max(
        NARROWEST,
        math.sqrt(ROOM * float(labels.prod(axis=1).sum()) * WIDTH / HEIGHT),
        float(labels[:, 0].max()),
        float(labels[:, 1].max()) * WIDTH / HEIGHT,
    )
    while True:
        box = np.array([width, width * HEIGHT / WIDTH])
        middles = _free_places(labels / 2 + shares * (box - labels), labels, box)
        if middles is not None:
            return Picture(*map(float, box), [(float(x), float(y)) for x, y in middles])
        width *= 1.1


def _shares(points: Sequence[tuple[float, float]]) -> np.ndarray:
    """Scale points to 0…1 on both axes; where they have no extent, to the middle."""
    at = np.array(points, dtype=float)
    low, extent = at.min(axis=0), np.ptp(at, axis=0)
    return np.where(extent > 0, (at - low) / np.where(extent > 0, extent, 1), 0.5)


def _ranks(points: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return the place of every point in the order of each axis; the same for equal ones."""
    axes = np.array(points, dtype=float).T
    return np.stack([np.unique(axis, return_inverse=True)[1] for axis in axes], axis=1)


def _free_places(wanted: np.ndarray, labels: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """Return places in the box where no two labels overlap; None where one finds no place."""
    across, down = (np.arange(STEP / 2, side, STEP) for side in box)
    places = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    taken = np.empty_like(wanted)
    for each, (point, label) in enumerate(zip(wanted, labels, strict=True)):
        needed = (labels[:each] + label) / 2
        inside = places[((places >= label / 2) & (places <= box - label / 2)).all(axis=1)]
        by_distance = np.argsort(((inside - point) ** 2).sum(axis=1), kind="stable")
        candidates = np.concatenate([point[None], inside[by_distance]])
        for first in range(0, len(candidates), AT_ONCE):
            some = candidates[first : first + AT_ONCE]
            apart = np.abs(some[:, None] - taken[None, :each])
            is_free = (apart >= needed).any(axis=2).all(axis=1)
            if is_free.any():
                taken[each] = some[is_free.argmax()]
                break
        else:
            return None
    return taken
