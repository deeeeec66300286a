"""One encoder and the files that its features go to: their provenance, and what decides their content."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping

from data_pipeline.clips.sampled_frames import Sampling
from data_pipeline.errors import InputError, shown
from data_pipeline.features.hdf5 import ENDINGS
from data_pipeline.features.provenance import Provenance
from data_pipeline.features.write_hdf5 import command_of
from mcsan_jax.extraction.pending_results import key_of
from mcsan_jax.frame_encoders.encoder_provenance import provenance_of
from mcsan_jax.frame_encoders.frame_encoder import FrameEncoder

_RESULTS_VERSION = 1
"""It goes up when the same clip and the same encoder give other results than before."""

Grid = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class StreamFiles:
    """The files of one stream of features.

    Attributes:
        encoder: makes the features.
        opened_as: its name, or its folder, as the user gave it.
        sampling: which frames of each clip it sees.
        grid: rows and columns of regions; None for vectors of frames alone.
        out: the file of the frames' vectors.
    """

    encoder: FrameEncoder
    opened_as: str
    sampling: Sampling
    grid: Grid | None
    out: pathlib.Path

    @functools.cached_property
    def provenances(self) -> Mapping[pathlib.Path, Provenance]:
        """What made the features, by file: that of the frames, then that of the regions."""
        encoder, sampling = self.encoder, self.sampling
        frames = provenance_of(encoder, self.opened_as, sampling.frames_per_second, sampling.frames)
        if self.grid is None:
            return {self.out: frames}
        regions = dataclasses.replace(frames, width=encoder.region_width, regions=self.grid)
        return {self.out: frames, regions_file(self.out): regions}

    def key(self, video_id: str, path: pathlib.Path) -> str:
        """Returns a hash of all that decides the features of a clip, whose content is known by size and time."""
        status = path.stat()
        made_by = [provenance.to_json() for provenance in self.provenances.values()]
        return key_of([_RESULTS_VERSION, video_id, str(path), status.st_size, status.st_mtime_ns, made_by])

    def are_written(self, command: str) -> bool:
        """Returns whether all files are there, as a command wrote them."""
        return all(path.is_file() and command_of(path) == command for path in self.provenances)


def regions_file(out: pathlib.Path) -> pathlib.Path:
    """Returns the path of the regions' vectors, beside those of the frames."""
    return out.with_name(f"{out.stem}_regions{out.suffix}")


def check_ending(out: pathlib.Path) -> None:
    """Refuses a name of a features file that no reader would take.

    Raises:
        InputError: it has another ending.
    """
    if out.suffix not in ENDINGS:
        raise InputError(f"--out={out}: expected a name that ends with {' or '.join(ENDINGS)}; rename it")


def parse_grid(text: str) -> Grid:
    """Returns rows and columns of regions from a text such as ``4x4``.

    Raises:
        InputError: it is no such text.
    """
    rows, separator, columns = text.lower().partition("x")
    if not separator or not (rows.isdecimal() and columns.isdecimal()) or 0 in (int(rows), int(columns)):
        raise InputError(f"--regions={text}: expected ROWSxCOLUMNS, such as 4x4, found {shown(text)}")
    return int(rows), int(columns)


def check_grid(encoder: FrameEncoder, grid: Grid) -> None:
    """Refuses more regions than the encoder has cells.

    Raises:
        InputError: there are fewer rows or columns.
    """
    if grid[0] > encoder.grid[0] or grid[1] > encoder.grid[1]:
        raise InputError(
            f"--regions={grid[0]}x{grid[1]}: {encoder.name} sees a grid of {encoder.grid[0]}x{encoder.grid[1]}, "
            "expected no more rows and columns than that"
        )
