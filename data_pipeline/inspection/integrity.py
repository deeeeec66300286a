"""This module checks a prepared folder: its files, and each record against what the manifest promises."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from data_pipeline.errors import InputError, nearest_name
from data_pipeline.graphs.attributes import AttributeVocabulary, open_attributes
from data_pipeline.host.files import checksum_problem
from data_pipeline.manifest import AttributeFile, Manifest, TokenizerFile, WordVectorFile
from data_pipeline.records.schema import ACTION_NODE, ENTITY_NODE, EncodedCaption, VideoRecord
from data_pipeline.text.tokenizer import PAD_ID, Tokenizer
from data_pipeline.text.vocabulary import open_tokenizer


@dataclasses.dataclass(frozen=True)
class InspectedData:
    """Inspected data is a prepared data set; its tokenizer or vocabulary is None where the file cannot be used."""

    folder: Path
    manifest: Manifest
    tokenizer: Tokenizer | None
    vocabulary: AttributeVocabulary | None


def open_data(folder: Path, split: str | None = None) -> tuple[InspectedData, list[str]]:
    """Opens a prepared data set, and says what is wrong with its files.

    Args:
        folder: the folder of the data set.
        split: the only split whose record files are checked; None checks all.

    Raises:
        InputError: there is no manifest, the manifest was changed, or it has no such split.
    """
    manifest = Manifest.load(folder)
    if split is not None and split not in manifest.splits:
        raise InputError(
            f"{folder} has no split {split!r}; {nearest_name(split, manifest.splits)}it has "
            f"{', '.join(manifest.splits)}"
        )
    problems = checksum_problems(
        folder, manifest_checksums(manifest, [split] if split else list(manifest.splits))
    )
    tokenizer = vocabulary = None
    try:
        tokenizer = open_tokenizer(folder, manifest.tokenizer)
    except InputError as error:
        # The check of checksums has already reported the file.
        if not any(problem.startswith(f"{folder / manifest.tokenizer.file}:") for problem in problems):
            problems.append(str(error))
    try:
        vocabulary = open_attributes(folder, manifest.attributes)
    except InputError as error:
        problems.append(str(error))
    return InspectedData(folder, manifest, tokenizer, vocabulary), problems + surplus_files(folder, manifest)


def manifest_checksums(manifest: Manifest, splits: Sequence[str]) -> dict[str, str]:
    """Returns the SHA-256 of each file that the manifest names, by path relative to the manifest's folder.

    Args:
        manifest: the manifest of the data set.
        splits: the splits whose record files are wanted.
    """
    files: list[TokenizerFile | AttributeFile | WordVectorFile] = [manifest.tokenizer, manifest.attributes]
    if manifest.word_vectors is not None:
        files.append(manifest.word_vectors)
    return {file.file: file.sha256 for file in files} | {
        f"{manifest.records}/{name}": checksum
        for name, checksum in manifest.checksums.items()
        if any(f"-{split}.tfrecord" in name for split in splits)
    }


def checksum_problems(folder: Path, checksums: Mapping[str, str]) -> list[str]:
    """Returns messages about the files that are missing or changed.

    Args:
        folder: the folder of the prepared data set.
        checksums: the SHA-256, hexadecimal, by path relative to the folder.
    """
    found = (checksum_problem(folder / relative, expected) for relative, expected in checksums.items())
    return [problem for problem in found if problem]


def surplus_files(folder: Path, manifest: Manifest) -> list[str]:
    """Returns messages about record files that the manifest does not name, such as those of an older preparation."""
    found = sorted((folder / manifest.records).glob("*.tfrecord*"))
    return [
        f"{path}: the manifest names no such file" for path in found if path.name not in manifest.checksums
    ]


Problem = tuple[str, str]
"""A problem is the key under which something wrong is stored, and what is wrong."""


def record_problems(record: VideoRecord, manifest: Manifest, tokenizer: Tokenizer | None) -> Iterator[str]:
    """Yields all that is wrong with a record, each with its key.

    Args:
        record: a record of the data set.
        manifest: the description that records must fit.
        tokenizer: the tokenizer that made the token ids; None where it cannot be read.
    """
    for key, message in _video_problems(record, manifest):
        yield f"{key}: {message}"
    foils = [foil.caption for foil in record.foils]
    for group, captions in (("captions", record.captions), ("foils", foils)):
        for number, caption in enumerate(captions):
            for key, message in _caption_problems(caption, manifest, tokenizer):
                yield f"{group}/{key}, number {number} ({caption.caption_id!r}): {message}"


def _video_problems(record: VideoRecord, manifest: Manifest) -> Iterator[Problem]:
    if not record.video_id:
        yield "video_id", "empty"
    yield from _feature_problems(record)
    if not record.captions:
        yield "captions/ids", "no captions"
    ids = [caption.caption_id for caption in record.captions]
    for repeated in sorted({one for one in ids if ids.count(one) > 1}):
        yield "captions/ids", f"{repeated!r} occurs {ids.count(repeated)} times"
    for number, foil in enumerate(record.foils):
        if not 0 <= foil.caption_index < len(ids):
            found = f"number {number}: {foil.caption_index}, but the video has {len(ids)} captions"
            yield "foils/caption_indices", found
        if not foil.kind:
            yield "foils/kinds", f"number {number}: empty"
    yield from _attribute_problems(record.attributes, manifest.attribute_sizes)
    for level, given in record.attributes.items():
        union = {one for caption in record.captions for one in caption.attributes[level]}
        if set(given) != union:
            difference = sorted(union ^ set(given))
            yield f"attributes/{level}", f"not those of its captions; they differ in {difference}"


def _feature_problems(record: VideoRecord) -> Iterator[Problem]:
    frames = {f"frames/{name}": values for name, values in record.frames.items()}
    regions = {f"regions/{name}": values for name, values in record.regions.items()}
    for key, values in (frames | regions).items():
        if not len(values):
            yield key, "no frames"
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            yield key, f"{len(bad)} values are NaN or infinite, the first in frame {bad[0, 0]}"
    longest = max(len(values) for values in (frames | regions).values())
    times = record.frame_times
    if len(times) not in (0, longest):
        yield "frame_times", f"{len(times)}; expected none or {longest}, one per frame of the longest stream"
    if not np.isfinite(times).all() or (times < 0).any() or (np.diff(times) < 0).any():
        yield "frame_times", f"{times.tolist()}; expected ascending seconds from 0 on"


def _caption_problems(
    caption: EncodedCaption, manifest: Manifest, tokenizer: Tokenizer | None
) -> Iterator[Problem]:
    if not caption.text.strip():
        yield "texts", "blank"
    yield from _token_problems(caption, manifest.tokenizer.size, tokenizer)
    yield from _node_problems(caption, len(manifest.roles))
    yield from _modifier_problems(caption, len(manifest.modifier_kinds))
    yield from _edge_problems(caption, len(manifest.roles))
    yield from _attribute_problems(caption.attributes, manifest.attribute_sizes)


def _token_problems(caption: EncodedCaption, size: int, tokenizer: Tokenizer | None) -> Iterator[Problem]:
    ids = caption.token_ids
    outside = [token for token in ids if not PAD_ID < token < size]
    if not ids:
        yield "token_ids", "no tokens"
    elif outside:
        yield "token_ids", f"{outside}; expected ids from {PAD_ID + 1} to {size - 1}"
    elif tokenizer is not None and tokenizer.encode(caption.text).ids != ids:
        yield "token_ids", f"{tokenizer.decode(ids)!r} is not the text {caption.text!r}"


def _node_problems(caption: EncodedCaption, roles: int) -> Iterator[Problem]:
    tokens = len(caption.token_ids)
    nodes = zip(
        caption.node_levels, caption.node_spans, caption.node_roles, caption.node_negations, strict=True
    )
    for node, (level, (first, end), role, negated) in enumerate(nodes):
        if level not in (ENTITY_NODE, ACTION_NODE):
            yield "node_levels", f"node {node} is {level}; expected {ENTITY_NODE} or {ACTION_NODE}"
        if not 0 <= first < end <= tokens:
            yield "node_spans", f"node {node} goes from token {first} to before {end}, of {tokens} tokens"
        if not 0 <= role < roles:
            yield "node_roles", f"node {node} has role {role}; expected ids from 0 to {roles - 1}"
        if negated not in (0, 1):
            yield (
                "node_negations",
                f"node {node} has {negated}; expected 1 where it is denied and 0 elsewhere",
            )


def _modifier_problems(caption: EncodedCaption, kinds: int) -> Iterator[Problem]:
    nodes, tokens = len(caption.node_levels), len(caption.token_ids)
    for number, (node, kind, first, end) in enumerate(caption.modifiers):
        if not 0 <= node < nodes:
            yield "modifiers", f"modifier {number} is of node {node}, of {nodes} nodes"
        if not 0 <= kind < kinds:
            yield "modifiers", f"modifier {number} has kind {kind}; expected ids from 0 to {kinds - 1}"
        if not 0 <= first < end <= tokens:
            yield (
                "modifiers",
                f"modifier {number} goes from token {first} to before {end}, of {tokens} tokens",
            )


def _edge_problems(caption: EncodedCaption, roles: int) -> Iterator[Problem]:
    nodes = len(caption.node_levels)
    for number, (source, target, role, negated) in enumerate(caption.edges):
        ends = f"relationship {number} goes from node {source} to {target}"
        if not (0 <= source < nodes and 0 <= target < nodes):
            yield "edges", f"{ends}, of {nodes} nodes"
        elif source == target:
            yield "edges", f"{ends}; expected two nodes"
        elif caption.node_levels[source] == ENTITY_NODE and caption.node_levels[target] == ACTION_NODE:
            yield "edges", f"{ends}, an entity and an action; expected the action to have the entity"
        if not 0 <= role < roles:
            yield "edges", f"relationship {number} has role {role}; expected ids from 0 to {roles - 1}"
        if negated not in (0, 1):
            yield (
                "edges",
                f"relationship {number} has {negated}; expected 1 where it is denied and 0 elsewhere",
            )


def _attribute_problems(
    attributes: Mapping[str, Sequence[int]], sizes: Mapping[str, int]
) -> Iterator[Problem]:
    for level, ids in attributes.items():
        outside = [one for one in ids if not 0 <= one < sizes[level]]
        if outside:
            yield f"attributes/{level}", f"{outside}; expected ids from 0 to {sizes[level] - 1}"
        if list(ids) != sorted(set(ids)):
            yield f"attributes/{level}", f"{list(ids)}; expected ascending ids, each once"
