"""Sources of data: what each gives, and that bad files end in a sentence with file and row."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from sklearn.datasets import load_digits

from tests.foreign import Live, complaint
from tests.test_data import batch, pack
from wiring.config import DatasetConfig, SearchConfig, plugins
from wiring.data.dataset import load
from wiring.data.prepare import _shrunk, prepare
from wiring.data.sources import cifar, fashion_mnist
from wiring.data.sources.source import Content, Source
from wiring.data.split import check_dataset, open_source
from wiring.errors import InputError
from wiring.search import Search


def read(tmp_path: Path, **config: Any) -> Content:
    """What a source gives, which must be what it said that it would be."""
    return kept(open_source(DatasetConfig(**config)), tmp_path)


def both(config: DatasetConfig) -> None:
    """Ask a source for its facts, then for its data."""
    open_source(config).facts()
    open_source(config).read(Path("unused"))


def kept(source: Source, cache: Path) -> Content:
    facts, content = source.facts(), source.read(cache)
    for samples in (content.train, content.test):
        if samples is not None:
            assert samples.images.dtype == np.uint8
            assert samples.images.shape[1:] == facts.shape
            assert samples.labels.dtype == np.int64
            assert samples.labels.shape == samples.images.shape[:1]
            assert set(samples.labels.tolist()) <= set(range(facts.classes))
    assert facts.samples == len(content.train.labels)
    assert facts.test_samples == (0 if content.test is None else len(content.test.labels))
    assert facts.classes == len(content.classes)
    assert str(cache) not in json.dumps(content.origin)
    return content


def test_built_in_sources_need_no_torch_and_keep_what_they_say(tmp_path: Path) -> None:
    assert set(plugins.built_in(plugins.SOURCES)) == {
        *("arrays", "cifar10", "cifar100", "digit-pairs"),
        *("digits", "fashion", "fashion-mnist", "folder"),
    }
    for name in plugins.built_in(plugins.SOURCES):
        assert plugins.fault(plugins.SOURCES, name) is None
    for name in ("digits", "fashion"):
        read(tmp_path, source=name, test_fraction=0.2)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"source": "digits", "path": "x", "test_fraction": 0.2}, "path: digits reads no file"),
        ({"source": "arrays", "test_fraction": 0.2}, "path: arrays reads a file or folder"),
        ({"source": "cifar100", "test_fraction": 0.2}, "cifar100 has its own test set"),
        ({"source": "digits"}, "digits has no test set of its own: give test_fraction"),
        ({"source": "digits", "test_fraction": 0.2, "settings": {"x": 1}}, "settings.x\n"),
        ({"source": "digit-pairs", "settings": {"train": 1}}, "settings.train\n"),
        ({"source": "enas"}, "unknown source, expected one of arrays, cifar10, "),
    ],
)
def test_a_dataset_takes_what_its_source_takes(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DatasetConfig.model_validate(config)


# Shrinking


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.data())
def test_a_shrunk_pixel_is_the_mean_of_its_block(
    block: int, channels: int, height: int, width: int, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 2**16))
    size = (2, channels, height * block, width * block)
    images = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    small = _shrunk(images, block)
    for n, c, y, x in product(range(2), range(channels), range(height), range(width)):
        part = images[n, c, y * block : (y + 1) * block, x * block : (x + 1) * block]
        assert small[n, c, y, x] == round(sum(part.ravel().tolist()) / block**2)


def test_shrink_is_a_divisor_and_told_in_the_manifest(tmp_path: Path) -> None:
    config = DatasetConfig(source="digits", test_fraction=0.2, shrink=2)
    prepare(config, tmp_path / "d", tmp_path)
    assert load(tmp_path / "d").train_images.shape[1:] == (1, 4, 4)
    assert load(tmp_path / "d").manifest["config"]["shrink"] == 2
    with pytest.raises(InputError, match=r"datasets\.d\.shrink: 8 x 8 pixels have no blocks of 3"):
        prepare(config.model_copy(update={"shrink": 3}), tmp_path / "d", tmp_path)


# Digit pairs


@pytest.mark.parametrize(("digits", "layout"), [*product((2, 3), ("side", "channels"))])
def test_a_pairs_label_is_the_sum_of_its_digits_and_test_digits_are_others(
    tmp_path: Path, digits: int, layout: str
) -> None:
    chosen = {"digits": digits, "layout": layout, "train": 400, "test": 200, "seed": 3}
    found = read(tmp_path, source="digit-pairs", settings=chosen)
    bunch = load_digits()
    known: dict[bytes, set[int]] = {}
    for image, label in zip(bunch.images, bunch.target, strict=True):
        pixels = np.rint(image * 255 / 16).astype(np.uint8)
        known.setdefault(pixels.tobytes(), set()).add(int(label))
    seen: list[set[bytes]] = []
    assert found.test is not None
    for samples in (found.train, found.test):
        images = samples.images
        if layout == "side":
            parts = images[:, 0].reshape(-1, 8, digits, 8).transpose(0, 2, 1, 3)
        else:
            parts = images
        seen.append({part.tobytes() for image in parts for part in image})
        for image, label in zip(parts, samples.labels, strict=True):
            sums = {sum(way) % 10 for way in product(*(known[part.tobytes()] for part in image))}
            assert label in sums
        assert np.bincount(samples.labels, minlength=10).min() > 0
    assert not seen[0] & seen[1]


def test_pairs_follow_their_seed_and_are_hard(tmp_path: Path) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    one, again = (read(tmp_path, source="digit-pairs") for _ in range(2))
    other = read(tmp_path, source="digit-pairs", settings={"seed": 1})
    assert np.array_equal(one.train.images, again.train.images)
    assert not np.array_equal(one.train.images, other.train.images)
    assert one.test is not None
    neighbours = KNeighborsClassifier(1).fit(one.train.images.reshape(4000, -1), one.train.labels)
    score = neighbours.score(one.test.images.reshape(1000, -1), one.test.labels)
    assert 0.1 < score < 0.9, score  # of single digits it knows 0.98


# Published sets


def test_cifar100_reads_its_own_layout(tmp_path: Path) -> None:
    """One member a set, of other lengths, and labels by another name."""
    rng = np.random.default_rng(0)
    counts = {"cifar-100-python/train": 60, "cifar-100-python/test": 20}
    images = {name: rng.integers(0, 256, (n, 60), np.uint8) for name, n in counts.items()}
    labels = {name: [int(k) for k in np.arange(n) % 3] for name, n in counts.items()}
    members = {
        name: batch(images[name], labels[name]).replace(b"U\x06labels", b"U\x0bfine_labels")
        for name in counts
    }
    data = pack(members)
    archive = cifar.Archive(
        **{
            **vars(cifar.CIFAR100),
            "sha256": hashlib.sha256(data).hexdigest(),
            "batch": 60,
            "test_batch": 20,
            "classes": 3,
            "shape": (3, 4, 5),
        }
    )
    copy = tmp_path / "cifar-100-python.tar.gz"
    copy.write_bytes(data)
    made = type("Small", (cifar.Cifar100,), {"archive": archive})
    found = kept(open_source(DatasetConfig(source="cifar100", path=copy), made), tmp_path)
    assert np.array_equal(found.train.images.reshape(60, 60), images["cifar-100-python/train"])
    assert found.test is not None
    assert found.test.labels.tolist() == labels["cifar-100-python/test"]
    assert len(cifar.CIFAR100.sha256) == 64


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def fashion_files(tmp_path: Path) -> tuple[Path, type[Source], list[np.ndarray]]:
    """Four small files of Fashion-MNIST's format in a folder, two of them unpacked."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (40, 4, 6)),
        np.arange(40) % 10,
        rng.integers(0, 256, (20, 4, 6)),
        np.arange(20) % 10,
    ]
    folder = tmp_path / "fashion"
    folder.mkdir()
    files = []
    for number, (array, file) in enumerate(zip(arrays, fashion_mnist.FILES, strict=True)):
        content = idx(array)
        files.append(file._replace(content=hashlib.sha256(content).hexdigest(), shape=array.shape))
        packed = number % 2 == 0
        name = file.name if packed else file.name.removesuffix(".gz")
        (folder / name).write_bytes(gzip.compress(content) if packed else content)
    made = type("Small", (fashion_mnist.FashionMNIST,), {"files": tuple(files)})
    return folder, made, arrays


