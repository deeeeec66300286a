"""Annotations and features → parsed, tokenized, labelled TFRecords with a manifest, all or nothing."""

import contextlib
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

from data_pipeline.annotations.caption import TRAIN, Annotations, Foil
from data_pipeline.errors import InputError
from data_pipeline.features.feature_files import FeatureFile, write_feature_files
from data_pipeline.features.frames import FrameOptions
from data_pipeline.features.ids import match_ids
from data_pipeline.features.profile import profile_streams
from data_pipeline.features.source import FeatureSource
from data_pipeline.features.streams import FeatureReader
from data_pipeline.graphs.attributes import AttributeVocabulary, select_attributes
from data_pipeline.graphs.graph import MODIFIER_KINDS
from data_pipeline.host.files import check_writable, sha256_of
from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from data_pipeline.manifest import CAPTION_PARTS, MANIFEST_NAME, AttributeFile, FrameSampling, Manifest
from data_pipeline.preparation.advice import advice_on
from data_pipeline.preparation.runner import (
    CAPTIONS,
    WITHOUT_ACTION,
    WITHOUT_ANY_NODE,
    WITHOUT_ENTITY,
    Runner,
    Survey,
)
from data_pipeline.preparation.selection import (
    Video,
    first_training_video,
    leave_out_empty_parts,
    refuse_losses,
    refuse_omissions,
    select_videos,
    videos_by_split,
)
from data_pipeline.records.make import CaptionEncoder, RecordMaker, learn_foils
from data_pipeline.records.shards import SHARD_BYTES, ShardPlan, count_foils, count_splits, sizes_of_captions
from data_pipeline.text.vocabulary import TokenizerOptions, make_vocabulary

REPORT_NAME = "prepare_report.json"
_ATTRIBUTES_NAME = "attributes.json"
_PACKAGES = ("mcsan-jax", "tensorflow-datasets", "sentencepiece", "tokenizers", "spacy", "numpy")


@dataclasses.dataclass(frozen=True)
class Source:
    """What is prepared: captions, features of one or several streams, foils by video id, and where features came from.

    `files` is empty where they came from no files. `report` is what the report says besides.
    """

    annotations: Annotations
    features: Mapping[str, FeatureSource]
    foils: Mapping[str, Sequence[Foil]] = dataclasses.field(default_factory=dict)
    files: Mapping[str, FeatureFile] = dataclasses.field(default_factory=dict)
    report: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Options:
    """How it is prepared.

    Attributes:
        tokenizer: how captions are cut into tokens.
        frames: which frames are stored, and how streams of different frame rates go together.
        region_streams: streams that hold regions even if each video has one frame or one region.
        read_first: whether all features are read before any caption is parsed, so that what is wrong with them is
            said early and together; without it, the first fault is said when it is written.
        attribute_minimum_videos: an attribute must occur in that many training videos.
        max_attributes: most attributes of each level.
        max_words: words of a caption beyond these are cut off.
        shard_bytes: about the size of a file of records.
        role_foils: whether videos that are not trained on get false captions with two entities in exchanged roles.
        foils: the largest number of foils, false captions to train with, of each training caption.
        strict: whether anything left out or cut off is an error.
        allow_missing: whether a split may lose more than a tenth of its videos.
        overwrite: whether a prepared data set may be replaced.
        out_flag: flag of the command line with which another folder is named, for messages.
    """

    tokenizer: TokenizerOptions = dataclasses.field(default_factory=TokenizerOptions)
    frames: FrameOptions = dataclasses.field(default_factory=FrameOptions)
    region_streams: Sequence[str] = ()
    read_first: bool = True
    attribute_minimum_videos: int = 5
    max_attributes: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: {ENTITY: 1000, ACTION: 500, RELATIONSHIP: 1000}
    )
    max_words: int = 60
    shard_bytes: int = SHARD_BYTES
    role_foils: bool = False
    foils: int = 0
    strict: bool = False
    allow_missing: bool = False
    overwrite: bool = False
    out_flag: str = "--out"


