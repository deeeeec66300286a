"""This module says what a frame encoder is: a network that turns pictures into vectors, whatever it is inside."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float32, UInt8

from data_pipeline.clips.picture_view import PictureView
from data_pipeline.errors import InputError


@dataclasses.dataclass(frozen=True)
class EncodedFrames:
    """Vectors of pictures. Axes: n pictures, k regions of a picture, row by row.

    Attributes:
        frames: one vector of each picture.
        regions: vectors of its parts, where regions were asked for.
    """

    frames: Float32[np.ndarray, "n width"]
    regions: Float32[np.ndarray, "n k region_width"] | None


class FrameEncoder(Protocol):
    """A network that turns pictures into vectors, with its weights.

    A picture has the same vectors whichever pictures stand beside it, and however many.
    """

    @property
    def name(self) -> str:
        """What a features file calls the encoder, such as ``efficientnet_lite0``."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the file of its weights, hexadecimal; two encoders of one name and hash are the same."""

    @property
    def view(self) -> PictureView:
        """How a frame is resized and cut to the size that the encoder takes."""

    @property
    def preprocessing(self) -> str:
        """How the numbers of a picture become the network's input, in one line."""

    @property
    def width(self) -> int:
        """Numbers in the vector of a picture."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the network's last grid, of which regions are made."""

    @property
    def region_width(self) -> int:
        """Numbers in the vector of a region."""

    def encode(
        self, pictures: UInt8[np.ndarray, "n row column 3"], regions: tuple[int, int] | None = None
    ) -> EncodedFrames:
        """Returns the vectors of any number of pictures.

        Args:
            pictures: red, green and blue, of the size that `view` makes.
            regions: rows and columns of regions, at most as many as those of `grid`; None for no regions.

        Raises:
            InputError: the pictures are of another type or size, or there cannot be so many regions.
        """


def encode_in_batches(
    program: Callable[[np.ndarray], Sequence[Any]],
    pictures: UInt8[np.ndarray, "n row column 3"],
    batch: int,
) -> list[np.ndarray]:
    """Runs a program that takes a fixed number of pictures over any number of them.

    Args:
        program: takes ``batch`` pictures, uint8, and returns arrays whose first axis are the pictures. A program that
            returns before it has computed (JAX) computes one batch while the next one is made ready.
        pictures: any number, also none.
        batch: the last batch is filled up with black pictures, whose results are dropped.

    Returns:
        The program's arrays for all pictures.
    """
    count = len(pictures)
    results: list[Sequence[Any]] = []
    for start in range(0, max(count, 1), batch):
        part = pictures[start : start + batch]
        if len(part) < batch:
            part = np.concatenate([part, np.zeros((batch - len(part), *part.shape[1:]), part.dtype)])
        results.append(program(part))
    return [
        np.concatenate([np.asarray(one) for one in parts])[:count] for parts in zip(*results, strict=True)
    ]


def check_pictures(pictures: object, rows: int, columns: int, encoder: str) -> None:
    """Refuses what is no pictures of a size.

    Raises:
        InputError: it is no array of uint8 [n, rows, columns, 3].
    """
    expected = f"{encoder}: expected pictures as an array of uint8 [n, {rows}, {columns}, 3]"
    if not isinstance(pictures, np.ndarray):
        raise InputError(
            f"{expected}, found {type(pictures).__name__}; decode the clip to red, green and blue"
        )
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[1:] != (rows, columns, 3):
        raise InputError(
            f"{expected}, found {pictures.dtype} {list(pictures.shape)}; cut the frames as the encoder's `view` says"
        )


def region_weights(grid: tuple[int, int], regions: tuple[int, int]) -> Float32[np.ndarray, "k cells"]:
    """Returns the matrix that averages the cells of a grid into regions, both row by row.

    Region i of m along n cells is the mean of cells floor(i n / m) to ceil((i + 1) n / m) - 1, as in the adaptive
    average pooling of other frameworks: neighbours share a cell where n is no multiple of m.

    Raises:
        InputError: there are no regions, or more than cells.
    """
    if not all(1 <= asked <= cells for asked, cells in zip(regions, grid, strict=True)):
        raise InputError(
            f"regions: expected rows and columns from 1x1 to the encoder's grid of {grid[0]}x{grid[1]}, found "
            f"{regions[0]}x{regions[1]}"
        )
    sides = []
    for asked, cells in zip(regions, grid, strict=True):
        side = np.zeros((asked, cells))
        for region in range(asked):
            inside = slice(region * cells // asked, -(-(region + 1) * cells // asked))
            side[region, inside] = 1 / (inside.stop - inside.start)
        sides.append(side)
    return np.kron(sides[0], sides[1]).astype(np.float32)