def test_fashion_mnist_is_read_from_a_local_copy_of_its_files(
    tmp_path: Path, fashion_files: tuple[Path, type[Source], list[np.ndarray]]
) -> None:
    folder, made, arrays = fashion_files
    config = DatasetConfig(source="fashion-mnist", path=folder)
    found = kept(open_source(config, made), tmp_path)
    assert found.test is not None
    for samples, images, labels in (
        (found.train, *arrays[:2]),
        (found.test, *arrays[2:]),
    ):
        assert np.array_equal(samples.images[:, 0], images)
        assert samples.labels.tolist() == labels.tolist()
    assert [file.shape for file in fashion_mnist.FILES][::2] == [(60_000, 28, 28), (10_000, 28, 28)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "train-images-idx3-ubyte.gz is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "gz: damaged"),
        (lambda path: path.write_bytes(b"x"), "gz: damaged"),
        (lambda path: path.write_bytes(gzip.compress(b"x")), "gz: SHA-256 of what it holds is"),
        (lambda path: path.write_bytes(gzip.compress(bytes(10**7))), "SHA-256 of what it holds"),
    ],
)
def test_other_files_are_not_taken_for_fashion_mnist(
    tmp_path: Path,
    fashion_files: tuple[Path, type[Source], list[np.ndarray]],
    change: Callable[[Path], object],
    message: str,
) -> None:
    folder, made, _ = fashion_files
    change(folder / "train-images-idx3-ubyte.gz")
    source = open_source(DatasetConfig(source="fashion-mnist", path=folder), made)
    with pytest.raises(InputError, match=message) as caught:
        source.read(tmp_path)
    assert str(caught.value).startswith(str(folder))


