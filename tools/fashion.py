"""Make src/wiring/data/sources/fashion.npz: part of Fashion-MNIST's test set, shrunk to 7x7.

    python tools/fashion.py FOLDER

FOLDER holds `t10k-images-idx3-ubyte.gz` and `t10k-labels-idx1-ubyte.gz` of
https://github.com/zalandoresearch/fashion-mnist (also in Debian's package dataset-fashion-mnist).
The first 200 images of each class are kept, in their order, each pixel the mean of 4x4.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

FILES = {
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
PER_CLASS, BLOCK = 200, 4
OUT = Path(__file__).parents[1] / "src/wiring/data/sources/fashion.npz"


def read(path: Path, digest: str) -> np.ndarray:
    """An array in IDX format, from a file that must have this SHA-256."""
    packed = path.read_bytes()
    found = hashlib.sha256(packed).hexdigest()
    if found != digest:
        raise SystemExit(f"{path}: SHA-256 is {found}, expected {digest}")
    content = gzip.decompress(packed)
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def main(folder: Path) -> None:
    """Write the file."""
    images, labels = (read(folder / name, digest) for name, digest in FILES.items())
    rank = np.zeros(len(labels), np.int64)
    for label in range(10):
        members = labels == label
        rank[members] = np.arange(members.sum())
    kept = rank < PER_CLASS
    side = images.shape[1] // BLOCK
    blocks = images[kept].reshape(-1, side, BLOCK, side, BLOCK)
    small = np.rint(blocks.mean((2, 4))).astype(np.uint8)
    np.savez_compressed(OUT, images=small, labels=labels[kept])
    print(f"{OUT}: {small.shape}, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