def prepare(source: Source, out: pathlib.Path, run: Runner, options: Options) -> dict[str, Any]:
    """Prepares a data set in a temporary folder beside `out` and moves it into place when it is complete.

    Args:
        source: what to prepare.
        out: folder to be made.
        run: where captions are parsed and records written.
        options: how to prepare it.

    Returns:
        The report that is also written to ``prepare_report.json``.

    Raises:
        InputError: the input cannot be used, too much of a split would be left out, or anything in strict mode.
    """
    annotations = source.annotations
    segments = annotations.segments.values()
    whole = {caption.video_id for caption in annotations.captions} - annotations.segments.keys()
    streams, matches = match_ids(whole | {segment.video_id for segment in segments}, source.features)
    videos, report = select_videos(annotations, streams, source.foils, options.max_words)
    report["warnings"] += matches
    with new_folder(out.absolute(), options.overwrite, options.out_flag) as folder:
        if options.read_first:
            stored = list(dict.fromkeys(map(_stored_as, videos)))
            profiles = profile_streams(streams, stored, options.region_streams)
            print(*profiles, sep="\n")
            report["streams"] = [dataclasses.asdict(profile) for profile in profiles]
            report["warnings"] += [note for profile in profiles for note in profile.notes]
        print(*(f"note: {warning}\n" for warning in report["warnings"]), sep="", end="", flush=True)
        features = FeatureReader(streams, _stored_as(first_training_video(videos)), options.frames)
        videos = leave_out_empty_parts(videos, features, report)
        if options.strict:
            refuse_omissions(report)
        if not options.allow_missing:
            refuse_losses(annotations, videos, report)
        survey = run.survey(videos)
        report |= _write(annotations, videos, features, survey, run, folder, options)
        report["advice"] = advice_on(videos, survey.counts)
        report |= source.report
        if source.files:
            write_feature_files(folder, source.files)
        (folder / REPORT_NAME).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def _stored_as(video: Video) -> str:
    """The id under which the features of a video lie."""
    return video.segment.video_id if video.segment else video.video_id


def _write(
    annotations: Annotations,
    videos: Sequence[Video],
    features: FeatureReader,
    survey: Survey,
    run: Runner,
    folder: pathlib.Path,
    options: Options,
) -> dict[str, Any]:
    """Writes tokenizer, attributes, records and manifest; returns their part of the report."""
    # Before TensorFlow Datasets loads it with its own settings.
    load_tensorflow()
    from data_pipeline.records.write import write_records

    attributes = select_attributes(survey.counts, options.attribute_minimum_videos, options.max_attributes)
    attribute_file = _save_attributes(attributes, folder)
    texts = (caption.text for video in videos if video.split == TRAIN for caption in video.captions)
    vocabulary = make_vocabulary(texts, options.tokenizer, folder)
    by_split = videos_by_split(videos)
    swapped = frozenset(by_split) - {TRAIN} if options.role_foils else frozenset()
    encoder = CaptionEncoder(vocabulary.tokenizer, attributes, annotations.roles)
    maker = RecordMaker(
        features,
        encoder,
        swapped,
        learn_foils(run.training_videos(), run.processes) if options.foils else None,
        options.foils,
    )
    streams = features.describe(features.new_statistics())
    record_bytes = _feature_bytes(features, first_training_video(videos))
    records, shards = write_records(
        lambda writer: run.write(maker, writer),
        ShardPlan.divide(by_split, record_bytes, options.shard_bytes),
        streams,
        folder,
        description=f"{annotations.name}, protocol {annotations.protocol}",
        homepage=annotations.homepage,
        citation=annotations.citation,
        license_text=annotations.licence,
    )
    # In the order of the plan, so that sums are rounded alike whoever wrote the shards.
    statistics = features.new_statistics()
    for shard in shards:
        for name, part in shard.statistics.items():
            statistics[name].merge(part)
    manifest = Manifest(
        dataset=annotations.name,
        protocol=annotations.protocol,
        splits=count_splits(shards),
        streams=tuple(features.describe(statistics)),
        frames=FrameSampling(**dataclasses.asdict(options.frames)),
        tokenizer=vocabulary.tokenizer_file,
        word_vectors=vocabulary.word_vector_file,
        roles=annotations.roles,
        modifier_kinds=MODIFIER_KINDS,
        attributes=attribute_file,
        parser=run.parser,
        records=records,
        checksums={shard.file: shard.sha256 for shard in sorted(shards, key=lambda shard: shard.file)},
        versions={name: metadata.version(name) for name in _PACKAGES},
        caption_sizes=sizes_of_captions(shards),
    )
    manifest.save(folder)
    return {
        "splits": {name: dataclasses.asdict(summary) for name, summary in manifest.splits.items()},
        "foils": count_foils(shards, [TRAIN] if options.foils else []),
        "captions_parsed_now": survey.parsed,
        "captions_from_cache": survey.cached,
        "captions_without_entity": survey.counts.get((CAPTIONS, WITHOUT_ENTITY), 0),
        "captions_without_action": survey.counts.get((CAPTIONS, WITHOUT_ACTION), 0),
        "captions_without_any_node": survey.counts.get((CAPTIONS, WITHOUT_ANY_NODE), 0),
        "longest_caption": {
            part: max(sizes.longest(part) for sizes in manifest.caption_sizes.values())
            for part in CAPTION_PARTS
        },
        "tokenizer": {
            "kind": vocabulary.tokenizer.kind,
            "size": vocabulary.tokenizer.size,
            "choice": options.tokenizer.choice,
        },
        "words_without_vector": vocabulary.words_without_vector,
        "attributes": manifest.attribute_sizes,
        "fingerprint": manifest.fingerprint,
    }