# Arrays

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 6, 3), np.uint8)
LABELS = np.arange(12) % 3


def png(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def test_an_npz_file_gives_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    for images, shape in ((IMAGES, (3, 4, 6)), (IMAGES[..., 0], (1, 4, 6))):
        np.savez(path, images=images, labels=LABELS)
        found = read(tmp_path, source="arrays", path=path, test_fraction=0.2)
        assert found.train.images.shape[1:] == shape
        assert np.array_equal(found.train.images[:, 0], IMAGES[..., 0])
        assert found.classes == ("0", "1", "2")
    test = {"test_images": IMAGES[:5], "test_labels": LABELS[:5]}
    np.savez_compressed(path, images=IMAGES, labels=LABELS, **test)
    found = read(tmp_path, source="arrays", path=path)
    assert found.test is not None
    assert np.array_equal(found.test.images, IMAGES[:5].transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (LABELS * 7 - 5, ("-5", "2", "9")),
        (LABELS.astype(np.uint8), ("0", "1", "2")),
        (np.array(["cat", "ant", "bee"])[LABELS], ("ant", "bee", "cat")),
    ],
)
def test_labels_are_any_numbers_or_texts(
    tmp_path: Path, labels: np.ndarray, names: tuple[str, ...]
) -> None:
    np.savez(tmp_path / "mine.npz", images=IMAGES, labels=labels)
    table = {"image": IMAGES.tolist(), "label": labels.tolist()}
    pq.write_table(lists(table), tmp_path / "mine.parquet")
    if labels.dtype.kind == "U":  # as Polars has texts
        table["label"] = pa.array(table["label"]).cast(pa.string_view())
    feather.write_feather(lists(table), str(tmp_path / "mine.feather"))
    for name in ("mine.npz", "mine.parquet", "mine.feather"):
        found = read(tmp_path, source="arrays", path=tmp_path / name, test_fraction=0.2)
        assert found.classes == names
        assert [names[label] for label in found.train.labels] == [str(x) for x in labels]
        assert np.array_equal(found.train.images, IMAGES.transpose(0, 3, 1, 2))


def lists(columns: dict[str, Any]) -> pa.Table:
    """A table whose images are lists of lists of lists."""
    kind = pa.list_(pa.list_(pa.list_(pa.uint8())))
    image = pa.array(columns["image"], kind)
    return pa.table({**columns, "image": image})


