"""Says of an encoder what its features carry with them, so that those of another one are never taken for them."""

import pathlib

from data_pipeline.clips.picture_view import PictureView
from data_pipeline.features.provenance import Provenance
from mcsan_jax.frame_encoders.frame_encoder import FrameEncoder


def provenance_of(
    encoder: FrameEncoder,
    opened_as: str,
    frames_per_second: float | None = None,
    frames: int | None = None,
) -> Provenance:
    """Returns what made the vectors of frames.

    Args:
        encoder: the encoder.
        opened_as: its name, or its folder, as the user gave it.
        frames_per_second: at this rate frames are taken; None where a number of frames is.
        frames: so many frames are taken of each clip; None where a rate is given.
    """
    return Provenance(
        encoder=encoder.name,
        sha256=encoder.sha256,
        preprocessing=f"{_in_words(encoder.view)}; {encoder.preprocessing}",
        opened_as=_anywhere(opened_as),
        width=encoder.width,
        frames_per_second=frames_per_second,
        frames=frames,
    )


def _anywhere(opened_as: str) -> str:
    path = pathlib.Path(opened_as)
    return str(path.absolute()) if path.is_dir() else opened_as


def _in_words(view: PictureView) -> str:
    size = (
        "x".join(map(str, view.resize)) if isinstance(view.resize, tuple) else f"shorter side {view.resize}"
    )
    crop = "" if view.crop is None else f", middle {view.crop}x{view.crop}"
    return f"{size} pixels, {view.interpolation}{crop}"
