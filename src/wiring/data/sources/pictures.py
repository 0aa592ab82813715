"""PNG and JPEG pictures as arrays."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from wiring.data.sources.source import VALUES
from wiring.errors import InputError

Shape = tuple[int, int, int]
"""Channels, height, width."""
FORMATS = ("PNG", "JPEG")
GRAY, COLOUR = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")
"""Pillow's names for pictures of 8 bits a channel; opacity is left out."""


def shape_of(picture: Path | bytes, where: str) -> Shape:
    """Channels, height, width of a picture, from its head alone.

    Raises:
        InputError: it is not a picture that :func:`pixels` reads.
    """
    with _opened(picture, where) as image:
        return _shape(image, where)


def pixels(picture: Path | bytes, where: str, shape: Shape) -> npt.NDArray[np.uint8]:
    """The pixels of a picture, uint8 (channels, height, width).

    Args:
        picture: a file, or what one holds.
        where: its file and row, for messages.
        shape: what is expected; a gray picture among coloured ones is taken, each channel alike.

    Raises:
        InputError: it is damaged or of another shape.
    """
    with _opened(picture, where) as image:
        found = _shape(image, where)
        if found[1:] != shape[1:] or found[0] > shape[0]:
            raise InputError(f"{where}: is {_words(found)}, expected {_words(shape)} as the first")
        try:
            whole = np.asarray(image.convert("L" if shape[0] == 1 else "RGB"))
        except Exception as error:  # a foreign picture can raise anything
            raise InputError(f"{where}: damaged: {_said(error)}") from None
    return whole.reshape(*shape[1:], shape[0]).transpose(2, 0, 1)


def _opened(picture: Path | bytes, where: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes, which are bounded here
            source = io.BytesIO(picture) if isinstance(picture, bytes) else picture
            return Image.open(source, formats=FORMATS)
    except Exception as error:  # as above
        raise InputError(  # without the address of what was read, which Pillow says in brackets
            f"{where}: not a PNG or JPEG picture: {_said(error).partition(' <')[0]}"
        ) from None


def _shape(image: Image.Image, where: str) -> Shape:
    mode, (width, height) = image.mode, image.size
    if mode not in {*GRAY, *COLOUR}:
        raise InputError(f"{where}: pixels are of mode {mode}, expected 8 bits a channel")
    channels = 1 if mode in GRAY else 3
    if channels * width * height > VALUES:
        raise InputError(f"{where}: {width} x {height} pixels, expected at most {VALUES} values")
    return channels, height, width


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _words(shape: Shape) -> str:
    channels, height, width = shape
    return f"{'gray' if channels == 1 else 'in colour'}, {height} x {width}"
