"""Figures as small SVG files that look as matplotlib's own: equal figures give equal bytes."""

from __future__ import annotations

import re
from io import BytesIO
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from wiring.figures.course import Array

POINTS = 6000
"""Vertices that the curves of a figure may have; about 7 bytes each."""
_PIXEL = 0.12
"""Points: what a vertex must stand off its neighbours' chord to be seen."""
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_FINE = re.compile(r"-?\d*\.\d{3,}(?!\d|e)")
_SPACE = re.compile(r"\s*([MLCQz ])\s*")
_DEFAULTS = {("stroke-linejoin", "miter"), ("text-anchor", "start"), ("stroke-dashoffset", "0")}
_FONT = "'DejaVu Sans', Verdana, 'Bitstream Vera Sans', sans-serif"


def save(figure: Figure, path: Path) -> None:
    """Save as SVG, text as text, without a date and without what a pixel cannot show."""
    file = BytesIO()
    # Not by savefig, which draws figures with a layout engine twice.
    canvas = FigureCanvasSVG(figure)
    canvas.print_svg(file, metadata={"Date": None})  # type: ignore[no-untyped-call]
    path.write_text(compact(file.getvalue().decode()), encoding="utf-8")


def compact(svg: str) -> str:
    """A smaller SVG that looks the same.

    Curves lose the vertices that lie on their neighbours' chord, numbers digits below 0.01 point
    (vertices of curves below 0.1), groups without a meaning go, and equal styles are said once.

    Args:
        svg: as matplotlib writes it.
    """
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in [each for each in parent if each.tag.endswith("metadata")]:
            parent.remove(child)
    _unwrap(root)
    _thin(root)
    classes: dict[str, str] = {}
    identities: dict[str, str] = {}
    for element in root.iter():
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
        if (style := element.attrib.pop("style", None)) is not None:
            style = _style(style)
            if style:
                element.set("class", classes.setdefault(style, f"c{len(classes)}"))
        if (found := element.get("id")) is not None:
            element.set("id", identities.setdefault(found, f"i{len(identities)}"))
        for name in ("x", "y", "d", "transform", "width", "height", "viewBox"):
            if (value := element.get(name)) is not None:
                element.set(name, _SPACE.sub(r"\1", _FINE.sub(_short, value)).strip())
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
    _refer(root, identities)
    _together(root)
    sheet = root.find(f".//{{{_SVG}}}style")
    assert sheet is not None
    rules = "".join(f".{name}{{{style}}}" for style, name in classes.items())
    sheet.text = f"{(sheet.text or '').strip()}text{{font-family:{_FONT}}}{rules}"
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _unwrap(parent: ElementTree.Element) -> None:
    """Replace groups that carry nothing but a name by what they hold."""
    for child in list(parent):
        _unwrap(child)
        if child.tag == f"{{{_SVG}}}g" and not set(child.attrib) - {"id"}:
            place = list(parent).index(child)
            parent.remove(child)
            for grandchild in reversed(list(child)):
                parent.insert(place, grandchild)


def _style(style: str) -> str:
    """A style without what is the default anyway."""
    said = [part.strip().split(": ", 1) for part in style.split(";") if part.strip()]
    return ";".join(
        f"{name}:{_FINE.sub(_short, value)}"
        for name, value in said
        if name != "font-family" and (name, value) not in _DEFAULTS
    )


def _together(parent: ElementTree.Element) -> None:
    """Say the class of neighbours of one kind once, on a group."""
    for child in parent:
        _together(child)
    kinds = groupby(list(parent), key=lambda each: (each.tag, each.get("class")))
    for (tag, name), found in kinds:
        alike = list(found)
        if name is None or len(alike) < 3 or tag == f"{{{_SVG}}}g":
            continue
        group = ElementTree.Element(f"{{{_SVG}}}g", {"class": name})
        parent.insert(list(parent).index(alike[0]), group)
        for each in alike:
            parent.remove(each)
            del each.attrib["class"]
            group.append(each)


