"""This module has the rule by which two captions are the same text; training, evaluation and queries follow it.

In training, a video and another video's caption of the same text are not a negative pair; evaluation merges such
captions or counts them as probable false negatives. The rule is applied when captions are read and not stored in the
records, so that data prepared earlier follows it too.
"""

import re

WHITE_SPACE = (
    "[\t-\r\x1c-\x20\x85\xa0\N{OGHAM SPACE MARK}\N{EN QUAD}-\N{HAIR SPACE}\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}"
    "\N{NARROW NO-BREAK SPACE}\N{MEDIUM MATHEMATICAL SPACE}\N{IDEOGRAPHIC SPACE}]+"
)
"""This pattern is white space as in `str.isspace`, for `re` and for TensorFlow, whose ``\\s`` is ASCII only."""


def text_key(text: str) -> str:
    """Returns the same string for texts that differ only in case and white space.

    It is the text in lower case, with one space for each run of white space and none at its ends. Punctuation and
    Unicode forms stay. `data_pipeline.batches.decoding.text_keys` is the same rule in TensorFlow; the two differ in
    the few letters that are newer than the Unicode version of TensorFlow.
    """
    return re.sub(WHITE_SPACE, " ", text.lower()).strip(" ")
