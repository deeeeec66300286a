"""This module says which part of a frame an image network sees, and how large."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class PictureView:
    """A picture view is the part and the size of a frame that an image network was trained on.

    Attributes:
        resize: the number of pixels of the shorter side, or (rows, columns), to which a picture is squashed.
        crop: the side of the square in the middle that is kept; None keeps all, of a squashed picture alone.
        interpolation: "bilinear" or "bicubic"; both average where a picture becomes smaller.

    Raises:
        ValueError: the sizes do not fit each other.
    """

    resize: int | tuple[int, int]
    crop: int | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __post_init__(self) -> None:
        sides = (self.resize,) if isinstance(self.resize, int) else self.resize
        if self.crop is None and isinstance(self.resize, int):
            raise ValueError(
                "crop: expected a number of pixels, because resize is that of the shorter side alone"
            )
        if min(sides) < 1 or (self.crop is not None and not 1 <= self.crop <= min(sides)):
            raise ValueError(f"expected 1 <= crop <= resize, found crop {self.crop} and resize {self.resize}")

    @property
    def size(self) -> tuple[int, int]:
        """The rows and columns of each picture."""
        if self.crop is not None:
            return self.crop, self.crop
        assert not isinstance(self.resize, int)
        return self.resize