def forms() -> dict[str, pa.Array]:
    """The ways in which a table may hold images."""
    raw = [png(image) for image in IMAGES]
    return {
        "lists": lists({"image": IMAGES.tolist()})["image"].combine_chunks(),
        "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(IMAGES),
        "png": pa.array(raw),
        "view": pa.array(raw).cast(pa.binary_view()),
        "struct": pa.array([{"bytes": value, "path": None} for value in raw]),
    }


@pytest.mark.parametrize("form", ["lists", "tensor", "png", "view", "struct"])
@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".stream.arrow"])
def test_a_table_gives_its_images_in_every_form(tmp_path: Path, form: str, ending: str) -> None:
    path = tmp_path / f"mine{ending}"
    new = pa.ipc.new_stream if ending == ".stream.arrow" else pa.ipc.new_file
    split = ["train"] * 9 + ["test"] * 3
    table = pa.table({"image": forms()[form], "label": LABELS, "split": split, "more": LABELS})
    if ending == ".parquet":
        pq.write_table(table, path)
    else:
        with new(str(path), table.schema) as file:
            file.write_table(table)
    found = read(tmp_path, source="arrays", path=path)
    assert found.test is not None
    whole = np.concatenate([found.train.images, found.test.images])
    assert np.array_equal(whole, IMAGES.transpose(0, 3, 1, 2))
    assert [*found.train.labels, *found.test.labels] == LABELS.tolist()
    assert found.origin == {"file_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def npz(**arrays: Any) -> Callable[[Path], object]:
    whole = {"images": IMAGES, "labels": LABELS, **arrays}
    return lambda path: np.savez(path, **{k: v for k, v in whole.items() if v is not None})


def table(**columns: Any) -> Callable[[Path], object]:
    whole = {"image": IMAGES[..., 0].tolist(), "label": LABELS.tolist(), **columns}
    return lambda path: pq.write_table(
        pa.table({k: v for k, v in whole.items() if v is not None}), path
    )


def spoilt(values: list[Any], row: int, value: Any) -> list[Any]:
    return [value if place == row else each for place, each in enumerate(values)]


def gray(images: list[Any], size: int = -1) -> pa.Array:
    """Lists of lists; the inner ones are of a fixed size, if it is given."""
    return pa.array(images, pa.list_(pa.list_(pa.uint8(), size)))


def arrow(image: pa.Array) -> Callable[[Path], object]:
    return lambda path: feather.write_feather(
        pa.table({"image": image, "label": LABELS}), str(path)
    )


def twice(name: str) -> Callable[[Path], object]:
    """A file with two columns of a name."""
    columns = {"image": gray(IMAGES[..., 0].tolist()), "label": LABELS, name: ["train"] * 12}
    names = [*columns, name]
    both = pa.Table.from_arrays([pa.array(columns[each]) for each in names], names)
    return lambda path: feather.write_feather(both, str(path))


TENSORS = pa.ExtensionArray.from_storage(
    pa.fixed_shape_tensor(pa.uint8(), (2, 2)),
    pa.array(spoilt([[1, 2, 3, 4]] * 12, 7, [1, None, 3, 4]), pa.list_(pa.uint8(), 4)),
)
PNGS = [png(image) for image in IMAGES]


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("x.npz", lambda path: path.write_bytes(b"no"), "not an .npz file"),
        ("x.npz", lambda path: path.write_bytes(b""), "not an .npz file"),
        ("x.npz", npz(labels=None), "has no array labels, found images"),
        ("x.npz", npz(images=None), "has no array images, found labels"),
        ("x.npz", npz(test_images=IMAGES), "has no array test_labels"),
        ("x.npz", npz(images=IMAGES.astype(float)), "images are float64, expected uint8"),
        ("x.npz", npz(images=IMAGES[0, 0]), r"an image is \(3,\), expected \(height, width"),
        ("x.npz", npz(images=IMAGES[:, :, :0]), r"an image is \(4, 0, 3\), expected"),
        ("x.npz", npz(images=IMAGES[0, 0, 0, 0]), "images: not an array: it is a single value"),
        (
            "x.npz",
            npz(test_images=IMAGES[0, 0, 0, 0], test_labels=LABELS),
            "test_images: not an array: it is a single value",
        ),
        ("x.npz", npz(labels=np.array(3)), "labels: not an array: it is a single value"),
        (
            "x.npz",
            npz(images=np.zeros((12, 3, 8, 8), np.uint8)),
            r"an image is \(3, 8, 8\), channels first as it seems, expected \(height, width",
        ),
        ("x.npz", npz(images=IMAGES[:5]), r"labels has the shape \(12,\), expected \(5,\)"),
        ("x.npz", npz(labels=LABELS[:, None]), r"labels has the shape \(12, 1\), expected \(12,\)"),
        ("x.npz", npz(labels=LABELS / 2), "labels are float64, expected whole numbers or texts"),
        ("x.npz", npz(labels=LABELS * 0), "labels are of 1 classes, expected 2 to"),
        ("x.npz", npz(labels=np.array([None] * 12)), "labels: not an array: it holds Python obj"),
        (
            "x.npz",
            npz(test_images=IMAGES, test_labels=spoilt(LABELS.tolist(), 7, 5)),
            "test_labels: row 7: the label is 5, which no training sample has",
        ),
        (
            "x.npz",
            npz(test_images=IMAGES[:, :2], test_labels=LABELS),
            r"test images are \(3, 2, 6\), expected \(3, 4, 6\)",
        ),
        ("x.parquet", lambda path: path.write_bytes(b"no"), "not a Parquet file as expected"),
        ("x.arrow", lambda path: path.write_bytes(b"no"), "not an Arrow file"),
        ("x.parquet", table(label=None), "has no column label, found image"),
        ("x.parquet", table(label=spoilt(LABELS.tolist(), 4, None)), "row 4: label is missing"),
        ("x.parquet", table(label=(LABELS / 2).tolist()), "label is double, expected whole"),
        ("x.parquet", table(image=["a"] * 12), "image is string, expected lists of uint8"),
        ("x.parquet", table(image=LABELS), "image is int64, expected lists of uint8"),
        ("x.parquet", table(), "images are int64, expected uint8"),
        (
            "x.parquet",
            table(image=gray(spoilt(IMAGES[..., 0].tolist(), 9, [[1, 2], [3, 4]]))),
            "row 9: image has a list of 2, expected 4 as the first",
        ),
        (
            "x.parquet",
            table(image=gray(spoilt(IMAGES[..., 0].tolist(), 3, [[1]] * 4))),
            "row 3: image has a list of 1, expected 6 as the first",
        ),
        (
            "x.parquet",
            table(image=gray(spoilt(IMAGES[..., 0].tolist(), 7, [[1, None, 3, 4, 5, 6]] * 4))),
            "row 7: image lacks a value, expected lists of uint8",
        ),
        (
            "x.arrow",
            arrow(gray(spoilt(IMAGES[..., 0].tolist(), 7, [[1] * 6] * 3 + [None]), 6)),
            "row 7: image lacks a value, expected lists of uint8",
        ),
        ("x.arrow", arrow(TENSORS), "row 7: image lacks a value, expected lists of uint8"),
        ("x.parquet", table(image=gray([[]] * 12)), r"an image is \(0, 0\), expected \(height"),
        ("x.parquet", table(image=[{"bytes": None}] * 12), "row 0: image is missing"),
        ("x.arrow", twice("image"), "has 2 columns image, expected one"),
        ("x.arrow", twice("split"), "has 2 columns split, expected one"),
        (
            "x.parquet",
            table(image=spoilt(PNGS, 6, b"x")),
            "row 6: image: not a PNG or JPEG picture: cannot identify image file$",
        ),
        ("x.parquet", table(image=spoilt(PNGS, 5, PNGS[0][:-30])), "row 5: image: damaged"),
        (
            "x.parquet",
            table(image=spoilt(PNGS, 8, png(IMAGES[0, :2]))),
            "row 8: image: is in colour, 2 x 6, expected in colour, 4 x 6 as the first",
        ),
        (
            "x.parquet",
            table(split=spoilt(["train"] * 12, 2, "valid")),
            "row 2: split is 'valid', expected train or test",
        ),
        ("x.parquet", table(split=["test"] * 12), "has no training sample"),
        ("x.parquet", table(image=[], label=[]), "has no training sample"),
        ("x.txt", lambda path: path.write_text("x"), "expected .npz, .parquet, .arrow or .feather"),
        ("x.npz", lambda path: path.mkdir(), "no such file"),
        ("x.npz", lambda path: None, "no such file"),  # noqa: ARG005
    ],
)
def test_bad_arrays_end_in_a_sentence_with_file_and_row(
    tmp_path: Path, name: str, write: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / name
    write(path)
    config = DatasetConfig(source="arrays", path=path)
    with pytest.raises(InputError, match=message) as caught:
        both(config)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_bomb_of_arrays_does_not_go_off(tmp_path: Path) -> None:
    """An array that says it is larger than its file, and pickles that would act."""
    path = tmp_path / "x.npz"
    np.savez(path, images=IMAGES, labels=LABELS)
    with zipfile.ZipFile(path) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    members["labels.npy"] = members["labels.npy"].replace(b"(12,)", b"(9999999999999,)")
    with zipfile.ZipFile(path, "w") as changed:
        for name, content in members.items():
            changed.writestr(name, content)
    with pytest.raises(InputError, match="labels: not an array"):
        open_source(DatasetConfig(source="arrays", path=path)).facts()
    np.savez(path, images=IMAGES, labels=np.array([Live(tmp_path / "marker")] * 12))
    with pytest.raises(InputError, match="holds Python objects"):
        open_source(DatasetConfig(source="arrays", path=path)).facts()
    assert not (tmp_path / "marker").exists()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), name=st.sampled_from(["x.npz", "x.parquet"]))
