"""What was extracted of each clip is kept in a folder until all are done, so that a killed extraction goes on."""

import dataclasses
import hashlib
import json
import pathlib
import shutil
from typing import Any, BinaryIO

import filelock
import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.features.provenance import SourceClip
from data_pipeline.features.write_hdf5 import StoredClip
from data_pipeline.host.files import write_text

_LOCK = "lock"
_DONE = ".json"
_FRAMES, _REGIONS = ".frames", ".regions"


def key_of(parts: Any) -> str:
    """Returns a hash of plain values that decide a result."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class PendingClip:
    """What was extracted of a clip.

    Attributes:
        frames: the vectors of its frames, and what belongs to them.
        regions: the same of its regions, where these were asked for.
    """

    frames: StoredClip
    regions: StoredClip | None


class PendingResults:
    """A folder beside the features file; the names of its files are keys, which hash all that decides a result.

    A result of another encoder, another sampling or a clip as it was before has another key, and is not found. What a
    killed program left unfinished has no file that says that it is done.
    """

    def __init__(self, out: pathlib.Path) -> None:
        """Takes the path of the features file."""
        self.folder = out.with_name(f"{out.name}.partial")
        self._lock = filelock.FileLock(self.folder / _LOCK, timeout=0)

    def open(self) -> None:
        """Makes the folder, for this program alone.

        Raises:
            InputError: another program extracts into the same file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise InputError(
                f"{self.folder}: another program extracts into the same file; wait for its end, or choose another --out"
            ) from error

    def close(self) -> None:
        """Lets other programs use the folder."""
        self._lock.release()

    def remove(self) -> None:
        """Removes the folder with all that is in it."""
        shutil.rmtree(self.folder)

    def find(self, key: str) -> PendingClip | None:
        """Returns a result, whose vectors stay in the file until they are read; None where none is whole."""
        try:
            said = json.loads((self.folder / f"{key}{_DONE}").read_text(encoding="utf-8"))
            clip = SourceClip(said["clip"], tuple((start, end) for start, end in said["parts"]))
            frames = StoredClip(
                _mapped(self.folder / f"{key}{_FRAMES}", said[_FRAMES]),
                np.array(said["seconds"], np.float64),
                clip,
                said["length"],
                said["cut_short"],
                key,
            )
            if _REGIONS not in said:
                return PendingClip(frames, None)
            regions = _mapped(self.folder / f"{key}{_REGIONS}", said[_REGIONS])
            return PendingClip(frames, dataclasses.replace(frames, features=regions))
        except (OSError, ValueError, KeyError, TypeError):
            # A machine that lost its power may leave any of this.
            return None

    def writer(self, key: str) -> "PendingWriter":
        """Returns what writes a result."""
        return PendingWriter(self.folder, key)


class PendingWriter:
    """It writes the vectors of a clip as they are computed: those of a long film do not fit into memory."""

    def __init__(self, folder: pathlib.Path, key: str) -> None:
        """Begins a result, in place of an unfinished one."""
        self._folder, self._key = folder, key
        self._files: dict[str, BinaryIO] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def append(self, frames: np.ndarray, regions: np.ndarray | None) -> None:
        """Adds frames.

        Args:
            frames: numbers [f, width].
            regions: numbers [f, k, region width], where regions were asked for.

        Raises:
            InputError: values are not finite, or too large for the file.
        """
        for ending, array in ((_FRAMES, frames), (_REGIONS, regions)):
            if array is None:
                continue
            with np.errstate(over="ignore"):
                stored = array.astype(np.float16)
            if not np.isfinite(stored).all():
                raise InputError("the encoder gave values that are not finite, or too large for float16")
            if ending not in self._files:
                self._files[ending] = (self._folder / f"{self._key}{ending}").open("wb")
                self._shapes[ending] = (0, *stored.shape[1:])
            self._files[ending].write(np.ascontiguousarray(stored).data)
            self._shapes[ending] = (self._shapes[ending][0] + len(stored), *stored.shape[1:])

    def finish(self, seconds: list[float], clip: SourceClip, length: float, cut_short: str) -> None:
        """Says that the result is whole."""
        self.close()
        said = {
            "clip": clip.path,
            "parts": clip.parts,
            "seconds": seconds,
            "length": length,
            "cut_short": cut_short,
            **self._shapes,
        }
        write_text(self._folder / f"{self._key}{_DONE}", json.dumps(said))

    def close(self) -> None:
        """Closes the files; without `finish` before, the result counts as none."""
        for file in self._files.values():
            file.close()


def _mapped(path: pathlib.Path, shape: list[int]) -> np.ndarray:
    """Returns an array whose content is read where it is used; it raises ValueError where the file is too short."""
    if path.stat().st_size != 2 * int(np.prod(shape)):
        raise ValueError(f"{path} is not whole")
    return np.memmap(path, np.float16, "r", shape=tuple(shape))
