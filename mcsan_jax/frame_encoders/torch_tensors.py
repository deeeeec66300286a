"""This module reads the tensors of a file that ``torch.save`` wrote before PyTorch 1.6, and runs nothing that is in it.

Such a file is four pickles (a number that marks the format, its version, facts on the machine, the tensors by name), a
fifth with the keys of storages, and then the storages: of each, how many numbers it has, and the numbers. The
pickles may name four things, which are replaced by plain descriptions here; a name beside them is an error.
"""

import collections
import dataclasses
import math
import pathlib
import pickle
from typing import Any, BinaryIO

import numpy as np

from data_pipeline.errors import InputError, shown

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_KNOWN_FORM = "expected tensors as torch.save wrote them before PyTorch 1.6"


@dataclasses.dataclass(frozen=True)
class _Storage:
    """Numbers at the end of the file."""

    key: str
    dtype: np.dtype
    count: int


@dataclasses.dataclass(frozen=True)
class _View:
    """A tensor: where in a storage it starts, its shape, and after how many numbers each axis goes on."""

    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the tensor in the numbers of its storage."""
        size = numbers.itemsize
        strides = [size * step for step in self.strides]
        return np.ndarray(self.shape, numbers.dtype, numbers, size * self.start, strides)


class _RefusedError(ValueError):
    """What the file holds beside tensors, or what is wrong with a tensor."""


def _view(storage: Any, start: Any, shape: Any, strides: Any, wants_gradient: Any, hooks: Any) -> _View:
    """Stands for ``torch._utils._rebuild_tensor_v2``."""
    del wants_gradient, hooks
    match storage, start, shape, strides:
        case _Storage(), int(), tuple(), tuple() if _are_counts(start, *shape, *strides):
            last = start + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
            if math.prod(shape) <= storage.count and last < storage.count:
                return _View(storage, start, shape, strides)
    raise _RefusedError(f"a tensor of {shown((storage, start, shape, strides))}")


def _are_counts(*numbers: Any) -> bool:
    return all(isinstance(number, int) and number >= 0 for number in numbers)


_NAMES = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _view,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}
"""All that the pickles may name."""


class _Reader(pickle.Unpickler):
    """Reads one pickle after another; whatever it names is looked up in `_NAMES` and nowhere else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise _RefusedError(f"{module}.{name}")
        return _NAMES[module, name]

    def persistent_load(self, mark: Any) -> _Storage:
        match mark:
            case ("storage", np.dtype() as dtype, str() as key, str(), int() as count, None) if count >= 0:
                return _Storage(key, dtype, count)
        raise _RefusedError(f"a reference to {shown(mark)}")


def read_torch_tensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a file by their names, float32 and int64.

    Raises:
        InputError: the file cannot be read, is of another format, ends too soon or too late, or holds or names anything
            but tensors.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except _RefusedError as error:
        raise InputError(
            f"{path}: {_KNOWN_FORM}, found {error}; nothing of the file was run or used"
        ) from error
    except Exception as error:
        # A pickle that is cut off or made up can end in any of Python's errors.
        raise InputError(
            f"{path}: {_KNOWN_FORM}, found something else ({type(error).__name__}: {error}); nothing of the file was "
            "run or used"
        ) from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    if file.read(4) == b"PK\x03\x04":
        raise _RefusedError("a zip archive, as later versions write")
    file.seek(0)
    magic, version, machine, tensors, keys = (_Reader(file).load() for _ in range(5))
    if (magic, version) != (_MAGIC, _VERSION):
        raise _RefusedError("another format")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise _RefusedError("numbers with the highest byte first")
    if not isinstance(tensors, dict) or not isinstance(keys, list):
        raise _RefusedError(f"{type(tensors).__name__} in place of tensors by name")
    for name, view in tensors.items():
        if not isinstance(name, str) or not isinstance(view, _View):
            raise _RefusedError(f"{type(view).__name__} under {shown(name)}")
    storages = {view.storage.key: view.storage for view in tensors.values()}
    if sorted(storages) != sorted(keys):
        raise _RefusedError("storages that belong to no tensor, or tensors without")
    numbers = {key: _numbers(file, storages[key]) for key in keys}
    if file.read(1):
        raise _RefusedError("more bytes after the last storage")
    return {name: view.of(numbers[view.storage.key]) for name, view in tensors.items()}


def _numbers(file: BinaryIO, storage: _Storage) -> np.ndarray:
    """Reads a storage, which begins with the number of its numbers as eight bytes."""
    count, data = file.read(8), file.read(storage.count * storage.dtype.itemsize)
    if len(count) + len(data) < 8 + storage.count * storage.dtype.itemsize:
        raise _RefusedError(f"the end of the file within storage {shown(storage.key)}")
    if (said := int.from_bytes(count, "little")) != storage.count:
        raise _RefusedError(f"a storage of {said} numbers where its tensor says {storage.count}")
    return np.frombuffer(data, storage.dtype)