def test_any_damage_to_arrays_ends_in_a_sentence(
    tmp_path: Path, data: st.DataObject, name: str
) -> None:
    path = tmp_path / name
    (npz() if name == "x.npz" else table(image=PNGS))(path)
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    cut, put = data.draw(st.integers(0, 40)), data.draw(st.binary(max_size=40))
    path.write_bytes(content[:start] + put + content[start + cut :])

    said = complaint(lambda path: both(DatasetConfig(source="arrays", path=path)), path)
    assert not said or said.startswith(str(path))
    assert "\n" not in said


def test_own_arrays_become_a_dataset_that_names_no_path(tmp_path: Path) -> None:
    path = tmp_path / "secret-place" / "mine.npz"
    path.parent.mkdir()
    images = np.random.default_rng(1).integers(0, 256, (60, 8, 8), np.uint8)
    np.savez(path, images=images, labels=np.array(["no", "yes"])[np.arange(60) % 2])
    config = DatasetConfig(source="arrays", path=path, test_fraction=0.2)
    assert check_dataset(config, "datasets.mine") == {"single": (48,), "bi": (24, 24)}
    prepare(config, tmp_path / "mine", tmp_path)
    found = load(tmp_path / "mine")
    assert (found.classes, found.manifest["class_names"]) == (2, ["no", "yes"])
    assert len(found.train_labels) == 48
    assert "secret-place" not in (tmp_path / "mine/manifest.json").read_text()
    with pytest.raises(InputError, match=r"datasets\.mine\.test_fraction: is missing"):
        check_dataset(config.model_copy(update={"test_fraction": None}), "datasets.mine")
    np.savez(path, images=images, labels=LABELS.repeat(5), test_images=images, test_labels=images)
    with pytest.raises(InputError, match=r"test_fraction: arrays has its own test set there"):
        check_dataset(config, "datasets.mine")


