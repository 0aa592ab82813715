"""Atomic files and folders: a crash at any system call leaves the old content or the new."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wiring import files
from wiring.errors import InputError
from wiring.files import atomic_dir, atomic_file, read_parquet, sha256


class Crash(BaseException):
    """Stands for a kill: nothing after it runs, clean-up included."""


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def write_file(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text)


def write_dir(path: Path, **texts: str) -> None:
    with atomic_dir(path) as temporary:
        for name, text in texts.items():
            (temporary / name).write_text(text)


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    data = os.urandom(100_000)
    (tmp_path / "a").write_bytes(data)
    assert sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_file_appears_and_is_replaced_without_litter(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.svg"
    for text in ("one", "two"):
        write_file(target, text)
        assert contents(target.parent) == {"a.svg": text}


def test_dir_appears_and_is_replaced_whole_without_litter(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    write_dir(target, a="1", b="2")
    assert contents(target) == {"a": "1", "b": "2"}
    write_dir(target, a="3")
    assert contents(target) == {"a": "3"}
    assert [entry.name for entry in target.parent.iterdir()] == ["out"]


def test_the_umask_decides_the_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", "x")
        write_dir(tmp_path / "dir", a="1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "dir").stat().st_mode) == 0o750


def test_an_exception_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    write_file(tmp_path / "file", "old")
    write_dir(tmp_path / "dir", a="old")
    with pytest.raises(TypeError):
        write_file(tmp_path / "file", 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write_dir(tmp_path / "dir", a="half", b=3)  # type: ignore[arg-type]
    assert (tmp_path / "file").read_text() == "old"
    assert contents(tmp_path / "dir") == {"a": "old"}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dir", "file"]


def test_misuse_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "a"):
        pass
    write_file(tmp_path / "a", "x")
    with pytest.raises(NotADirectoryError, match="is a file"), atomic_dir(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "x"


def crash_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Let the `call`-th rename, removal or sync crash, and everything after it do nothing."""
    done = 0

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **kwargs: object) -> object:
            nonlocal done
            done += 1
            if done >= call:
                raise Crash
            return function(*args, **kwargs)

        return wrapper

    for owner, name in (
        (files.Path, "rename"),
        (files.Path, "replace"),
        (files.Path, "unlink"),
        (files.shutil, "rmtree"),
        (files.os, "fsync"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.mark.parametrize("call", range(1, 12))
def test_a_crash_at_any_call_loses_neither_old_nor_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    file, folder = tmp_path / "file", tmp_path / "dir"
    write_file(file, "old")
    write_dir(folder, a="old", b="old")
    for write in (lambda: write_file(file, "new"), lambda: write_dir(folder, a="new", b="new")):
        with monkeypatch.context() as patch:
            crash_at(patch, call)
            with contextlib.suppress(Crash):
                write()
    assert file.read_text() in {"old", "new"}
    with pytest.raises(RuntimeError), atomic_dir(folder):  # the next writer, which fails too
        raise RuntimeError
    assert contents(folder) in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"})


def test_data_reach_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    sync, rename = files._sync, Path.rename
    monkeypatch.setattr(files, "_sync", lambda p: (events.append(f"sync {p.name}"), sync(p)))
    monkeypatch.setattr(
        Path, "rename", lambda p, to: (events.append(f"rename {to.name}"), rename(p, to))[1]
    )
    write_dir(tmp_path / "out", a="1")
    assert events[0] == "sync a"
    assert events[1].endswith(".out")  # the folder itself
    assert events[2:] == ["rename out", f"sync {tmp_path.name}"]


# Parquet from elsewhere

PLAIN = pa.table({"text": ["a", "b"], "number": [1, 2]})


def test_a_parquet_file_is_read_whatever_its_folder_is_called(tmp_path: Path) -> None:
    path = tmp_path / "number=3" / "x.parquet"
    path.parent.mkdir()
    pq.write_table(PLAIN, path)
    assert read_parquet(path).equals(PLAIN)
    assert read_parquet(path, PLAIN.schema).equals(PLAIN)


def test_lack_of_memory_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")

    def lacking(*_: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 4480 failed")

    monkeypatch.setattr(pq.ParquetFile, "read", lacking)
    with pytest.raises(MemoryError, match="malloc"):
        read_parquet(tmp_path / "a.parquet")


def test_other_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(PLAIN, path)
    for schema, message in (
        (pa.schema([("text", pa.string())]), r"column 2 is 'number' \(int64\), expected missing"),
        (PLAIN.schema.append(pa.field("more", pa.int8())), r"column 3 is missing, expected 'more'"),
        (
            pa.schema([pa.field("text", pa.string(), nullable=False), PLAIN.schema.field(1)]),
            r"column 1 is 'text' \(string\), expected 'text' \(string, never null\)",
        ),
    ):
        with pytest.raises(InputError, match=rf"x\.parquet: columns differ: {message}"):
            read_parquet(path, schema)


def test_a_datasets_file_has_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(PLAIN.slice(0, 0), path)
    assert read_parquet(path).num_rows == 0
    with pytest.raises(InputError, match=r"x\.parquet: has no rows, expected one at least"):
        read_parquet(path, PLAIN.schema)


def not_utf8() -> pa.Table:
    raw = pa.array([b"a", b"\xff"], pa.binary())
    return pa.table({"text": pa.Array.from_buffers(pa.string(), 2, raw.buffers())})


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PAR1" + b"x" * 20 + b"PAR1"),
        lambda path: path.mkdir(),
        lambda path: None,  # noqa: ARG005
        lambda path: pq.write_table(not_utf8(), path),
    ],
    ids=["empty", "damaged", "folder", "missing", "utf8"],
)
def test_what_is_no_parquet_file_ends_in_one_line(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    path = tmp_path / "x.parquet"
    write(path)
    with pytest.raises(
        InputError, match=r"x\.parquet: not a Parquet file as expected: ."
    ) as caught:
        read_parquet(path)
    assert "\n" not in str(caught.value)