def _feature_bytes(features: FeatureReader, video: Video) -> int:
    """Size of a video's features, by far the largest part of its record."""
    read = features.read(video.video_id, video.segment)
    return sum(array.nbytes for array in (*read.frames.values(), *read.regions.values()))


def _save_attributes(attributes: AttributeVocabulary, folder: pathlib.Path) -> AttributeFile:
    path = folder / _ATTRIBUTES_NAME
    path.write_text(json.dumps(attributes.to_json(), indent=1) + "\n", encoding="utf-8")
    sizes = {level: len(names) for level, names in attributes.names.items()}
    return AttributeFile(_ATTRIBUTES_NAME, sha256_of(path), sizes)


@contextlib.contextmanager
def new_folder(out: pathlib.Path, overwrite: bool, flag: str = "--out") -> Iterator[pathlib.Path]:
    """Yields a temporary folder beside ``out`` that takes its place when the block ends without an error.

    Args:
        out: where the folder will be; only a prepared data set may be there.
        overwrite: whether it may be replaced.
        flag: with which another folder is named, for messages.

    Raises:
        InputError: something else is there or must not be replaced, or no folder can be made.
    """
    check_out(out, overwrite, flag)
    unfinished = out.with_name(f".{out.name}.unfinished")
    # What a killed run left.
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        _move_into_place(unfinished, out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def check_out(out: pathlib.Path, overwrite: bool = False, flag: str = "--out") -> None:
    """Refuses, before long work, a folder that could not be made in the end; see `new_folder`."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not (out / MANIFEST_NAME).is_file():
            raise InputError(f"{out} exists already and is not a prepared data set; choose another {flag}")
        if not overwrite:
            raise InputError(
                f"{out} exists already; choose another {flag}, or give --overwrite to replace it"
            )
    check_writable(out.parent, f"choose another {flag}")


def _move_into_place(complete: pathlib.Path, out: pathlib.Path) -> None:
    """Puts the complete folder where an older one may be; that one is deleted last."""
    replaced = out.with_name(f".{out.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if out.exists():
        out.replace(replaced)
    complete.replace(out)
    shutil.rmtree(replaced, ignore_errors=True)
