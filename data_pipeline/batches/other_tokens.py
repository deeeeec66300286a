"""This module reads stored captions with another tokenizer than the one with which they were prepared."""

from collections.abc import Sequence

import numpy as np

from data_pipeline.batches.text_layout import FlatCaptions
from data_pipeline.records.caption_tokens import in_characters, in_tokens
from data_pipeline.records.read import unflatten_captions
from data_pipeline.records.schema import CAPTION_FIELDS, TEXT, flatten_captions
from data_pipeline.text.tokenizer import Tokenizer

_NUMBERS = tuple(name for name, field in CAPTION_FIELDS.items() if field.dtype != TEXT)


class OtherTokens:
    """Captions keep their texts, graphs and attributes; their tokens, and those of the nodes, are of another tokenizer.

    Args:
        stored: the tokenizer with which they were prepared.
        other: the one that cuts their texts anew.
    """

    def __init__(self, stored: Tokenizer, other: Tokenizer) -> None:
        self._stored, self._other = stored, other

    def of(self, texts: Sequence[str], flat: FlatCaptions) -> dict[str, np.ndarray]:
        """Returns captions as `flatten_captions` does, without their ids and texts.

        A node that no token overlaps is left out, with its relationships.

        Args:
            texts: of the captions.
            flat: the same captions in numbers, as they are stored.
        """
        stored = unflatten_captions({**flat, "ids": [""] * len(texts), "texts": texts})
        anew = flatten_captions(
            [in_tokens(in_characters(caption, self._stored), self._other) for caption in stored]
        )
        return {name: anew[name] for name in _NUMBERS}
