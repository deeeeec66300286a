"""A small encoder that is quick to compute: the mean colour of a picture, and of the cells of a grid."""

import dataclasses

import numpy as np

from data_pipeline.clips.picture_view import PictureView
from data_pipeline.errors import InputError
from mcsan_jax.frame_encoders.frame_encoder import EncodedFrames, check_pictures, region_weights

ROWS, COLUMNS = 12, 24


@dataclasses.dataclass(frozen=True)
class ColourEncoder:
    """Its "weights" are a factor of the colours; `fails_after` pictures it breaks down, as a program may."""

    name: str = "colours"
    factor: float = 1.0
    side: int = 24
    fails_after: int | None = None
    seen: list[int] = dataclasses.field(default_factory=list, compare=False)
    preprocessing: str = "x / 255"
    width: int = 3
    grid: tuple[int, int] = (ROWS, COLUMNS)
    region_width: int = 3

    @property
    def sha256(self) -> str:
        return f"{self.factor:064.3f}"

    @property
    def view(self) -> PictureView:
        return PictureView(resize=(self.side, 2 * self.side))

    def encode(self, pictures: np.ndarray, regions: tuple[int, int] | None = None) -> EncodedFrames:
        check_pictures(pictures, *self.view.size, self.name)
        self.seen.append(len(pictures))
        if self.fails_after is not None and sum(self.seen) > self.fails_after:
            raise InputError("the encoder of this test has seen enough")
        cells = pictures.reshape(len(pictures), ROWS, self.side // ROWS, COLUMNS, -1, 3).mean(
            axis=(2, 4), dtype=np.float64
        )
        cells = (self.factor * cells.reshape(len(pictures), -1, 3) / 255).astype(np.float32)
        made = None
        if regions is not None:
            made = np.einsum("kc,ncw->nkw", region_weights(self.grid, regions), cells)
        return EncodedFrames(cells.mean(axis=1), made)
