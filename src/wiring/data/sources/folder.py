"""Pictures in folders: a folder a class."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, ClassVar, Literal

from wiring.data.sources.source import Content, Facts, Samples, Source
from wiring.errors import InputError

ENDINGS = (".png", ".jpg", ".jpeg")


class Folder(Source):
    """PNG or JPEG pictures in a folder a class; `train/` and `test/` above them, or neither.

    The classes are the folders' names in the order of the alphabet. All pictures have the size of
    the first; hidden files are passed over, and any other file is a fault.
    """

    takes: ClassVar[Literal["must", "may", "no"]] = "must"
    tested: ClassVar[bool | None] = None

    def facts(self) -> Facts:
        """By the names of the files, and the head of the first."""
        from wiring.data.sources.pictures import shape_of

        classes, train, test = self._listed()
        first = train[0][0]
        shape = shape_of(Path(first), first)
        return Facts(len(train), len(classes), len(test or ()), shape)

    def read(self, cache: Path) -> Content:  # noqa: ARG002
        """All pictures, class by class, each class in the order of its files' names."""
        import numpy as np

        from wiring.data.sources.pictures import pixels, shape_of

        classes, train, test = self._listed()
        shape = shape_of(Path(train[0][0]), train[0][0])
        digest = hashlib.sha256()

        def samples(listed: list[tuple[str, int]]) -> Samples:
            images = np.empty((len(listed), *shape), np.uint8)
            for row, (path, label) in enumerate(listed):
                try:
                    content = Path(path).read_bytes()
                except OSError as error:
                    raise InputError(f"{path}: cannot be read: {error.strerror}") from None
                images[row] = pixels(content, path, shape)
                name = Path(path).relative_to(self.root).as_posix()
                digest.update(f"{name}\0{label}\0{len(content)}\0".encode() + content)
            return Samples(images, np.array([label for _, label in listed], np.int64))

        train_samples = samples(train)
        test_samples = None if test is None else samples(test)
        origin: dict[str, Any] = {"pictures_sha256": digest.hexdigest()}
        return Content(train_samples, test_samples, classes, origin)

    @property
    def root(self) -> Path:
        """The folder that the dataset names."""
        assert self.path is not None  # the config requires it
        return self.path

    def _listed(
        self,
    ) -> tuple[tuple[str, ...], list[tuple[str, int]], list[tuple[str, int]] | None]:
        """The classes, and path and label of each picture of the training and the test set."""
        if not self.root.is_dir():
            raise InputError(f"{self.root}: no such folder, expected one that holds pictures")
        above = _folders(self.root)
        if set(above) == {"train", "test"}:
            train, test = _folders(above["train"]), _folders(above["test"])
        else:
            train, test = above, {}
            for name in ("train", "test"):
                if name in above and any(_folders(above[name])):
                    raise InputError(
                        f"{self.root}: expected train and test there and no other folder, or a "
                        f"folder a class, found {', '.join(above)}"
                    )
        if len(train) < 2:
            raise InputError(
                f"{self.root}: has folders of {len(train)} classes, expected at least 2"
            )
        for name in test:
            if name not in train:
                raise InputError(f"{test[name]}: a class that the training set has not")
        classes = tuple(train)
        return classes, _pictures(train, classes), _pictures(test, classes) if test else None


def _visible(path: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, by name; of many pictures a Path each would take its time."""
    with os.scandir(path) as entries:
        found = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(found, key=lambda entry: entry.name)


def _folders(path: Path) -> dict[str, Path]:
    found = {}
    for entry in _visible(path):
        if not entry.is_dir():
            raise InputError(f"{entry.path}: is a file, expected folders of pictures only")
        found[entry.name] = path / entry.name
    return found


def _pictures(folders: dict[str, Path], classes: tuple[str, ...]) -> list[tuple[str, int]]:
    found = []
    for name, folder in folders.items():
        here = _visible(folder)
        for entry in here:
            if not entry.name.lower().endswith(ENDINGS):
                raise InputError(f"{entry.path}: expected a picture, {', '.join(ENDINGS)}")
        if not here:
            raise InputError(f"{folder}: holds no picture, expected some of each class")
        label = classes.index(name)
        found += [(entry.path, label) for entry in here]
    return found
