"""Names by its content a file that holds no features as they are read here, and says how to convert it."""

import codecs
import collections
import dataclasses
import lzma
import pathlib
import re
import tarfile
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np

from data_pipeline.annotations.reading import first_few
from data_pipeline.errors import InputError


@dataclasses.dataclass(frozen=True)
class _Format:
    """A format that is not read.

    Attributes:
        name: with its article.
        remark: what else is to be said or done; empty for nothing.
        load: expression that loads the object in the file ``PATH``, in Python; empty where that is no one line.
        by_id: expression for ``{video_id: array}`` of the file ``PATH``; empty where it is what ``load`` gives.
    """

    name: str
    remark: str = ""
    load: str = ""
    by_id: str = ""


_HEAD_BYTES = 1024
_UNPACK = "unpack it and give what is in it"
_BY_ID = "save its arrays with np.savez, each under its video's id"
_PICKLED = "pickles are not read, because loading one runs code that is in it: convert one that you trust"
_PICKLE = _Format(
    "a Python pickle",
    _PICKLED,
    load="pickle.loads(pathlib.Path(PATH).read_bytes())",
)
_TORCH = _Format(
    "a PyTorch file",
    "PyTorch files are pickles, which are not read",
    load="torch.load(PATH, map_location='cpu', weights_only=True)",
)
_TABLE = _Format(
    "a text file",
    "convert one that has a header line, the id in the column video_id and a frame's values in the others",
    load="np.loadtxt(PATH, delimiter=',')",
    by_id="{name: rows.drop(columns='video_id').to_numpy(float) "
    "for name, rows in pandas.read_csv(PATH, sep=None, engine='python').groupby('video_id')}",
)
_ARRAY_OBJECTS = _Format(
    "a .npy file of Python objects",
    _PICKLED,
    load="np.load(PATH, allow_pickle=True).item()",
)
_TAR = _Format("a tar archive", _UNPACK)
_SIGNATURES: tuple[tuple[bytes, _Format], ...] = (
    # The magic number of torch.save before PyTorch 1.6, pickled.
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", _TORCH),
    *((bytes([0x80, protocol]), _PICKLE) for protocol in range(2, 6)),
    (
        b"MATLAB 7.3",
        _Format(
            "a MATLAB 7.3 file",
            "the axes of its arrays are in reverse order",
            by_id="{name: value[()].T for name, value in h5py.File(PATH).items() if hasattr(value, 'shape')}",
        ),
    ),
    (
        b"MATLAB",
        _Format(
            "a MATLAB file",
            by_id="{name: value for name, value in scipy.io.loadmat(PATH).items() if name[:2] != '__'}",
        ),
    ),
    (
        b"PAR1",
        _Format(
            "a Parquet file",
            "put the names of its columns in the place of video_id and features",
            by_id="{row.video_id: np.stack(row.features) for row in pandas.read_parquet(PATH).itertuples()}",
        ),
    ),
    (b"ARROW1", _Format("an Arrow file", _BY_ID)),
    (b"SQLite format 3\0", _Format("an SQLite database", _BY_ID)),
    (b"CDF", _Format("a NetCDF file", _BY_ID)),
    (b"\x1f\x8b", _Format("a gzip archive", _UNPACK)),
    (b"BZh", _Format("a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ\0", _Format("an xz archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", _Format("a Zstandard archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", _Format("a 7-Zip archive", _UNPACK)),
    (b"Rar!", _Format("a RAR archive", _UNPACK)),
    (b"version https://git-lfs", _Format("a pointer of Git LFS", "fetch the file itself with git lfs pull")),
)
_WEB_PAGE = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)
# A pickle of protocol 0 or 1 that begins with a container or a name.
_OLD_PICKLE = re.compile(rb"\(?[dl]p\d+\n|[\]}]q|c[\w.]+\n\w+\n")


def foreign_file(path: pathlib.Path, expected: str, fault: object) -> InputError:
    """The error for a file that cannot be opened, because it is damaged or of another format.

    Nothing of the file is unpickled.

    Args:
        path: the file.
        expected: what it was opened as, such as ``HDF5``.
        fault: what opening it said.
    """
    try:
        found = _format(path)
    except OSError as error:
        return InputError(f"{path}: cannot be opened as {expected} ({error.strerror}); check the path")
    if found is None:
        return InputError(f"{path}: cannot be opened as {expected} ({fault}); download or copy it again")
    # It is not to be written over the file, whatever that is called.
    converted = str(path.with_name(f"{path.stem}_by_id.npz"))
    by_id = found.by_id or found.load
    convert = (
        f"np.savez({converted!r}, **{{str(name): np.asarray(array) for name, array in {by_id}.items()}})"
    )
    return InputError(
        f"{path}: expected HDF5 or .npz with an array per video id, found {found.name}"
        + (f"; {found.remark}" if found.remark else "")
        + (_in_python(convert, repr(str(path))) if by_id else "")
    )


def array_of_objects(
    path: pathlib.Path, fault: object, *, name: str = "", in_folder: bool = True
) -> InputError:
    """The error for an array that cannot be read, because it holds Python objects or is damaged.

    Args:
        path: the file of the array.
        fault: what reading it said.
        name: of the array in an archive; empty for a file of one array.
        in_folder: whether the file is one of a folder with a file per video.
    """
    where = f"{path}, {name!r}" if name else str(path)
    is_pickle = not name and isinstance(fault, ValueError) and _format(path) == _PICKLE
    if not is_pickle and "Object arrays" not in str(fault):
        return InputError(f"{where}: cannot be read as a plain array ({fault}); write it again")
    load = "np.load(one, allow_pickle=True)"
    plain = "np.float32({}.tolist())"
    arrays = f"**{{name: {plain.format('array')} for name, array in {load}.items()}}"
    if in_folder:
        folder = path.parent.with_name(f"{path.parent.name}_arrays")
        out = f"new / one.name, {arrays if name else plain.format(load)}"
        convert = (
            f"new = pathlib.Path({str(folder)!r}); new.mkdir()\n  for one in PATH.glob('*{path.suffix}'): "
            f"np.save{'z' if name else ''}({out})"
        )
        converted = _in_python(convert, f"pathlib.Path({str(path.parent)!r})")
    else:
        new = path.with_name(f"{path.stem}_arrays.npz")
        converted = _in_python(f"one = PATH\n  np.savez({str(new)!r}, {arrays})", repr(str(path)))
    return InputError(
        f"{where}: cannot be read as a plain array, found Python objects; {_PICKLED}{converted}"
    )


def foreign_folder(folder: pathlib.Path, names: Sequence[str]) -> str:
    """What is in a folder without files of features, for a message.

    Args:
        folder: the folder.
        names: of what is in it.
    """
    if inner := [name for name in names if (folder / name).is_dir()]:
        return f"found the folders {first_few(inner)}; give one of them, or put their files into one folder"
    # The files of the most frequent ending are the videos'; a note may lie beside them.
    endings = collections.Counter(pathlib.Path(name).suffix for name in names)
    for name in sorted(names, key=lambda name: -endings[pathlib.Path(name).suffix]):
        path = folder / name
        found = _format(path) if path.is_file() else None
        if found is not None and found.load:
            files = f"pathlib.Path({str(folder)!r}).glob('*{path.suffix}')"
            convert = f"for one in {files}: np.save(one.with_suffix('.npy'), np.asarray({found.load}))"
            return f"found {name}, {found.name}; {found.remark or 'convert each'}{_in_python(convert, 'one')}"
        if found is not None:
            return f"found {name}, {found.name}; {found.remark or 'save each video with np.save'}"
    return f"found {first_few(names) or 'nothing'}"


def _in_python(code: str, path: str) -> str:
    """How to run code on the expression ``path``, for a message."""
    modules = ("h5py", "json", "pathlib", "pandas", "pickle", "safetensors.numpy", "scipy.io", "torch")
    used = "".join(f", {module}" for module in modules if f"{module}." in code)
    return f"; in Python, convert with\n  import numpy as np{used}\n  {code.replace('PATH', path)}"


def is_archive_of_arrays(path: pathlib.Path) -> bool:
    """Whether a file is a zip archive of arrays, as `numpy.savez` writes it, whatever its name ends in."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _format(path: pathlib.Path) -> _Format | None:
    """The format of a file; None for one that is read here, though it may be damaged."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for signature, find in ((b"\x93NUMPY", _array_format), (b"PK\x03\x04", _zip_format)):
        if head.startswith(signature):
            return find(path)
    if _is_tar(path):
        return _TAR
    known = [found for signature, found in _SIGNATURES if head.startswith(signature)]
    return known[0] if known else _format_of_head(head, path.stat().st_size)


def _format_of_head(head: bytes, size: int) -> _Format | None:
    """The format of a file of ``size`` bytes that no signature tells; None for HDF5."""
    if b"\x89HDF\r\n" in head:
        return None
    if not head:
        return _Format("an empty file", "copy or download it again")
    if _WEB_PAGE.match(head):
        return _Format("a web page", "download the file itself; the page may ask for a login")
    if _OLD_PICKLE.match(head):
        return _PICKLE
    # The header of safetensors is JSON behind its length.
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < size:
        return _Format("a safetensors file", load="safetensors.numpy.load_file(PATH)")
    return _text_format(head)


def _array_format(path: pathlib.Path) -> _Format | None:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError):
        return None
    except ValueError as error:
        return _ARRAY_OBJECTS if "pickle" in str(error).lower() or "object" in str(error).lower() else None
    return _Format(
        f"one array {list(array.shape)} without ids",
        "give the folder of the files <video_id>.npy, or, if the array holds all videos, write their ids in its order "
        "into ids.txt, one a line",
        by_id="dict(zip(pathlib.Path('ids.txt').read_text().splitlines(), np.load(PATH)))",
    )


def _zip_format(path: pathlib.Path) -> _Format | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return None
    if any(name.endswith("/data.pkl") for name in names):
        return _TORCH
    if any(name.endswith(".npy") for name in names):
        return None
    return _Format(f"a zip archive of {first_few(names) or 'nothing'}", _UNPACK)


def _is_tar(path: pathlib.Path) -> bool:
    try:
        with tarfile.open(path) as archive:
            # A file of zeros is an archive of nothing.
            return archive.next() is not None
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError):
        return False


def _text_format(head: bytes) -> _Format:
    try:
        # The last character may be cut off, which this decoder waits for.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    if not all(character.isprintable() or character in "\t\r\n\ufeff" for character in text):
        return _Format(
            f"a file of an unknown kind that begins with {head[:8]!r}", f"copy it again, or {_BY_ID}"
        )
    if text.lstrip()[:1] in ("{", "["):
        return _Format(
            "a JSON file",
            load="json.loads(pathlib.Path(PATH).read_text())",
            remark="the conversion takes {video_id: frames}",
        )
    line = next(iter(text.strip().splitlines()), "")
    text_file = _TABLE if re.search("[,;\t]", line) else _Format("a text file")
    return dataclasses.replace(text_file, name=f"a text file that begins with {line[:60]!r}")
