"""This module says how a picture is cut to the size that an encoder takes."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class PictureView:
    """What an encoder sees of a picture: the picture is resized, then cut in its middle.

    Attributes:
        resize: pixels of the shorter side, with the ratio of the sides kept; or rows and columns, into which the whole
            picture is squashed.
        crop: the side of the square that is cut from the middle, in pixels; None keeps everything.
        interpolation: how pixels are resized.
    """

    resize: int | tuple[int, int]
    crop: int | None
    interpolation: Literal["bilinear", "bicubic"]
