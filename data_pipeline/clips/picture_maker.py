"""This module makes the pictures that an image network sees of frames: upright, resized and cropped."""

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import UInt8

from data_pipeline.clips.picture_view import PictureView

_LONGEST = 16
"""A picture that is so many times as long as wide is cropped before it is resized, because most of it is cut off."""

_MOST_AT_ONCE = 32
"""FFmpeg makes a side at most 64 times smaller in one step, which hardly any clip needs; others are averaged first."""

_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
"""Colours of each pixel are computed, not of each second one, and rounded rightly."""

_INTERPOLATIONS = {"bilinear": Interpolation.BILINEAR, "bicubic": Interpolation.BICUBIC}


class PictureMaker:
    """It makes the pictures of one clip, of which each frame may have its own size."""

    def __init__(self, view: PictureView, pixel_aspect: float = 1.0) -> None:
        """Takes what is to be seen, and how many times as wide as high a pixel of the clip is shown."""
        self._view = view
        self._pixel_aspect = pixel_aspect
        # Each keeps what it computed for frames of one size.
        self._averager, self._reformatter = VideoReformatter(), VideoReformatter()

    def picture(self, frame: VideoFrame) -> UInt8[np.ndarray, "row column 3"]:
        """Returns a frame as the view says, upright, red-green-blue.

        Raises:
            av.FFmpegError: FFmpeg cannot convert the frame.
        """
        turns = round(frame.rotation / 90) % 4
        shape = self._resized(frame, turns)
        if max(shape) > _LONGEST * min(shape) and isinstance(self._view.resize, int):
            frame = self._middle(frame)
            shape = self._resized(frame, turns)
        if frame.height > _MOST_AT_ONCE * shape[0] or frame.width > _MOST_AT_ONCE * shape[1]:
            most = [_MOST_AT_ONCE // 4 * side for side in shape]
            between = min(frame.height, most[0]), min(frame.width, most[1])
            frame = self._averager.reformat(
                frame,
                width=between[1],
                height=between[0],
                format="rgb24",
                interpolation=Interpolation.AREA | _EXACT,
                threads=1,
            )
        small = self._reformatter.reformat(
            frame,
            width=shape[1],
            height=shape[0],
            format="rgb24",
            interpolation=_INTERPOLATIONS[self._view.interpolation] | _EXACT,
            threads=1,
        )
        return np.ascontiguousarray(self._cropped(np.rot90(small.to_ndarray(), turns)))

    def _resized(self, frame: VideoFrame, turns: int) -> tuple[int, int]:
        """Returns the rows and columns to which a frame is resized, before it is turned."""
        resize = self._view.resize
        if not isinstance(resize, int):
            return resize if turns % 2 == 0 else (resize[1], resize[0])
        rows, columns = float(frame.height), frame.width * self._pixel_aspect
        scale = resize / min(rows, columns)
        # The longer side is rounded down, as image libraries do; a sum of errors must not make 455 of 456.
        return max(resize, int(rows * scale + 1e-6)), max(resize, int(columns * scale + 1e-6))

    def _middle(self, frame: VideoFrame) -> VideoFrame:
        """Returns the middle of a long picture, with sides of at most 1 to `_LONGEST`."""
        pixels = frame.to_ndarray(format="rgb24")
        rows, columns, _ = pixels.shape
        wide = columns * self._pixel_aspect
        if wide > rows:
            columns = max(1, int(_LONGEST * rows / self._pixel_aspect))
        else:
            rows = max(1, int(_LONGEST * wide))
        top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
        part = pixels[top : top + rows, left : left + columns]
        return VideoFrame.from_ndarray(np.ascontiguousarray(part, np.uint8))

    def _cropped(self, picture: np.ndarray) -> np.ndarray:
        crop = self._view.crop
        if crop is None:
            return picture
        top, left = (picture.shape[0] - crop) // 2, (picture.shape[1] - crop) // 2
        return picture[top : top + crop, left : left + crop]
