"""Draws a witness: its transactions as boxes, its dependencies as arrows.

As DOT, for those who have graphviz; and as SVG without it: the boxes stand around a ring in the
order of the cycle, an arrow goes from each to the next, with its kind and what shows it. More than
a cycle needs no layout, and a witness is a cycle or a few transactions beside each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

from properties.isolation.edn import to_edn
from properties.isolation.explaining import names_of, shown
from properties.isolation.transactions import Transaction
from properties.isolation.witnesses import Edge, Witness

COLOURS: Final = {
    "ww": "#b3362c",
    "wr": "#1f6f4a",
    "rw": "#2b5c9e",
    "process": "#7a6a2f",
    "realtime": "#666666",
}
CHARACTER_WIDTH: Final = 7.3
"""Of 12-pixel monospace."""
LINE_HEIGHT: Final = 17
PADDING: Final = 10
MARGIN: Final = 44
"""Around everything; arrows bend into it."""
GAP: Final = 110
"""Between two boxes, for an arrow and its label."""
LONGEST_LINE: Final = 64
LONGEST_LIST: Final = 12


class _Box(NamedTuple):
    """A transaction: its lines, and where it stands (middle and size, in pixels)."""

    lines: list[str]
    x: float
    y: float
    width: float
    height: float


def to_dot(witness: Witness, transactions: Sequence[Transaction]) -> str:
    """The witness as a graph for graphviz."""
    names = names_of(witness)
    lines = [f"digraph {_quoted(witness.anomaly)} {{"]
    lines.append('  node [shape=box, fontname="monospace"];')
    lines.append('  edge [fontname="sans-serif"];')
    for number, name in names.items():
        label = "\n".join(_lines_of(name, transactions[number]))
        lines.append(f"  {name} [label={_quoted(label)}];")
    for edge in witness.edges:
        colour = COLOURS[edge.kind]
        lines.append(
            f"  {names[edge.source]} -> {names[edge.target]} [label={_quoted(label_of(edge))},"
            f' color="{colour}", fontcolor="{colour}"];'
        )
    return "\n".join([*lines, "}", ""])


def to_svg(witness: Witness, transactions: Sequence[Transaction]) -> str:
    """The witness as a picture that any browser shows."""
    names = names_of(witness)
    boxes = _ring([_lines_of(name, transactions[number]) for number, name in names.items()])
    place = {number: boxes[i] for i, number in enumerate(names)}
    width = max((box.x + box.width / 2 for box in boxes), default=0) + MARGIN
    height = max((box.y + box.height / 2 for box in boxes), default=0) + MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="monospace" font-size="12">',
        f"<title>{escape(witness.anomaly)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        "<defs>",
        *(
            f'<marker id="{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
            f' markerHeight="8" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z"'
            f' fill="{colour}"/></marker>'
            for kind, colour in COLOURS.items()
        ),
        "</defs>",
        *(_box(box) for box in boxes),
        *(_arrow(edge, place[edge.source], place[edge.target]) for edge in witness.edges),
        "</svg>",
    ]
    return "\n".join([*parts, ""])


def label_of(edge: Edge) -> str:
    """The kind of a dependency, and what shows it: `rw 5: 2, 3`."""
    if edge.kind in ("process", "realtime"):
        return edge.kind
    values = ", ".join("nothing" if value is None else to_edn(value) for value in edge.values)
    return f"{edge.kind} {to_edn(edge.key)}: {values}"


def _lines_of(name: str, transaction: Transaction) -> list[str]:
    """Who, and one line per operation."""
    end = "" if transaction.completed is None else str(transaction.completed)
    where = f"{transaction.invoked}..{end}"
    lines = [f"{name}  process {to_edn(transaction.process)}  {where}  {transaction.status}"]
    for op in transaction.ops:
        line = f"{op.f} {to_edn(op.key)} {shown(op.value, LONGEST_LIST)}"
        lines.append(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 3] + "...")
    return lines


def _quoted(text: str) -> str:
    """A string of DOT."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\l")
    return f'"{escaped}\\l"' if "\n" in text else f'"{escaped}"'


def _ring(contents: list[list[str]]) -> list[_Box]:
    """Boxes around an ellipse that is wide enough for them; two stand beside each other."""
    sizes = [
        (max(map(len, lines)) * CHARACTER_WIDTH + 2 * PADDING, len(lines) * LINE_HEIGHT + PADDING)
        for lines in contents
    ]
    if not sizes:
        return []
    count = len(sizes)
    widest = max(width for width, _ in sizes)
    highest = max(height for _, height in sizes)
    chord = 2 * math.sin(math.pi / count) if count > 1 else 1
    across = (widest + GAP) / chord if count > 1 else 0
    down = (highest + GAP) / chord if count > 2 else 0
    begin = -math.pi / 2 if count > 2 else -math.pi
    middles = [
        (across * math.cos(begin + turn), down * math.sin(begin + turn))
        for turn in (2 * math.pi * i / count for i in range(count))
    ]
    left = min(x - width / 2 for (x, _), (width, _) in zip(middles, sizes, strict=True))
    top = min(y - height / 2 for (_, y), (_, height) in zip(middles, sizes, strict=True))
    return [
        _Box(lines, x - left + MARGIN, y - top + MARGIN, *size)
        for lines, (x, y), size in zip(contents, middles, sizes, strict=True)
    ]


def _box(box: _Box) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    weights = ["bold", *["normal"] * (len(box.lines) - 1)]
    lines = "".join(
        f'<text x="{left + PADDING:.1f}" y="{top + LINE_HEIGHT * (i + 1) - 2:.1f}"'
        f' font-weight="{weight}" xml:space="preserve">{escape(line)}</text>'
        for i, (weight, line) in enumerate(zip(weights, box.lines, strict=True))
    )
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        f' rx="4" fill="#f7f7f4" stroke="#444444"/>{lines}'
    )


def _arrow(edge: Edge, source: _Box, target: _Box) -> str:
    """From border to border, bent to the left of its direction, so that two that go to and fro
    between the same boxes do not lie on each other.
    """
    length = math.hypot(target.x - source.x, target.y - source.y) or 1
    left_x, left_y = (target.y - source.y) / length, (source.x - target.x) / length
    bend = min(60, length / 5)
    bent_x = (source.x + target.x) / 2 + left_x * bend
    bent_y = (source.y + target.y) / 2 + left_y * bend
    from_x, from_y = _border(source, bent_x, bent_y)
    to_x, to_y = _border(target, bent_x, bent_y)
    label_x, label_y = (from_x + to_x) / 4 + bent_x / 2, (from_y + to_y) / 4 + bent_y / 2
    colour = COLOURS[edge.kind]
    return (
        f'<path d="M{from_x:.1f} {from_y:.1f}Q{bent_x:.1f} {bent_y:.1f} {to_x:.1f} {to_y:.1f}"'
        f' fill="none" stroke="{colour}" stroke-width="1.5" marker-end="url(#{edge.kind})"/>'
        f'<text x="{label_x:.1f}" y="{label_y:.1f}" text-anchor="middle" fill="{colour}"'
        f' stroke="white" stroke-width="4" paint-order="stroke">{escape(label_of(edge))}</text>'
    )


def _border(box: _Box, x: float, y: float) -> tuple[float, float]:
    """Where the line from the middle of the box to the point leaves the box."""
    across, down = x - box.x, y - box.y
    shares = [
        half / abs(way)
        for half, way in ((box.width / 2, across), (box.height / 2, down))
        if abs(way) > 1e-9
    ]
    share = min([1.0, *shares])
    return box.x + across * share, box.y + down * share
