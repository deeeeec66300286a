"""`python -m data_pipeline.prepare`: annotations and features to TFRecords that `mcsan_jax.main` trains on."""

from data_pipeline.host.command_line import run_program

import dataclasses
import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from data_pipeline.annotations.caption import SPLITS
from data_pipeline.annotations.sources import READERS, apply_split_files, read_annotations
from data_pipeline.errors import InputError
from data_pipeline.features.feature_files import FeatureFile
from data_pipeline.features.frames import ALIGNMENTS, INDEX, FrameOptions
from data_pipeline.features.streams import frame_rates, open_features, stream_names
from data_pipeline.graphs.parser import DEFAULT_MODEL, MODELS
from data_pipeline.host.files import check_writable
from data_pipeline.preparation.prepare_folder import Options, Source, check_out, prepare
from data_pipeline.preparation.runner import LocalRunner, Runner
from data_pipeline.preparation.summary import summarize
from data_pipeline.records.shards import SHARD_BYTES
from data_pipeline.text.sentencepiece_model import KINDS
from data_pipeline.text.vocabulary import AUTO, GIVEN_KINDS, choose_tokenizer

MOVING_SHAPES, CROWDED_SHAPES = "moving_shapes", "crowded_shapes"
EMBEDDED = (MOVING_SHAPES, CROWDED_SHAPES)
"""These data sets are made on the spot."""

_OWN = ("csv", "jsonl")
_OWN_OUT, _OWN_FEATURES = "data/custom", "data/custom.hdf5"
"""Where data of one's own go, and the features that `mcsan extract` writes, unless flags say otherwise."""

