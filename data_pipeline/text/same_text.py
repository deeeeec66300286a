"""The rule by which two captions are the same text; training, evaluation and queries follow it.

In training another video and a caption of the same text are no negative pair; evaluation merges such captions or counts
them as probable false negatives. The rule is applied where captions are read, not stored in the records: folders that
were prepared without it would otherwise have to be made anew.
"""

import re

WHITE_SPACE = (
    "[\t-\r\x1c-\x20\x85\xa0\N{OGHAM SPACE MARK}\N{EN QUAD}-\N{HAIR SPACE}\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}"
    "\N{NARROW NO-BREAK SPACE}\N{MEDIUM MATHEMATICAL SPACE}\N{IDEOGRAPHIC SPACE}]+"
)
"""A run of white space as `str.isspace` has it: a pattern for `re` and for TensorFlow, whose ``\\s`` is ASCII only."""


def text_key(text: str) -> str:
    """Returns the same string for texts that differ in case and white space at most.

    It is the text in lower case, with one space for each run of white space and none at its ends. Punctuation and
    Unicode forms stay. `data_pipeline.batches.decoding.text_keys` is the same rule in TensorFlow; they differ in the
    few letters that came into Unicode after the version of TensorFlow's library.
    """
    return re.sub(WHITE_SPACE, " ", text.lower()).strip(" ")
