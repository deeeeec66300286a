import dataclasses
import json
from pathlib import Path

import pytest

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
            "schema version 99, but this program reads version 2",
        ),
        (lambda content: content.pop("roles"), "lacks the key 'roles'"),
        (lambda content: content["splits"]["test"].pop("foils"), r"lacks the key 'splits\.test\.foils'"),
        (lambda content: content["streams"][2].pop("dim"), r"lacks the key 'streams\.2\.dim'"),
        (lambda content: content["tokenizer"].pop("sha256"), r"lacks the key 'tokenizer\.sha256'"),
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