def test_an_opacity_that_says_nothing_is_named(tmp_path: Path) -> None:
    opaque = np.full((*IMAGES.shape[:3], 1), 255, np.uint8)
    images = np.concatenate([IMAGES, opaque], -1).repeat(5, axis=0)
    np.savez(tmp_path / "x.npz", images=images, labels=LABELS.repeat(5))
    config = DatasetConfig(source="arrays", path=tmp_path / "x.npz", test_fraction=0.2)
    with pytest.raises(InputError, match=r"datasets\.mine: channel 3 \(from 0, of 4\)"):
        prepare(config, tmp_path / "mine", tmp_path)


@pytest.mark.parametrize(
    ("shape", "classes"), [((1, 1), 3), ((1, 9), 2), ((5, 7, 4), 3), ((3, 64, 2), 40)]
)
def test_images_of_any_size_channels_and_classes_are_searched(
    tmp_path: Path, shape: tuple[int, ...], classes: int
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (240, *shape), np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(240) % classes)
    config = DatasetConfig(source="arrays", path=tmp_path / "x.npz", test_fraction=0.25)
    prepare(config, tmp_path / "x", tmp_path)
    raw = {"experiment": "E1", "dataset": "x", "method": "dsnas", "level": "bi", "seed": 0}
    small = {"space": {"cells": 2, "channels": 2}, "train": {"epochs": 1, "batch_size": 40}}
    search = Search(
        SearchConfig.model_validate({**raw, **small}), load(tmp_path / "x"), torch.device("cpu")
    )
    losses = [row.values["loss"] for row in search.run_epoch() if row.table == "epochs"]
    assert len(losses) == 3
    assert np.isfinite(losses).all()


