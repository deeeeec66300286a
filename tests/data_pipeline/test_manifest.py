import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_pipeline.errors import InputError
from data_pipeline.manifest import (
    AttributeFile,
    FeatureStream,
    FrameSampling,
    Manifest,
    SplitSummary,
    TokenizerFile,
    WordVectorFile,
)


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        dataset="msrvtt",
        protocol="1k-A",
        splits={"train": SplitSummary(9000, 180000, 0), "test": SplitSummary(1000, 1000, 30)},
        streams=(
            FeatureStream("appearance", "frames", 3, 0, (0.5, 0.25, -1.0), (1.0, 2.0, 3.0), "a backbone"),
            FeatureStream("motion", "frames", 2, 0, (0.0, 0.0), (1.0, 1.0), "another"),
            FeatureStream("objects", "regions", 4, 36, (0.0,) * 4, (1.0,) * 4, "a detector"),
        ),
        frames=FrameSampling("index", 0),
        tokenizer=TokenizerFile("word", 8000, "tokenizer.model", "ab" * 32),
        word_vectors=WordVectorFile("word_vectors.npz", "ef" * 32, "glove.6B.300d.txt", 300, 7900),
        roles=("none", "agent", "patient"),
        modifier_kinds=("colour", "size"),
        attributes=AttributeFile("attributes.json", "cd" * 32, {"entity": 500, "action": 200}),
        parser={"name": "spacy", "model": "en"},
        records="records/video_text/1.0.0",
        checksums={"video_text-train.tfrecord-00000-of-00001": "12" * 32},
        versions={"numpy": "2"},
    )


def test_round_trip_and_sizes(manifest: Manifest, tmp_path: Path) -> None:
    manifest.save(tmp_path / "new")
    loaded = Manifest.load(tmp_path / "new")
    assert loaded == manifest
    assert (loaded.frame_dim, loaded.region_dim, loaded.regions_per_frame) == (5, 4, 36)
    assert loaded.attribute_sizes == {"entity": 500, "action": 200}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["manifest.json"]


def test_without_regions_their_sizes_are_zero(manifest: Manifest) -> None:
    plain = dataclasses.replace(manifest, streams=manifest.streams[:2])
    assert (plain.region_dim, plain.regions_per_frame, plain.region_stream) == (0, 0, None)


def test_statistics_keep_seven_digits(manifest: Manifest, tmp_path: Path) -> None:
    stream = dataclasses.replace(manifest.streams[1], mean=(1 / 3, 123456.789), std=(2e-9 / 3, 1.0))
    precise = dataclasses.replace(manifest, streams=(stream,))
    precise.save(tmp_path)
    loaded = Manifest.load(tmp_path)
    assert loaded.streams[0].mean == (0.3333333, 123456.8)
    assert loaded.streams[0].std == (6.666667e-10, 1.0)
    assert loaded.fingerprint == precise.fingerprint


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"versions": {"numpy": "3"}}, True),
        ({"records": "elsewhere"}, True),
        ({"protocol": "full"}, False),
        ({"roles": ("none", "patient", "agent")}, False),
        ({"tokenizer": TokenizerFile("sentencepiece", 8000, "tokenizer.model", "ff" * 32)}, False),
    ],
)
def test_fingerprint_covers_what_matters(manifest: Manifest, change: dict, same: bool) -> None:
    assert (dataclasses.replace(manifest, **change).fingerprint == manifest.fingerprint) is same


def test_missing_folder_and_missing_file_name_the_folder(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"No prepared data set in .*nowhere: the folder does not exist.*prepare"
    ):
        Manifest.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match=rf"No prepared data set in {tmp_path}: it has no manifest\.json"):
        Manifest.load(tmp_path)


