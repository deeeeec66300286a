"""`python -m data_pipeline.prepare`: annotations and features to TFRecords that `mcsan_jax.main` trains on."""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from absl import app, flags

from data_pipeline.annotations.sources import READERS, read_annotations
from data_pipeline.annotations.splits import apply_split_files
from data_pipeline.captions.tokenizer import KINDS
from data_pipeline.feature_streams import stream_names
from data_pipeline.features.readers import open_features
from data_pipeline.preparation import REPORT_NAME, Options, Source, prepare
from data_pipeline.selection import OMISSIONS
from mcsan_jax.errors import InputError

MOVING_SHAPES = "moving_shapes"

_DATASET = flags.DEFINE_enum("dataset", None, [*READERS, MOVING_SHAPES], "Source of the annotations.")
_ANNOTATIONS = flags.DEFINE_multi_string("annotations", [], "Annotation file, or the folder that holds them.")
_FEATURES = flags.DEFINE_multi_string(
    "features",
    [],
    "HDF5 file {video_id: [frames, dim]} or folder of <video_id>.npy; NAME=PATH names the stream.",
)
_PROTOCOL = flags.DEFINE_string("protocol", None, "Split protocol of the source, such as full or 1k-A.")
_SPLIT_FILE = flags.DEFINE_multi_string(
    "split_file", [], "SPLIT=FILE with a video id a line, in place of a protocol."
)
_OUT = flags.DEFINE_string("out", None, "Folder to be made.")
_GRAPH_CACHE = flags.DEFINE_string(
    "graph_cache",
    None,
    "Folder of parsed captions, shared by data sets; by default graph_cache beside --out.",
)
_TOKENIZER = flags.DEFINE_enum("tokenizer", "unigram", KINDS, "Kind of sentencepiece model.")
_VOCABULARY = flags.DEFINE_integer(
    "vocabulary_size", None, "Most tokens; by default 8000, for moving_shapes 200.", lower_bound=8
)
_MINIMUM = flags.DEFINE_integer(
    "attribute_minimum_videos",
    None,
    "Training videos in which an attribute must occur; by default 5, for moving_shapes 10.",
    lower_bound=1,
)
_MAX_WORDS = flags.DEFINE_integer(
    "max_words", 60, "Words of a caption beyond these are cut off.", lower_bound=1
)
_STRICT = flags.DEFINE_bool(
    "strict",
    False,
    "Whether videos without features, features without captions, blank and truncated captions are an error.",
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Whether to replace a data set prepared before.")


def _prepare_from_flags() -> dict[str, Any]:
    out = pathlib.Path(_OUT.value).absolute()
    cache = pathlib.Path(_GRAPH_CACHE.value) if _GRAPH_CACHE.value else out.parent / "graph_cache"
    if _DATASET.value == MOVING_SHAPES:
        from data_pipeline.moving_shapes.source import MOVING_SHAPES_OPTIONS, prepare_moving_shapes

        for flag in (_ANNOTATIONS, _FEATURES, _PROTOCOL, _SPLIT_FILE):
            if flag.value:
                raise InputError(f"--{flag.name} has no use with --dataset={MOVING_SHAPES}; leave it out")
        return prepare_moving_shapes(out, 1.0, cache, _options(MOVING_SHAPES_OPTIONS))
    if not _ANNOTATIONS.value or not _FEATURES.value:
        raise InputError(f"--dataset={_DATASET.value} needs --annotations=PATH and --features=PATH")
    annotations = read_annotations(
        _DATASET.value, [pathlib.Path(path) for path in _ANNOTATIONS.value], _PROTOCOL.value
    )
    if _SPLIT_FILE.value:
        annotations = apply_split_files(annotations, _split_files(_SPLIT_FILE.value))
    features = {name: open_features(path) for name, path in stream_names(_FEATURES.value).items()}
    return prepare(Source(annotations, features), out, cache, _options(Options()))


def _options(defaults: Options) -> Options:
    """What the flags say; sizes that are not given are the data set's own."""
    return dataclasses.replace(
        defaults,
        tokenizer=_TOKENIZER.value,
        vocabulary_size=_VOCABULARY.value or defaults.vocabulary_size,
        attribute_minimum_videos=_MINIMUM.value or defaults.attribute_minimum_videos,
        max_words=_MAX_WORDS.value,
        strict=_STRICT.value,
        overwrite=_OVERWRITE.value,
    )


def _split_files(values: Sequence[str]) -> dict[str, pathlib.Path]:
    files: dict[str, pathlib.Path] = {}
    for value in values:
        split, separator, path = value.partition("=")
        if not separator or split in files:
            raise InputError(f"--split_file={value}: expected SPLIT=FILE, each split once")
        files[split] = pathlib.Path(path)
    return files


def summarize(report: dict[str, Any]) -> str:
    """The report in a few lines."""
    splits = ", ".join(
        f"{name} {split['videos']} videos / {split['captions']} captions"
        for name, split in report["splits"].items()
    )
    attributes = ", ".join(f"{size} {level}" for level, size in report["attributes"].items())
    omitted = ", ".join(f"{key.replace('_', ' ')} {len(report[key])}" for key in OMISSIONS)
    lines = [
        f"{report['dataset']} ({report['protocol']}): {splits}",
        f"captions parsed now {report['captions_parsed_now']}, from the cache {report['captions_from_cache']}; "
        f"without entity {report['captions_without_entity']}, without action {report['captions_without_action']}",
        f"tokens {report['tokenizer']['size']} ({report['tokenizer']['kind']}); attributes: {attributes}",
        f"{omitted} (ids in {REPORT_NAME})",
    ]
    return "\n".join(lines + [f"note: {warning}" for warning in report["warnings"]])


def main(arguments: Sequence[str]) -> None:
    """Entry point; bad input ends with a message and status 2."""
    if len(arguments) > 1:
        app.usage(detailed_error=f"unexpected arguments: {' '.join(arguments[1:])}", exitcode=2)
    start = time.monotonic()
    try:
        report = _prepare_from_flags()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{summarize(report)}\nwritten to {_OUT.value} in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    flags.mark_flags_as_required(["dataset", "out"])
    app.run(main)
