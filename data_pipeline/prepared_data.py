"""The door to a prepared data set: all that a model needs to train on one, to be evaluated on it and to search it.

A model takes its data from here, and beside it only words (`errors`, `levels`), the containers of batches
(`batches.batch`), and what any program needs to check typed input, write files and draw figures.
"""

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING

from data_pipeline.annotations.foil_files import FoilFile, FoilQuestion, read_foil_files
from data_pipeline.batches.given_videos import GivenVideos
from data_pipeline.batches.other_tokens import OtherTokens
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from data_pipeline.batches.query import Query, QueryParser
from data_pipeline.features.feature_files import FEATURE_FILES_NAME, FeatureFile, read_feature_files
from data_pipeline.features.ids import match_without_endings
from data_pipeline.features.provenance import Provenance
from data_pipeline.graphs.attributes import open_attributes
from data_pipeline.graphs.graph import MODIFIER_KINDS, ROLES
from data_pipeline.graphs.parser import parser_identity
from data_pipeline.graphs.verbs import ends_noun_phrase
from data_pipeline.host.files import sha256_of
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import (
    FEWEST_VALIDATION_VIDEOS,
    MANIFEST_NAME,
    AttributeFile,
    FeatureStream,
    FrameSampling,
    Manifest,
    SplitSummary,
    TokenizerFile,
)
from data_pipeline.records.stored_captions import StoredCaptions, stored_captions, stored_video_ids
from data_pipeline.text.image_text_tokenizer import FIRST_ID, ImageTextTokenizer
from data_pipeline.text.same_text import text_key
from data_pipeline.text.tokenizer import Tokenizer
from data_pipeline.text.vocabulary import SMALL_VOCABULARY, open_tokenizer, published_tokenizers
from data_pipeline.text.word_vectors import WordVectors
from data_pipeline.text.wordpiece import CONFIG_NAME, find_pretrained

if TYPE_CHECKING:
    from data_pipeline.moving_shapes.dataset import EmbeddedClips

__all__ = [
    "CONFIG_NAME",
    "EMBEDDED_DATA",
    "FEATURE_FILES_NAME",
    "FEWEST_VALIDATION_VIDEOS",
    "FIRST_ID",
    "MANIFEST_NAME",
    "SMALL_VOCABULARY",
    "FeatureFile",
    "FeatureStream",
    "FoilFile",
    "FoilQuestion",
    "GivenVideos",
    "ImageTextTokenizer",
    "Manifest",
    "OtherTokens",
    "Provenance",
    "Query",
    "QueryParser",
    "SplitReader",
    "SplitSummary",
    "StoredCaptions",
    "TokenizerFile",
    "TrainBatches",
    "WordVectors",
    "embedded_clips",
    "ends_noun_phrase",
    "find_pretrained",
    "make_embedded_data",
    "manifest_without_data",
    "match_without_endings",
    "open_attributes",
    "open_tokenizer",
    "published_tokenizers",
    "read_feature_files",
    "read_foil_files",
    "stored_captions",
    "stored_video_ids",
    "text_key",
]


def manifest_without_data(folder: pathlib.Path, tokenizer: Tokenizer, stream: FeatureStream) -> Manifest:
    """Writes what reading texts and frames takes where no data were prepared, and returns the manifest.

    Texts are parsed as `prepare` parses them. There are no records, no splits and no attributes.

    Args:
        folder: where the files of the tokenizer and of the attributes are written.
        tokenizer: cuts texts into tokens.
        stream: the features of frames.

    Raises:
        InputError: the parser is not installed.
    """
    attributes, nothing = folder / "attributes.json", dict.fromkeys(NODE_LEVELS, ())
    attributes.write_text(json.dumps(nothing, indent=1) + "\n", encoding="utf-8")
    (folder / tokenizer.file_name).write_bytes(tokenizer.content)
    return Manifest(
        dataset="none",
        protocol="no training",
        splits={},
        frames=FrameSampling("index", 0),
        tokenizer=TokenizerFile(tokenizer.kind, tokenizer.size, tokenizer.file_name, tokenizer.sha256),
        word_vectors=None,
        roles=ROLES,
        modifier_kinds=MODIFIER_KINDS,
        attributes=AttributeFile(attributes.name, sha256_of(attributes), dict.fromkeys(NODE_LEVELS, 0)),
        parser=parser_identity(),
        records="",
        checksums={},
        versions={},
        streams=(stream,),
    )


EMBEDDED_DATA = ("moving_shapes", "crowded_shapes")
"""The names of the data sets that are made on the spot."""


def make_embedded_data(folder: pathlib.Path, flag: str, name: str) -> None:
    """Makes and prepares an embedded data set, all or nothing.

    Args:
        folder: to be made.
        flag: of the command line, with which another folder is named.
        name: of the data set, "moving_shapes" or "crowded_shapes".

    Raises:
        InputError: something else is there, or no folder can be made.
    """
    # Making it needs the libraries of the preparation, which reading does without.
    from data_pipeline.moving_shapes.dataset import OPTIONS, prepare_moving_shapes

    options = dataclasses.replace(OPTIONS[name], out_flag=flag)
    prepare_moving_shapes(folder, options=options, name=name)


def embedded_clips(
    count: int | None = None,
    split: str = "test",
    show_progress: bool | None = False,
    name: str = "moving_shapes",
) -> "EmbeddedClips":
    """Makes the first clips of a split of an embedded data set: features, captions and pictures.

    Nothing is written, and nothing must have been prepared.

    Args:
        count: how many; by default all of the split.
        split: ``train``, ``val`` or ``test``.
        show_progress: whether progress is shown; None shows it for many clips.
        name: of the data set, ``moving_shapes`` or ``crowded_shapes``.

    Returns:
        ``features`` by stream (``pixels`` [frames, dim] and ``objects`` [frames, regions, dim]), ``captions`` and
        ``images`` ([frames, rows, columns, red-green-blue], uint8), each by the id of the clip, and
        ``frames_per_second``.

    Raises:
        InputError: the split is unknown, or does not have so many clips.
    """
    from data_pipeline.moving_shapes import dataset

    return dataset.embedded_clips(count, split, show_progress, name)