# Folders


def pictures(root: Path, sets: tuple[str, ...] = ("",), kind: str = "png") -> Path:
    """Four pictures each of two classes."""
    for name, (label, folder) in product(sets, enumerate(("bee", "ant"))):
        here = root / name / folder
        here.mkdir(parents=True)
        for row in range(4):
            where = here / f"{row}.{kind}"
            where.write_bytes(png(IMAGES[4 * label + row], "JPEG" if kind == "jpg" else "PNG"))
    return root


def test_a_folder_a_class(tmp_path: Path) -> None:
    root = pictures(tmp_path / "all")
    (root / "ant/.hidden").write_text("x")
    found = read(tmp_path, source="folder", path=root, test_fraction=0.2)
    assert found.classes == ("ant", "bee")
    assert found.train.labels.tolist() == [0] * 4 + [1] * 4
    expected = IMAGES[[4, 5, 6, 7, 0, 1, 2, 3]].transpose(0, 3, 1, 2)
    assert np.array_equal(found.train.images, expected)
    moved = pictures(tmp_path / "elsewhere")
    assert read(tmp_path, source="folder", path=moved, test_fraction=0.2).origin == found.origin
    (moved / "ant/0.png").write_bytes(png(IMAGES[0]))
    other = read(tmp_path, source="folder", path=moved, test_fraction=0.2)
    assert other.origin != found.origin


