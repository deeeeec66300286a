"""Annotations and features → parsed, tokenized, labelled TFRecords with a manifest, all or nothing."""

import dataclasses
import functools
import hashlib
import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from data_pipeline.annotations.caption import TRAIN, Annotations, Caption, Foil
from data_pipeline.captions.attributes import mine_attributes
from data_pipeline.captions.graph import ROLES
from data_pipeline.captions.graph_cache import CachedGraphs, GraphCache
from data_pipeline.captions.parser import CaptionParser, parser_identity
from data_pipeline.captions.tokenizer import train_tokenizer
from data_pipeline.encoding import CaptionEncoder
from data_pipeline.feature_streams import StreamReader
from data_pipeline.features.readers import FeatureSource
from data_pipeline.host_tensorflow import load_tensorflow
from data_pipeline.manifest import MANIFEST_NAME, AttributeFile, Manifest, TokenizerFile
from data_pipeline.record_maker import RecordMaker
from data_pipeline.selection import refuse_omissions, select_captions
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
    out = out.absolute()
    _check_free(out, options.overwrite)
    captions_of, report = select_captions(source.annotations, source.features, options.max_words)
    if options.strict:
        refuse_omissions(report)
    texts = [caption.text for captions in captions_of.values() for caption in captions]
    texts += [foil.text for video_id in captions_of for foil in source.foils.get(video_id, ())]

    unfinished = out.with_name(f".{out.name}.unfinished")
    # What a killed run left.
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _make_folder(unfinished)
        parsed = GraphCache.in_folder(graph_cache, parser_identity()).graphs_of(texts, CaptionParser)
        report |= _write(source, captions_of, parsed, unfinished, options)
        (unfinished / REPORT_NAME).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        _move_into_place(unfinished, out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return report


def _make_folder(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{folder.parent}: no folder can be made in it ({error.strerror}); choose another --out"
        ) from error


def _check_free(out: pathlib.Path, overwrite: bool) -> None:
    """Refuses to replace anything but a prepared data set, and that only on demand."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST_NAME).is_file():
        raise InputError(f"{out} exists already and is not a prepared data set; choose another --out")
    if not overwrite:
        raise InputError(f"{out} exists already; choose another --out, or give --overwrite to replace it")


def _move_into_place(complete: pathlib.Path, out: pathlib.Path) -> None:
    """Puts the complete folder where an older one may be; that one is deleted last."""
    replaced = out.with_name(f".{out.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if out.exists():
        out.replace(replaced)
    complete.replace(out)
    shutil.rmtree(replaced, ignore_errors=True)


def _write(
    source: Source,
    captions_of: Mapping[str, Sequence[Caption]],
    parsed: CachedGraphs,
    folder: pathlib.Path,
    options: Options,
) -> dict[str, Any]:
    """Writes tokenizer, attributes, records and manifest; returns their part of the report."""
    # Before TensorFlow Datasets loads it with its own settings.
    load_tensorflow()
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
        {split: functools.partial(maker.records, split, ids) for split, ids in videos_of.items()},
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
