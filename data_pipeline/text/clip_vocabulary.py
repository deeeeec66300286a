"""This module makes one ``tokenizer.json`` of the two files that CLIP's tokenizer was first published in."""

import json
import pathlib

from data_pipeline.errors import InputError, shown
from data_pipeline.text.image_text_tokenizer import CLIP, SPECIAL, WORD_END

VOCABULARY_JSON_NAME = "vocab.json"
MERGES_NAME = "merges.txt"
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def clip_json(vocabulary: pathlib.Path) -> bytes:
    """Returns CLIP's ``vocab.json``, and the ``merges.txt`` beside it, as one ``tokenizer.json``.

    Raises:
        InputError: one of the files is missing or damaged.
    """
    merges = vocabulary.with_name(MERGES_NAME)
    try:
        ids = json.loads(vocabulary.read_text(encoding="utf-8"))
        lines = merges.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{vocabulary} and {MERGES_NAME} beside it: CLIP's tokenizer cannot be read ({error}); download both again"
        ) from error
    if not isinstance(ids, dict):
        raise InputError(
            f"{vocabulary}: expected the ids of tokens by name, found {shown(ids)}; download it again"
        )
    pairs = [line.removesuffix("\r").split(" ") for line in lines if line and not line.startswith("#version")]
    first, last, _, unknown = SPECIAL[CLIP]
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": ids[piece], "content": piece, "special": True, "normalized": False}
            | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
            for piece in (first, last)
            if piece in ids
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": _WORDS},
                    "behavior": "Removed",
                    "invert": True,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unknown,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": WORD_END,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": ids,
            "merges": pairs,
        },
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
