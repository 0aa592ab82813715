"""Labels as a file has them: any whole numbers or texts, one a class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wiring.errors import InputError

CLASSES = 2**16
"""The most classes."""


def classes_of(labels: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    """The classes of a training set: the distinct labels, in their order.

    Args:
        labels: (n,), whole numbers or texts.
        where: the file and the part of it, for messages.

    Raises:
        InputError: they are something else, or are of a single class.
    """
    if labels.dtype.kind not in "iuU":
        raise InputError(f"{where}: labels are {labels.dtype}, expected whole numbers or texts")
    found: npt.NDArray[Any] = np.unique(labels)
    if not 2 <= len(found) <= CLASSES:
        raise InputError(f"{where}: labels are of {len(found)} classes, expected 2 to {CLASSES}")
    return found


def numbered(
    labels: npt.NDArray[Any], classes: npt.NDArray[Any], where: str
) -> npt.NDArray[np.int64]:
    """Labels as positions among the classes.

    Raises:
        InputError: a label is not among them; names its row.
    """
    if labels.dtype.kind not in "iuU" or (labels.dtype.kind == "U") != (classes.dtype.kind == "U"):
        raise InputError(f"{where}: labels are {labels.dtype}, expected {classes.dtype}")
    places = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    wrong = np.flatnonzero(classes[places] != labels)
    if len(wrong):
        raise InputError(
            f"{where}: row {wrong[0]}: the label is {labels[wrong[0]]}, which no training sample "
            "has"
        )
    return places.astype(np.int64)
