"""This module finds the shapes of a clip in its pictures and describes each in every frame, as an object detector does.

Only the pictures are looked at. Every shape has a brightness of its own, so that an object is what has the very same
colour; objects stand in the order of their colours, which says nothing about what they do. Two shapes of a crowded clip
that have the very same colour, as in one clip of forty, are one object.
"""

import numpy as np
from jaxtyping import Bool, Float, Float16, UInt8

from data_pipeline.moving_shapes.scene import BACKGROUND, MOST_SHAPES

LOOK_CELLS = 8
PLACE_BINS = 8
OBJECT_DIM = LOOK_CELLS**2 + 3 + 4 + 1 + 2 * PLACE_BINS + 2
_STEP_UNIT = 2.0
"""Steps are given in so many pixels."""


def object_features(
    pixels: UInt8[np.ndarray, "f row column 3"], most: int = MOST_SHAPES
) -> Float16[np.ndarray, "f k 90"]:
    """Returns the features of the objects of each frame; those of an object that is not there are zero.

    They are which of 8 by 8 places in the object's box have its colour (64 numbers), the colour, the box's centre and
    size (x, y, width, height), one, the centre's x and y as shares of 8 bins each, and how far the centre came since
    the frame before (x, y). All but the last are in [0, 1].

    Args:
        pixels: the pictures, red-green-blue.
        most: the number of objects that have a place; those of a clip that has more are left out.
    """
    side = pixels.shape[1]
    shown = pixels.reshape(-1, 3)
    colours = np.unique(shown[(shown != BACKGROUND).any(axis=1)], axis=0)[:most]
    features = np.zeros((len(pixels), most, OBJECT_DIM), np.float32)
    for place, colour in enumerate(colours):
        centres = np.full((len(pixels), 2), np.nan)
        for frame, mask in enumerate((pixels == colour).all(axis=3)):
            if not mask.any():
                continue
            look, box = _look_and_box(mask)
            centres[frame] = box[:2]
            at = box / side
            bins = np.concatenate([_shares_of_bins(at[0]), _shares_of_bins(at[1])])
            features[frame, place, :-2] = np.concatenate([look, colour / 255, at, [1.0], bins])
        steps = np.diff(centres, axis=0, prepend=centres[:1]) / _STEP_UNIT
        features[:, place, -2:] = np.nan_to_num(steps)
    return features.astype(np.float16)


def _look_and_box(
    mask: Bool[np.ndarray, "row column"],
) -> tuple[Bool[np.ndarray, " 64"], Float[np.ndarray, " 4"]]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    cells = (np.arange(LOOK_CELLS) + 0.5) / LOOK_CELLS
    seen = mask[np.ix_((rows[0] + cells * height).astype(int), (columns[0] + cells * width).astype(int))]
    box = np.array([columns[0] + width / 2, rows[0] + height / 2, width, height])
    return seen.ravel(), box


def _shares_of_bins(position: float) -> Float[np.ndarray, " 8"]:
    """Returns how near a position in [0, 1] is to the centre of each bin: one at it, zero from the next one on."""
    centres = (np.arange(PLACE_BINS) + 0.5) / PLACE_BINS
    return np.maximum(0.0, 1.0 - np.abs(position - centres) * PLACE_BINS)
