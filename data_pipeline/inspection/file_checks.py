"""The files of a prepared data set beside its records: are they those that the manifest names?"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_pipeline.captions.attributes import AttributeVocabulary
from data_pipeline.captions.tokenizers.loading import load_tokenizer
from data_pipeline.captions.tokenizers.protocol import Tokenizer
from data_pipeline.checksums import sha256_of
from data_pipeline.manifest import AttributeFile, Manifest, TokenizerFile, WordVectorFile
from mcsan_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class PreparedData:
    """A prepared data set; the tokenizer or the vocabulary is None where its file cannot be used."""

    folder: Path
    manifest: Manifest
    tokenizer: Tokenizer | None
    vocabulary: AttributeVocabulary | None


def open_data(folder: Path, split: str | None = None) -> tuple[PreparedData, list[str]]:
    """Opens a prepared data set, and tells what is wrong with its files.

    Args:
        folder: of the data set.
        split: the only split whose record files are checked.

    Raises:
        InputError: there is no manifest, it was changed, or it has no such split.
    """
    manifest = Manifest.load(folder)
    if split is not None and split not in manifest.splits:
        raise InputError(f"{folder} has no split {split!r}; it has {', '.join(manifest.splits)}")
    problems = checksum_problems(
        folder, manifest_checksums(manifest, [split] if split else list(manifest.splits))
    )
    tokenizer, found = open_tokenizer(folder, manifest)
    problems += [problem for problem in found if problem not in problems]
    vocabulary, found = open_vocabulary(folder, manifest)
    problems += found
    return PreparedData(folder, manifest, tokenizer, vocabulary), problems + surplus_files(folder, manifest)


def manifest_checksums(manifest: Manifest, splits: Sequence[str]) -> dict[str, str]:
    """SHA-256 of each file that the manifest names, by path relative to the manifest's folder.

    Args:
        manifest: of the data set.
        splits: whose record files are wanted.
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
    """The files that are missing or changed.

    Args:
        folder: of the prepared data set.
        checksums: SHA-256, hexadecimal, by path relative to the folder.
    """
    problems = []
    for relative, expected in checksums.items():
        path = folder / relative
        try:
            found = sha256_of(path)
        except OSError as error:
            problems.append(f"{path}: cannot be read ({error.strerror})")
            continue
        if found != expected:
            problems.append(
                f"{path}: was changed after it was written; its SHA-256 is {found}, expected {expected}"
            )
    return problems


def surplus_files(folder: Path, manifest: Manifest) -> list[str]:
    """Record files that the manifest does not name, such as those of an older preparation."""
    found = sorted((folder / manifest.records).glob("*.tfrecord*"))
    return [
        f"{path}: the manifest names no such file" for path in found if path.name not in manifest.checksums
    ]


def open_tokenizer(folder: Path, manifest: Manifest) -> tuple[Tokenizer | None, list[str]]:
    """The tokenizer if it can be read, and what is wrong with it."""
    described = manifest.tokenizer
    if problems := checksum_problems(folder, {described.file: described.sha256}):
        return None, problems
    try:
        return load_tokenizer(folder / described.file, described.kind), []
    except InputError as error:
        return None, [str(error)]


def open_vocabulary(folder: Path, manifest: Manifest) -> tuple[AttributeVocabulary | None, list[str]]:
    """The attribute vocabularies if they can be read, and what is wrong with them."""
    path = folder / manifest.attributes.file
    try:
        vocabulary = AttributeVocabulary.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        return None, [f"{path}: {error}"]
    problems = []
    for level, size in manifest.attribute_sizes.items():
        if len(vocabulary.names[level]) != size:
            problems.append(f"{path}, {level}: {len(vocabulary.names[level])} attributes; expected {size}")
        if list(vocabulary.video_counts[level]) != sorted(vocabulary.video_counts[level], reverse=True):
            problems.append(f"{path}, {level}: not in the order of the number of videos")
    return (None if problems else vocabulary), problems