@pytest.mark.parametrize("tested", [False, True])
def test_what_stands_class_by_class_is_mixed(tmp_path: Path, tested: bool) -> None:
    # Sorted samples, whose images say which they are; the evaluation takes 512 at a time.
    count, labels = 3000, np.arange(3000) // 300
    images = np.zeros((count, 8, 8), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    path = tmp_path / "sorted.npz"
    own = {"test_images": images, "test_labels": labels} if tested else {}
    np.savez(path, images=images, labels=labels, **own)
    share = None if tested else 0.5
    config = DatasetConfig(source="arrays", path=path, test_fraction=share)
    prepare(config, tmp_path / "mixed", tmp_path)
    prepare(config, tmp_path / "again", tmp_path)
    for name in ("train", "test"):
        table = pq.read_table(tmp_path / f"mixed/{name}.parquet")
        assert table == pq.read_table(tmp_path / f"again/{name}.parquet")
        found, index = table["label"].to_numpy(), table["index"].to_numpy()
        assert np.array_equal(found, labels[index])
        pixels = np.stack([np.frombuffer(image, np.uint8) for image in table["image"].to_pylist()])
        assert np.array_equal(pixels[:, 0] + 256 * pixels[:, 1].astype(int), index)
        for start in range(0, len(found), 512):
            part = found[start : start + 512]
            assert np.bincount(part, minlength=10).min() > 0.05 * len(part)


def test_what_is_mixed_keeps_its_order(tmp_path: Path) -> None:
    order = np.random.default_rng(3).permutation(600)
    images = np.random.default_rng(1).integers(0, 256, (600, 8, 8), np.uint8)
    np.savez(tmp_path / "mixed.npz", images=images, labels=(order % 10))
    config = DatasetConfig(source="arrays", path=tmp_path / "mixed.npz", test_fraction=0.2)
    prepare(config, tmp_path / "mixed", tmp_path)
    for name in ("train", "test"):
        index = pq.read_table(tmp_path / f"mixed/{name}.parquet")["index"].to_numpy()
        assert (np.diff(index) > 0).all()


def test_train_and_test_above_the_classes(tmp_path: Path) -> None:
    root = pictures(tmp_path / "all", ("train", "test"), "jpg")
    found = read(tmp_path, source="folder", path=root)
    assert found.test is not None
    assert found.test.labels.tolist() == [0] * 4 + [1] * 4
    with Image.open(root / "train/bee/0.jpg") as image:
        assert np.array_equal(found.train.images[4], np.asarray(image).transpose(2, 0, 1))


def test_gray_pictures_have_one_channel_and_may_stand_among_coloured_ones(tmp_path: Path) -> None:
    root = pictures(tmp_path / "all")
    (root / "bee/2.png").write_bytes(png(IMAGES[2, ..., 0]))
    found = read(tmp_path, source="folder", path=root, test_fraction=0.2)
    assert np.array_equal(found.train.images[6], np.stack([IMAGES[2, ..., 0]] * 3))
    for path in root.rglob("*.png"):
        path.write_bytes(png(IMAGES[0, ..., 0]))
    found = read(tmp_path, source="folder", path=root, test_fraction=0.2)
    assert found.train.images.shape == (8, 1, 4, 6)


@pytest.mark.parametrize(
    ("change", "named", "message"),
    [
        (lambda r: (r / "ant/1.png").write_bytes(b"x"), "ant/1.png", "not a PNG or JPEG"),
        (lambda r: (r / "ant/1.png").write_bytes(PNGS[0][:-30]), "ant/1.png", "damaged"),
        (
            lambda r: (r / "bee/3.png").write_bytes(png(IMAGES[0, :3])),
            "bee/3.png",
            "is in colour, 3 x 6, expected in colour, 4 x 6 as the first",
        ),
        (
            lambda r: (r / "ant/0.png").write_bytes(png(IMAGES[0, ..., 0])),
            "ant/1.png",
            "is in colour, 4 x 6, expected gray, 4 x 6 as the first",
        ),
        (
            lambda r: (r / "ant/0.png").write_bytes(png(IMAGES[0, ..., 0].astype(np.uint16))),
            "ant/0.png",
            "pixels are of mode I;16",
        ),
        (lambda r: (r / "ant/x.txt").write_text("x"), "ant/x.txt", "expected a picture, .png"),
        (lambda r: (r / "x.txt").write_text("x"), "x.txt", "is a file, expected folders"),
        (lambda r: (r / "cow").mkdir(), "cow", "holds no picture"),
        (lambda r: (r / "ant/1.png").unlink() or (r / "ant/1.png").mkdir(), "ant/1.png", "read"),
        (lambda r: r.rename(r.with_name("gone")), "", "no such folder"),
        (lambda r: (r / "bee").rename(r.with_name("gone")), "", "folders of 1 classes"),
        (
            lambda r: pictures(r / "train"),
            "",
            "expected train and test there and no other folder",
        ),
    ],
)
def test_bad_folders_end_in_a_sentence_with_the_file(
    tmp_path: Path, change: Callable[[Path], object], named: str, message: str
) -> None:
    root = pictures(tmp_path / "all")
    change(root)
    config = DatasetConfig(source="folder", path=root, test_fraction=0.2)
    with pytest.raises(InputError, match=message) as caught:
        both(config)
    assert str(caught.value).startswith(str(root / named))
    assert "\n" not in str(caught.value)


def test_a_test_class_that_no_training_picture_has(tmp_path: Path) -> None:
    root = pictures(tmp_path / "all", ("train", "test"))
    (root / "test/ant").rename(root / "test/cow")
    with pytest.raises(InputError, match="test/cow: a class that the training set has not"):
        open_source(DatasetConfig(source="folder", path=root)).facts()
