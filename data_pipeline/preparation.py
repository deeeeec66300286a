"""Annotations and features → parsed, tokenized, labelled TFRecords with a manifest, all or nothing."""

import collections
import dataclasses
import functools
import hashlib
import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from data_pipeline.annotations.caption import TRAIN, Annotations, Caption
from data_pipeline.annotations.splits import count_warnings
from data_pipeline.captions.attributes import mine_attributes
from data_pipeline.captions.graph import ROLES
from data_pipeline.captions.graph_cache import CachedGraphs, GraphCache
from data_pipeline.captions.parser import CaptionParser, parser_identity
from data_pipeline.captions.tokenizer import train_tokenizer
from data_pipeline.encoding import CaptionEncoder
from data_pipeline.feature_streams import StreamReader, videos_in_all
from data_pipeline.features.readers import FeatureSource
from data_pipeline.manifest import MANIFEST_NAME, AttributeFile, Manifest, TokenizerFile
from data_pipeline.record_maker import Foil, RecordMaker
from mcsan_jax.errors import InputError
from mcsan_jax.levels import ACTION, ENTITY, RELATIONSHIP

REPORT_NAME = "prepare_report.json"
_TOKENIZER_NAME = "tokenizer.model"
_ATTRIBUTES_NAME = "attributes.json"
_PACKAGES = ("mcsan-jax", "tensorflow-datasets", "sentencepiece", "spacy", "numpy")


@dataclasses.dataclass(frozen=True)
class Source:
    """What is prepared: captions, features of one or several streams, and foils by video id."""

    annotations: Annotations
    features: Mapping[str, FeatureSource]
    foils: Mapping[str, Sequence[Foil]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Options:
    """How it is prepared.

    Attributes:
        tokenizer: kind of sentencepiece model: unigram, bpe or word.
        vocabulary_size: most tokens.
        attribute_minimum_videos: an attribute must occur in that many training videos.
        max_attributes: most attributes of each level.
        max_words: words of a caption beyond these are cut off.
        strict: whether anything left out or cut off is an error.
        overwrite: whether a prepared data set may be replaced.
    """

    tokenizer: str = "unigram"
    vocabulary_size: int = 8000
    attribute_minimum_videos: int = 5
    max_attributes: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: {ENTITY: 1000, ACTION: 500, RELATIONSHIP: 1000}
    )
    max_words: int = 60
    strict: bool = False
    overwrite: bool = False


def prepare(source: Source, out: pathlib.Path, graph_cache: pathlib.Path, options: Options) -> dict[str, Any]:
    """Prepares a data set in a temporary folder beside `out` and moves it into place when it is complete.

    Args:
        source: what to prepare.
        out: folder to be made.
        graph_cache: folder of parsed captions, shared by data sets; nothing in it is parsed again.
        options: how to prepare it.

    Returns:
        The report that is also written to ``prepare_report.json``.

    Raises:
        InputError: the input cannot be used, or something was left out in strict mode.
    """
    if out.exists() and any(out.iterdir()) and not (options.overwrite and (out / MANIFEST_NAME).exists()):
        raise InputError(
            f"{out} exists already; choose another --out, or give --overwrite to replace a prepared data set"
        )
    captions_of, report = _choose_videos(source, options)
    if options.strict:
        _refuse_omissions(report)
    texts = [caption.text for captions in captions_of.values() for caption in captions]
    texts += [foil.text for video_id in captions_of for foil in source.foils.get(video_id, ())]
    parsed = GraphCache.in_folder(graph_cache, parser_identity()).graphs_of(texts, CaptionParser)

    temporary = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        report |= _write(source, captions_of, parsed, temporary, options)
        (temporary / REPORT_NAME).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return report


def _choose_videos(source: Source, options: Options) -> tuple[dict[str, list[Caption]], dict[str, Any]]:
    """Captions by video, for the videos that have features in every stream; and what was left out or cut."""
    captions_of: dict[str, list[Caption]] = collections.defaultdict(list)
    for caption in source.annotations.captions:
        captions_of[caption.video_id].append(caption)
    with_features = videos_in_all(source.features)
    missing = [video_id for video_id in captions_of if video_id not in with_features]
    chosen = {video_id: captions for video_id, captions in captions_of.items() if video_id in with_features}
    if not chosen:
        raise InputError(
            f"none of the {len(captions_of)} annotated videos has features; the annotations name videos like "
            f"{next(iter(captions_of))!r}, the features like {min(with_features, default='(none)')!r}"
        )
    if not any(captions[0].split == TRAIN for captions in chosen.values()):
        raise InputError(
            "no training video has features; attributes, tokenizer and statistics come from training"
        )
    shortened = {
        video_id: [_cut(c, options.max_words) for c in captions] for video_id, captions in chosen.items()
    }
    truncated = [
        old.caption_id
        for video_id, captions in chosen.items()
        for old, new in zip(captions, shortened[video_id], strict=True)
        if old != new
    ]
    warnings = [*source.annotations.notes, *count_warnings(source.annotations)]
    return shortened, {
        "dataset": source.annotations.name,
        "protocol": source.annotations.protocol,
        "warnings": warnings,
        "videos_without_features": missing,
        "features_without_captions": sorted(with_features - set(captions_of)),
        "truncated_captions": truncated,
    }


