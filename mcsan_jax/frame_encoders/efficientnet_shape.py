"""This module holds the sizes of EfficientNet-Lite0, 1 and 2: their blocks, and the pictures that they take."""

import dataclasses
import math

STEM_WIDTH = 32
HEAD_WIDTH = 1280
CLASSES = 1000
"""The classes of ImageNet (ILSVRC 2012), in the order of their WordNet ids."""

_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of each stage of Lite0: blocks, side of the kernel, stride of the first block, expansion, width."""


@dataclasses.dataclass(frozen=True)
class Block:
    """An inverted bottleneck: it widens each cell, convolves each channel alone, and narrows each cell.

    Attributes:
        inputs: the width of its input.
        inner: the width in between; that of the input where nothing is widened.
        width: the width of its result.
        side: rows and columns of the kernel.
        stride: 2 halves the rows and columns.
    """

    inputs: int
    inner: int
    width: int
    side: int
    stride: int


@dataclasses.dataclass(frozen=True)
class EfficientNetShape:
    """The sizes of one network of the family.

    Attributes:
        picture: rows and columns of the pictures that it was trained on.
        blocks: its blocks, from the picture on.
    """

    picture: int
    blocks: tuple[Block, ...]

    @property
    def grid(self) -> int:
        """Rows and columns of the last grid: five layers halve the picture."""
        return -(-self.picture // 32)


def _shape(picture: int, wider: float, deeper: float) -> EfficientNetShape:
    """Returns Lite0 with its widths and numbers of blocks multiplied; the first and last stage keep their blocks."""
    blocks: list[Block] = []
    inputs = STEM_WIDTH
    for place, (count, side, first_stride, expansion, stage_width) in enumerate(_STAGES):
        inner_stage = 0 < place < len(_STAGES) - 1
        width = _in_eights(stage_width * wider)
        for number in range(math.ceil(count * deeper) if inner_stage else count):
            stride = first_stride if number == 0 else 1
            blocks.append(Block(inputs, inputs * expansion, width, side, stride))
            inputs = width
    return EfficientNetShape(picture, tuple(blocks))


def _in_eights(width: float) -> int:
    """The nearest multiple of eight, or the next one where that would take away over a tenth."""
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * width else nearest


SHAPES = {
    "efficientnet_lite0": _shape(224, 1.0, 1.0),
    "efficientnet_lite1": _shape(240, 1.0, 1.1),
    "efficientnet_lite2": _shape(260, 1.1, 1.2),
}
"""The networks whose weights are published as Python packages, by the name of the encoder."""