_DATASET = flags.DEFINE_enum("dataset", None, [*READERS, *EMBEDDED], "Source of the annotations.")
_ANNOTATIONS = flags.DEFINE_multi_string("annotations", [], "Annotation file, or the folder that holds them.")
_FEATURES = flags.DEFINE_multi_string(
    "features",
    [],
    "HDF5 or npz file {video_id: [frames, dim]}, or folder of such HDF5 files, of <video_id>.npy or of "
    "<video_id>.npz; NAME=PATH names the stream. By default what `mcsan extract` wrote, with --dataset=csv and jsonl.",
)
_PROTOCOL = flags.DEFINE_string("protocol", None, "Split protocol of the source, such as full or 1k-A.")
_SPLIT_FILE = flags.DEFINE_multi_string(
    "split_file", [], "SPLIT=FILE with a video id a line, in place of a protocol."
)
_OUT = flags.DEFINE_string(
    "out", None, f"Folder to be made; by default {_OWN_OUT} with --dataset=csv and jsonl."
)
_FRAME_RATE = flags.DEFINE_multi_string(
    "frame_rate", [], "Frames per second of a stream, NAME=RATE, or of all streams, RATE."
)
_REGIONS = flags.DEFINE_multi_string(
    "regions",
    [],
    "Stream that holds [frames, regions, dim] though each video has one frame, or one region a frame.",
)
_ALIGNMENT = flags.DEFINE_enum(
    "frame_alignment", INDEX, ALIGNMENTS, "Join streams by relative position, or by time."
)
_FRAME_COUNT = flags.DEFINE_integer(
    "frame_count", 0, "Frames of a longer video that are kept, a uniform sample; 0 for all.", lower_bound=0
)
_GRAPH_CACHE = flags.DEFINE_string(
    "graph_cache",
    None,
    "Folder of parsed captions, shared by data sets; by default graph_cache beside --out.",
)
_PARSER_MODEL = flags.DEFINE_enum(
    "parser_model",
    DEFAULT_MODEL,
    MODELS,
    "spaCy model that parses captions; queries of a run are parsed by the same.",
)
_TOKENIZER = flags.DEFINE_enum(
    "tokenizer",
    AUTO,
    [AUTO, *KINDS, *GIVEN_KINDS],
    f"Kind of tokenizer; {', '.join(GIVEN_KINDS)} are those of published encoders, {AUTO} means that of "
    "--tokenizer_file, or of minilm where it is installed.",
)
_TOKENIZER_FILE = flags.DEFINE_string(
    "tokenizer_file",
    None,
    "Folder of a published encoder (BERT, CLIP, SigLIP or SigLIP 2), or the file of its tokenizer; by default that of "
    "the installed package minilm.",
)
_WORD_VECTORS = flags.DEFINE_string(
    "word_vectors", None, "GloVe text file with which the word embedding starts, for --tokenizer=word."
)
_VOCABULARY = flags.DEFINE_integer(
    "vocabulary_size", None, "Most tokens of a trained tokenizer; 8000, for moving_shapes 200.", lower_bound=8
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
_SHARD_MEGABYTES = flags.DEFINE_integer(
    "shard_megabytes", SHARD_BYTES >> 20, "About the size of a file of records.", lower_bound=1
)
_ROLE_FOILS = flags.DEFINE_bool(
    "role_foils",
    False,
    "Whether videos that are not trained on get false captions with agent and patient exchanged, for evaluation.",
)
_FOILS = flags.DEFINE_integer(
    "foils",
    None,
    "Foils of each training caption, that is false captions made from it, to train with; by default none, and one of "
    "the embedded data sets.",
    lower_bound=0,
)
_PROCESSES = flags.DEFINE_integer(
    "processes",
    os.cpu_count(),
    "Processes that parse and make records; by default one per core.",
    lower_bound=1,
)
_BEAM_RUNNER = flags.DEFINE_string(
    "beam_runner",
    None,
    "Runner of Apache Beam, such as DirectRunner or FlinkRunner; by default Beam is not used.",
)
_BEAM_ARGUMENT = flags.DEFINE_multi_string(
    "beam_argument", [], "Pipeline option of Beam, such as --beam_argument=--parallelism=8."
)
_STRICT = flags.DEFINE_bool(
    "strict",
    False,
    "Whether anything that is left out or cut off is an error, such as videos without features or blank captions.",
)
_ALLOW_MISSING = flags.DEFINE_bool(
    "allow_missing",
    False,
    "Whether to go on where more than a tenth of a split's videos have no features, no frame or no caption.",
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Whether to replace a data set prepared before.")
_RENDER_CLIPS = flags.DEFINE_string(
    "render_clips",
    None,
    "Folder to which moving_shapes is written as clips and a file of captions; without --out nothing else is done.",
)
_SHARE = flags.DEFINE_float(
    "share",
    1.0,
    "Part of the clips of moving_shapes or crowded_shapes, such as 0.1.",
    lower_bound=0.0,
    upper_bound=1.0,
)


def _render_from_flags() -> None:
    try:
        from data_pipeline.moving_shapes.rendered_shapes import CAPTIONS_NAME, render_moving_shapes
    except ModuleNotFoundError as error:
        raise InputError(f"--render_clips needs PyAV ({error}); pip install 'mcsan-jax[video]'") from error
    folder = pathlib.Path(_RENDER_CLIPS.value)
    count = render_moving_shapes(folder, _SHARE.value, _OVERWRITE.value)
    print(f"{count:,} clips and {CAPTIONS_NAME} written to {folder}")


def _prepare_from_flags(given_out: str) -> dict[str, Any]:
    out = pathlib.Path(given_out).absolute()
    if _DATASET.value in EMBEDDED:
        from data_pipeline.moving_shapes.dataset import OPTIONS, prepare_moving_shapes

        for flag in (_ANNOTATIONS, _FEATURES, _PROTOCOL, _SPLIT_FILE, _FRAME_RATE, _REGIONS, _ROLE_FOILS):
            if flag.value:
                raise InputError(f"--{flag.name} has no use with --dataset={_DATASET.value}; leave it out")
        options = _options(OPTIONS[_DATASET.value])
        return prepare_moving_shapes(out, _SHARE.value, _run(out), options, _DATASET.value)
    given_features = _FEATURES.value
    if not given_features and _DATASET.value in _OWN and pathlib.Path(_OWN_FEATURES).is_file():
        given_features = [_OWN_FEATURES]
        print(f"features: {_OWN_FEATURES} (--features names others)", flush=True)
    if not _ANNOTATIONS.value or not given_features:
        raise InputError(f"--dataset={_DATASET.value} needs --annotations=PATH and --features=PATH")
    options, run = _options(Options()), _run(out)
    annotations = read_annotations(
        _DATASET.value, [pathlib.Path(path) for path in _ANNOTATIONS.value], _PROTOCOL.value
    )
    if _SPLIT_FILE.value:
        annotations = apply_split_files(annotations, _split_files(_SPLIT_FILE.value))
    paths = stream_names(given_features)
    rates = frame_rates(_FRAME_RATE.value, paths)
    if unknown := [name for name in _REGIONS.value if name not in paths]:
        raise InputError(
            f"--regions={unknown[0]}: no stream of that name; expected one of {', '.join(paths)}"
        )
    features = {name: open_features(path, rates.get(name)) for name, path in paths.items()}
    files = {name: FeatureFile(str(path.absolute()), rates.get(name)) for name, path in paths.items()}
    return prepare(Source(annotations, features, files=files), out, run, options)


def _run(out: pathlib.Path) -> Runner:
    cache = pathlib.Path(_GRAPH_CACHE.value) if _GRAPH_CACHE.value else out.parent / "graph_cache"
    if cache.exists() and not cache.is_dir():
        raise InputError(
            f"--graph_cache={cache}: expected a folder, found a file; name a folder or a new path"
        )
    check_writable(cache, "choose another --graph_cache")
    if _BEAM_RUNNER.value is None:
        if _BEAM_ARGUMENT.value:
            raise InputError(
                "--beam_argument has no use without --beam_runner; leave it out, or name a runner"
            )
        return LocalRunner(cache, _PROCESSES.value, _PARSER_MODEL.value)
    try:
        from data_pipeline.preparation.beam import BeamRunner
    except ModuleNotFoundError as error:
        raise InputError(
            f"--beam_runner needs Apache Beam ({error}); install it with `pip install 'mcsan-jax[beam]'`"
        ) from error
    return BeamRunner(cache, _BEAM_RUNNER.value, _BEAM_ARGUMENT.value, _PROCESSES.value, _PARSER_MODEL.value)


def _options(defaults: Options) -> Options:
    """What the flags say; sizes that are not given are the data set's own."""
    tokenizer = choose_tokenizer(
        _TOKENIZER.value,
        defaults.tokenizer,
        file=_TOKENIZER_FILE.value,
        vocabulary_size=_VOCABULARY.value,
        word_vectors=pathlib.Path(_WORD_VECTORS.value) if _WORD_VECTORS.value else None,
    )
    return dataclasses.replace(
        defaults,
        tokenizer=tokenizer,
        region_streams=_REGIONS.value,
        frames=FrameOptions(_ALIGNMENT.value, _FRAME_COUNT.value),
        attribute_minimum_videos=_MINIMUM.value or defaults.attribute_minimum_videos,
        max_words=_MAX_WORDS.value,
        shard_bytes=_SHARD_MEGABYTES.value << 20,
        role_foils=_ROLE_FOILS.value,
        foils=defaults.foils if _FOILS.value is None else _FOILS.value,
        strict=_STRICT.value,
        allow_missing=_ALLOW_MISSING.value,
        overwrite=_OVERWRITE.value,
    )


def _split_files(values: Sequence[str]) -> dict[str, pathlib.Path]:
    files: dict[str, pathlib.Path] = {}
    for value in values:
        split, separator, path = value.partition("=")
        if not separator or split in files:
            raise InputError(
                f"--split_file={value}: expected SPLIT=FILE, each split once ({', '.join(SPLITS)})"
            )
        files[split] = pathlib.Path(path)
    return files


def _program(arguments: Sequence[str]) -> None:
    if len(arguments) > 1:
        raise InputError(f"unexpected arguments: {' '.join(arguments[1:])}")
    out = _OUT.value or (_OWN_OUT if _DATASET.value in _OWN else "")
    rendering = _RENDER_CLIPS.value is not None
    for flag, value in ((_DATASET, _DATASET.value), (_OUT, out or rendering)):
        if not value:
            raise InputError(f"--{flag.name} is missing; --help shows the flags")
    for flag, datasets in ((_RENDER_CLIPS, (MOVING_SHAPES,)), (_SHARE, EMBEDDED)):
        if flag.present and _DATASET.value not in datasets:
            alone = " or ".join(datasets)
            raise InputError(f"--{flag.name} is for --dataset={alone} alone; leave it out")
    if out:
        # Before anything is read or rendered, which takes minutes.
        check_out(pathlib.Path(out).absolute(), _OVERWRITE.value)
    if rendering:
        _render_from_flags()
    if not out:
        return
    start = time.monotonic()
    report = _prepare_from_flags(out)
    print(f"{summarize(report)}\nwritten to {out} in {time.monotonic() - start:.0f} s")


def main() -> None:
    """Entry point; bad input ends with a message and status 2."""
    run_program(_program)


if __name__ == "__main__":
    main()