def _cut(caption: Caption, max_words: int) -> Caption:
    """The caption with its first words only, where it is overlong."""
    words = caption.text.split()
    if len(words) <= max_words:
        return caption
    return dataclasses.replace(caption, text=" ".join(words[:max_words]))


def _refuse_omissions(report: Mapping[str, Any]) -> None:
    reasons = [*report["warnings"]]
    for key in ("videos_without_features", "features_without_captions", "truncated_captions"):
        if report[key]:
            first = ", ".join(report[key][:5])
            reasons.append(
                f"{len(report[key])} {key.replace('_', ' ')}: {first}{' …' * (len(report[key]) > 5)}"
            )
    if reasons:
        raise InputError("strict preparation refuses to leave anything out:\n  " + "\n  ".join(reasons))


def _write(
    source: Source,
    captions_of: Mapping[str, Sequence[Caption]],
    parsed: CachedGraphs,
    folder: pathlib.Path,
    options: Options,
) -> dict[str, Any]:
    """Writes tokenizer, attributes, records and manifest; returns their part of the report."""
    from data_pipeline.builders.video_text import write_records

    graphs = parsed.graphs
    videos_of = _videos_by_split(captions_of)
    vocabulary = mine_attributes(
        {video_id: [graphs[c.text] for c in captions_of[video_id]] for video_id in videos_of[TRAIN]},
        options.attribute_minimum_videos,
        options.max_attributes,
    )
    attributes_path = folder / _ATTRIBUTES_NAME
    attributes_path.write_text(json.dumps(vocabulary.to_json(), indent=1) + "\n", encoding="utf-8")
    training_texts = (c.text for video_id in videos_of[TRAIN] for c in captions_of[video_id])
    tokenizer = train_tokenizer(
        training_texts, folder / _TOKENIZER_NAME, options.tokenizer, options.vocabulary_size
    )

    first = videos_of[TRAIN][0]
    readers = [StreamReader(name, features, first) for name, features in source.features.items()]
    maker = RecordMaker(captions_of, source.foils, readers, CaptionEncoder(tokenizer, vocabulary), graphs)
    records, splits = write_records(
        {split: functools.partial(maker.records, ids, split == TRAIN) for split, ids in videos_of.items()},
        [reader.describe() for reader in readers],
        folder,
        description=f"{source.annotations.name}, protocol {source.annotations.protocol}",
        citation=source.annotations.citation,
        license_text=source.annotations.licence,
    )
    manifest = Manifest(
        dataset=source.annotations.name,
        protocol=source.annotations.protocol,
        splits=splits,
        streams=tuple(reader.describe() for reader in readers),
        tokenizer=TokenizerFile(tokenizer.kind, tokenizer.size, _TOKENIZER_NAME, tokenizer.sha256),
        roles=ROLES,
        attributes=AttributeFile(
            _ATTRIBUTES_NAME,
            hashlib.sha256(attributes_path.read_bytes()).hexdigest(),
            {level: len(names) for level, names in vocabulary.names.items()},
        ),
        parser=parser_identity(),
        records=records,
        versions={name: metadata.version(name) for name in _PACKAGES},
    )
    manifest.save(folder)
    kept = [graphs[caption.text] for captions in captions_of.values() for caption in captions]
    return {
        "splits": {name: dataclasses.asdict(summary) for name, summary in splits.items()},
        "captions_parsed_now": parsed.parsed,
        "captions_from_cache": parsed.cached,
        "captions_without_entity": sum(not graph.lemmas(ENTITY) for graph in kept),
        "captions_without_action": sum(not graph.lemmas(ACTION) for graph in kept),
        "captions_without_any_node": sum(not graph.nodes for graph in kept),
        "tokenizer": {"kind": tokenizer.kind, "size": tokenizer.size},
        "attributes": manifest.attribute_sizes,
        "fingerprint": manifest.fingerprint,
    }


def _videos_by_split(captions_of: Mapping[str, Sequence[Caption]]) -> dict[str, list[str]]:
    """Video ids of each split, training first."""
    videos_of: dict[str, list[str]] = {TRAIN: []}
    for video_id, captions in captions_of.items():
        videos_of.setdefault(captions[0].split, []).append(video_id)
    return videos_of