def _edit(folder: Path, manifest: Manifest, edit) -> None:
    manifest.save(folder)
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda content: content.update(schema_version=99),
            "schema version 99, and this program reads version 3: a newer version of mcsan-jax wrote the prepared data",
        ),
        (
            lambda content: content.update(schema_version=2),
            "an earlier version of mcsan-jax wrote the prepared data; .*run `python -m data_pipeline.prepare` again",
        ),
        (lambda content: content.pop("schema_version"), "schema_version is missing"),
        (lambda content: content.pop("roles"), "roles is missing; expected a list: Names of the roles"),
        (
            lambda content: content["splits"]["test"].pop("foils"),
            r"splits\.test\.foils is missing; expected a whole number in \[0, ∞\)",
        ),
        (
            lambda content: content["streams"][2].update(dim=0),
            r"streams\.2\.dim is 0; expected a whole number in \[1, ∞\): Size of a vector",
        ),
        (
            lambda content: content["streams"][1]["mean"].append("3"),
            r"streams\.1\.mean\.2 is '3'; expected a number",
        ),
        (
            lambda content: content["streams"][0].update(kind="pixels"),
            r"kind is 'pixels'; expected one of 'frames'",
        ),
        (
            lambda content: content["attributes"]["sizes"].update(entity=-1),
            r"attributes\.sizes\.entity is -1; ",
        ),
        (
            lambda content: content["word_vectors"].pop("known"),
            r"word_vectors\.known is missing; expected a whole",
        ),
        (lambda content: content.update(splits=[]), r"splits is \[\]; expected a group of fields: How much"),
        (
            lambda content: content["tokenizer"].update(sha=""),
            "tokenizer.sha is no known key; .*'tokenizer.sha256'",
        ),
        (lambda content: content["splits"]["test"].update(foils=31), "was changed after it was written"),
    ],
)
def test_unusable_manifests_say_what_is_wrong(manifest: Manifest, tmp_path: Path, edit, message: str) -> None:
    _edit(tmp_path, manifest, edit)
    with pytest.raises(InputError, match=rf"manifest\.json.*{message}"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_manifest_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        Manifest.load(tmp_path)


def test_all_that_is_wrong_is_named_at_once(manifest: Manifest, tmp_path: Path) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["rolls"] = content.pop("roles")
        del content["splits"]["test"]["foils"], content["tokenizer"]["sha256"]
        content["streams"][2]["regions"] = "36"

    _edit(tmp_path, manifest, edit)
    with pytest.raises(InputError) as caught:
        Manifest.load(tmp_path)
    *faults, advice = str(caught.value).splitlines()
    start = f"{tmp_path / 'manifest.json'}: "
    assert [line.removeprefix(start).split(";")[0] for line in faults] == [
        "splits.test.foils is missing",
        "tokenizer.sha256 is missing",
        "roles is missing",
        "streams.2.regions is '36'",
        "rolls is no known key",
    ]
    assert faults[-1].endswith("did you mean 'roles'?") and "prepare" in advice


def test_numbers_that_make_no_sense_cannot_be_made() -> None:
    with pytest.raises(ValidationError, match="captions"):
        SplitSummary(videos=1, captions=-1, foils=0)


WRITTEN = {
    "fingerprint": "0bbae4158b2122a875c86ff4d484abfcf7d9562843da3da3b6bb74eed20ffb65",
    "schema_version": 3,
    "dataset": "msrvtt",
    "protocol": "1k-A",
    "splits": {
        "train": {"videos": 9000, "captions": 180000, "foils": 0},
        "test": {"videos": 1000, "captions": 1000, "foils": 30},
    },
    "frames": {"alignment": "index", "count": 0},
    "tokenizer": {"kind": "word", "size": 8000, "file": "tokenizer.model", "sha256": "ab" * 32},
    "word_vectors": None,
    "roles": ["none", "agent", "patient"],
    "modifier_kinds": ["colour", "size"],
    "attributes": {
        "file": "attributes.json",
        "sha256": "cd" * 32,
        "sizes": {"entity": 500, "action": 200},
    },
    "parser": {"name": "spacy", "model": "en"},
    "records": "records/video_text/1.0.0",
    "checksums": {"video_text-train.tfrecord-00000-of-00001": "12" * 32},
    "versions": {"numpy": "2"},
    "caption_sizes": {
        "train": {
            "tokens": [0, 1, 2],
            "actions": [0, 3],
            "entities": [1, 2],
            "relationships": [3],
            "modifiers": [1, 1, 1],
        }
    },
    "streams": [
        {
            "name": "appearance",
            "kind": "frames",
            "dim": 3,
            "regions": 0,
            "mean": [0.3333333, 123456.8, -1.0],
            "std": [6.666667e-10, 2.0, 3.0],
            "source": "a backbone",
        },
        {
            "name": "objects",
            "kind": "regions",
            "dim": 4,
            "regions": 36,
            "mean": [0.0, 0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0, 1.0],
            "source": "a detector",
        },
    ],
}
"""A file of this schema version, with its fingerprint as it was when the version was new."""


def test_a_file_opens_and_is_written_to_the_same_bytes(tmp_path: Path) -> None:
    text = json.dumps(WRITTEN, indent=1) + "\n"
    (tmp_path / "manifest.json").write_text(text)
    loaded = Manifest.load(tmp_path)
    assert loaded.fingerprint == WRITTEN["fingerprint"]
    assert loaded.streams[0].mean == (0.3333333, 123456.8, -1.0)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "manifest.json").read_text() == text
