"""What stands in a page for a figure: a link to the file beside it, or the figure itself."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

from wiring.errors import InputError

_METADATA = re.compile(r"<metadata>.*?</metadata>|<\?xml[^>]*>|<!DOCTYPE[^>]*>", re.DOTALL)
_COORDINATES = re.compile(r'(?<= )(?:d|x|y)="[^"]*"')
_FINE = re.compile(r"-?\d+\.\d{3,}(?!e|\d)")
# What may stand in a double-quoted attribute as it is; `#` and `%` mean something in a URI.
_PLAIN = " !$'()*+,-./:;=?@[]^_`{|}~"


def source(figure: Path, page: Path, standalone: bool) -> str:
    """The `src` of an image, as it may stand in a double-quoted attribute.

    Args:
        figure: an SVG or a GIF.
        page: the HTML file that shows it.
        standalone: whether the page holds the figure. Else it links to it, relatively: both can be
            moved together.

    Raises:
        OSError: the figure cannot be read.
        InputError: it is to be held, and neither SVG nor GIF.
    """
    if standalone:
        return data_uri(figure)
    figure.stat()  # a page does not link to what is missing
    return quote(Path(os.path.relpath(figure, page.parent)).as_posix())


def data_uri(path: Path) -> str:
    """A figure's content as a URI.

    Args:
        path: an SVG or a GIF.

    Raises:
        OSError: it cannot be read.
        InputError: it is neither.
    """
    if path.suffix == ".svg":
        text = shrink(path.read_text(encoding="utf-8"))
        return f"data:image/svg+xml,{quote(text, safe=_PLAIN)}"
    if path.suffix == ".gif":
        return f"data:image/gif;base64,{b64encode(path.read_bytes()).decode()}"
    raise InputError(f"{path}: is neither SVG nor GIF, expected one of them")


def shrink(svg: str) -> str:
    """A smaller SVG that looks the same: coordinates to 0.01 point, no metadata, no indentation."""
    svg = _METADATA.sub("", svg)
    svg = _COORDINATES.sub(lambda found: _FINE.sub(_short, found[0]), svg)
    return re.sub(r"\s+", " ", svg).replace("> <", "><").replace('"', "'").strip()


def _short(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
