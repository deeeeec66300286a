"""A file that is no text is called by its name, whatever it is called by its owner."""

import bz2
import lzma
import pickle
import sqlite3
import tarfile
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from data_pipeline.annotations.sources import read_annotations
from data_pipeline.errors import InputError

ROWS = [{"video_id": "x", "caption": "a dog", "split": "train"}]


def zip_with(*names):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "")

    return write


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)


def write_sqlite(path):
    with sqlite3.connect(path) as database:
        database.execute("create table captions (text)")


def write_tar(path):
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "captions.json")


def write_array(path):
    with path.open("wb") as file:
        np.save(file, np.array([{"a": 1}], object))


def write_arrays(path):
    with path.open("wb") as file:
        np.savez(file, x=np.zeros(3))


FORMATS = [
    (lambda path: path.write_bytes(pickle.dumps(ROWS)), "a pickle of Python.*where you trust it"),
    (lambda path: path.write_bytes(pickle.dumps(ROWS, 0)), "a pickle of Python"),
    (lambda path: path.write_bytes(pickle.dumps({"x": 1}, 0)), "a pickle of Python"),
    (
        lambda path: path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M"),
        "a file of PyTorch",
    ),
    (zip_with("archive/data.pkl", "archive/version"), "a file of PyTorch"),
    (zip_with("[Content_Types].xml", "xl/workbook.xml"), "an Excel file.*save the sheet as CSV"),
    (zip_with("captions.json"), "a zip archive of captions.json; unpack it"),
    (zip_with(), "a zip archive of nothing"),
    (lambda path: path.write_bytes(b"PK\x03\x04 cut off"), "a broken zip archive"),
    (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), r"an old Excel file"),
    (write_array, r"an array of NumPy \(\.npy\).*np\.load"),
    (write_arrays, r"an archive of NumPy arrays"),
    (write_hdf5, "an HDF5 file; give features by --features"),
    (write_sqlite, "an SQLite database"),
    (write_tar, "a tar archive; unpack it"),
    (lambda path: pyarrow.parquet.write_table(pa.table({"x": [1]}), path), "a Parquet file.*read_parquet"),
    (lambda path: path.write_bytes(bz2.compress(b"x")), "a bzip2 archive"),
    (lambda path: path.write_bytes(lzma.compress(b"x")), "an xz archive"),
    (
        lambda path: path.write_text("\n<!DOCTYPE html><html>Sign in</html>"),
        "a web page; download the file itself",
    ),
    (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "a file in Git LFS"),
]


@pytest.mark.parametrize("source", ["jsonl", "csv"])
@pytest.mark.parametrize(("write", "message"), FORMATS)
def test_what_is_no_text_is_named(tmp_path, source, write, message):
    path = tmp_path / f"own.{source}"
    write(path)
    with pytest.raises(InputError, match=f"own.{source}: expected .*text, found .*{message}") as error:
        read_annotations(source, [path])
    assert "again" not in str(error.value) or "broken" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_id,caption,split\nx,un café,train\n".encode("latin-1"), "line 2: .*byte 0xe9.*LATIN1"),
        ("video_id,caption,split\n".encode("utf-16-le"), "line 1: .*NUL character"),
        (b"video_id,caption,split\nx,a\0dog,train\n", "line 2: .*NUL character"),
    ],
)
def test_another_encoding_is_named(tmp_path, text, message):
    (tmp_path / "own.csv").write_bytes(text)
    with pytest.raises(InputError, match=message):
        read_annotations("csv", [tmp_path])