def _refer(root: ElementTree.Element, identities: dict[str, str]) -> None:
    """Give what is referred to its new name; names that nothing refers to go."""
    used = set()
    for element in root.iter():
        for name in (f"{{{_XLINK}}}href", "clip-path"):
            if (value := element.get(name)) is not None:
                found = value.removeprefix("url(").removesuffix(")").removeprefix("#")
                element.set(name, value.replace(found, identities[found]))
                used.add(identities[found])
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)


def _thin(root: ElementTree.Element) -> None:
    """Drop vertices of curves, with a tolerance that rises until few enough are left."""
    curves = []
    for element in root.iter(f"{{{_SVG}}}path"):
        path = element.get("d", "")
        # Straight lines only: a marker's curves are few, and shared.
        if len(path) > 400 and not re.search("[QC]", path):
            curves.append((element, "z" in path, _pieces(path)))
    if not curves:
        return
    points = np.concatenate([piece for _, _, pieces in curves for piece in pieces])
    lengths = [len(piece) for _, _, pieces in curves for piece in pieces]
    kept = _chosen(points, np.repeat(np.arange(len(lengths)), lengths), _PIXEL)
    tolerance = _PIXEL
    while kept.sum() > POINTS and tolerance < 3:
        tolerance *= 1.3
        kept = _chosen(points, np.repeat(np.arange(len(lengths)), lengths), tolerance)
    ends = np.cumsum(lengths)
    place = 0
    for element, closed, pieces in curves:
        texts = []
        for _ in pieces:
            chosen = slice(ends[place] - lengths[place], ends[place])
            texts.append(_written(points[chosen][kept[chosen]]) + ("z" if closed else ""))
            place += 1
        element.set("d", "".join(texts))


def _pieces(path: str) -> list[Array]:
    """The vertices of each part of a path of straight lines, shape (points, 2)."""
    plain = path.replace("L", " ").replace("z", " ")
    return [
        np.array(piece.split(), dtype=np.float64).reshape(-1, 2) for piece in plain.split("M")[1:]
    ]


def _chosen(points: Array, piece: Array, tolerance: float) -> Array:
    """Which vertices stay: in turns, every other one that lies on its neighbours' chord goes."""
    left = np.arange(len(points))
    for turn in range(12):
        x, y = points[left].T
        part = piece[left]
        inner = np.zeros(len(left), dtype=bool)
        inner[1:-1] = (part[1:-1] == part[:-2]) & (part[1:-1] == part[2:])
        inner[turn % 2 :: 2] = False
        before, at, after = (np.flatnonzero(inner) + step for step in (-1, 0, 1))
        along, up = x[after] - x[before], y[after] - y[before]
        length = np.hypot(along, up)
        off = np.abs(along * (y[at] - y[before]) - up * (x[at] - x[before]))
        # Neighbours at one place: a spike, as far off as it is long.
        spike = np.hypot(x[at] - x[before], y[at] - y[before])
        off = np.where(length > 0, off / np.where(length > 0, length, 1), spike)
        drop = at[off < tolerance]
        if turn > 1 and not drop.size:
            break
        left = np.delete(left, drop)
    kept = np.zeros(len(points), dtype=bool)
    kept[left] = True
    return kept


def _written(points: Array) -> str:
    """A part of a path in tenths of a point, each vertex relative to the one before."""
    tenths = np.rint(points * 10).astype(np.int64)
    steps = np.diff(tenths, axis=0)
    steps = steps[np.any(steps != 0, axis=1)]
    first = f"M{tenths[0, 0] / 10:g} {tenths[0, 1] / 10:g}"
    if not len(steps):
        return f"{first}l0 0"
    texts = [_tenth(number) for number in steps.ravel().tolist()]
    joined = "".join(text if text[0] == "-" else f" {text}" for text in texts)
    return f"{first}l{joined.lstrip()}"


def _tenth(number: int) -> str:
    whole, part = divmod(abs(number), 10)
    text = f"{whole or ''}.{part}" if part else str(whole)
    return f"-{text}" if number < 0 else text


def _short(number: re.Match[str]) -> str:
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
