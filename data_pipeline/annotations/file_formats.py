"""Files that are no text: what they are, told by their first bytes, and how to make text of them."""

import io
import pathlib
import zipfile

from data_pipeline.errors import InputError, first_few

_AS_JSON_LINES = (
    "write one JSON object a line, such as file.write(json.dumps(row) + '\\n') for each row in Python"
)
_CONVERT_TRUSTED = f"load it where you trust it and {_AS_JSON_LINES}"
_AS_TEXT = "save the sheet as CSV in UTF-8"
_UNPACK = "unpack it and give the file that is in it"
_FETCH = "download the file itself"

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19",
        "a file of PyTorch",
        _CONVERT_TRUSTED,
    ),
    (b"\x93NUMPY", "an array of NumPy (.npy)", f"load it with np.load and {_AS_JSON_LINES}"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", f"give features by --features; for captions, {_AS_JSON_LINES}"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", f"load it with scipy.io.loadmat and {_AS_JSON_LINES}"),
    (b"PAR1", "a Parquet file", "convert it with pandas: read_parquet(path).to_csv(new_path, index=False)"),
    (b"ARROW1", "an Arrow file", "convert it with pandas: read_feather(path).to_csv(new_path, index=False)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file (.xls)", _AS_TEXT),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV in UTF-8"),
    (b"%PDF", "a PDF", "give the captions as text"),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"version https://git-lfs", "a pointer to a file in Git LFS", f"{_FETCH} (git lfs pull)"),
)
_PICKLES = (*(bytes([0x80, protocol]) for protocol in range(2, 6)), b"(dp", b"(lp")
_WEB_PAGES = (b"<!doctype html", b"<html")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR, _TAR_AT = b"ustar", 257


def refuse_other_formats(path: pathlib.Path, data: bytes) -> None:
    """Refuses content that is known to be of a kind that holds no text.

    Args:
        path: names the file in the message.
        data: its content, unpacked where it was a gzip archive.

    Raises:
        InputError: the content is of such a kind; the message names it and says how to convert it.
    """
    found = _format_of(data)
    if found is not None:
        kind, remedy = found
        raise InputError(f"{path}: expected text, found {kind}; {remedy}")


def _format_of(data: bytes) -> tuple[str, str] | None:
    """What the content is and what to do with it; None if it may be text."""
    for signature, kind, remedy in _SIGNATURES:
        if data.startswith(signature):
            return kind, remedy
    if data.startswith(_PICKLES):
        return "a pickle of Python", _CONVERT_TRUSTED
    if data[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return "a tar archive", _UNPACK
    if data[:100].lstrip().lower().startswith(_WEB_PAGES):
        return "a web page", _FETCH
    return _zip_of(data) if data.startswith(_ZIP) else None


def _zip_of(data: bytes) -> tuple[str, str]:
    """What kind of zip archive it is: several formats are archives with files of certain names."""
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile as error:
        return f"a broken zip archive ({error})", "download or copy it again"
    if any(name.startswith("xl/") for name in names):
        return "an Excel file (.xlsx)", _AS_TEXT
    if any(name.endswith("/data.pkl") for name in names):
        return "a file of PyTorch", _CONVERT_TRUSTED
    if names and all(name.endswith(".npy") for name in names):
        return "an archive of NumPy arrays (.npz)", f"load it with np.load and {_AS_JSON_LINES}"
    return f"a zip archive of {first_few(names) or 'nothing'}", _UNPACK
