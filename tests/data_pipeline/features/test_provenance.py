"""What made the features goes from their file into the manifest, and two encoders are never mixed."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping

import h5py
import numpy as np
import pytest

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.given_videos import GivenVideos
from data_pipeline.errors import InputError
from data_pipeline.features.ids import MatchedFeatures
from data_pipeline.features.provenance import Provenance, SourceClip
from data_pipeline.features.streams import FeatureReader, open_features
from data_pipeline.manifest import AttributeFile, FrameSampling, Manifest, SplitSummary, TokenizerFile
from tests.support.prepared_data import make_stream

LITE = Provenance(
    encoder="lite0", sha256="a" * 64, preprocessing="(x - 127) / 128", opened_as="lite0", width=4, frames=20
)
CLIP = dataclasses.replace(LITE, encoder="clip", sha256="b" * 64, opened_as="/models/clip")


def write(
    path: pathlib.Path, ids: str, provenance: Provenance | str | None, **attributes: object
) -> pathlib.Path:
    with h5py.File(path, "w") as file:
        if provenance is not None:
            file.attrs["provenance"] = (
                provenance.to_text() if isinstance(provenance, Provenance) else provenance
            )
        for video_id in ids:
            file[video_id] = np.full((3, 4), ord(video_id), np.float16)
            file[video_id].attrs.update(attributes)
    return path


def test_a_file_tells_its_encoder_its_clips_and_their_parts(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "f.hdf5", "a", LITE, clip="/clips/a b.mp4", parts=np.array([[0, 9.5], [9.5, 70]]))
    clip = SourceClip("/clips/a b.mp4", ((0.0, 9.5), (9.5, 70.0)))
    for source in (open_features(path), open_features(tmp_path)):
        assert source.provenance() == LITE
        assert source.clip("a") == clip
    assert MatchedFeatures(open_features(path), {"A": "a"}).clip("A") == clip
    described = FeatureReader({"frames": open_features(path)}, "a")
    assert described.describe(described.new_statistics())[0].provenance == LITE


def test_features_of_other_programs_are_taken_as_they_are(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 4), np.float32))
    for source in (open_features(write(tmp_path / "f.hdf5", "a", None)), open_features(tmp_path / "f.hdf5")):
        assert (source.provenance(), source.clip("a")) == (None, None)
    (tmp_path / "f.hdf5").unlink()
    assert open_features(tmp_path).provenance() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "f.hdf5, 'provenance': expected JSON"),
        (
            json.dumps({**LITE.to_json(), "width": 0}),
            r"f.hdf5, 'provenance': width is 0; expected a whole number",
        ),
        ("{}", "'provenance': encoder is missing"),
    ],
    ids=["no JSON", "wrong", "empty"],
)
def test_a_damaged_provenance_is_named(tmp_path: pathlib.Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_features(write(tmp_path / "f.hdf5", "a", text)).provenance()


def test_damaged_parts_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"f.hdf5, 'a': expected 'clip', the path of a file.*shape \[3\]"):
        open_features(write(tmp_path / "f.hdf5", "a", LITE, clip="a.mp4", parts=np.zeros(3))).clip("a")


def test_files_of_one_stream_come_from_one_encoder(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "train.hdf5", "a", LITE)
    # Sampled more densely, by the same encoder.
    write(tmp_path / "more.hdf5", "b", dataclasses.replace(LITE, frames=None, frames_per_second=2.0))
    write(tmp_path / "of_old.hdf5", "c", None)
    assert open_features(tmp_path).ids() == {"a", "b", "c"}
    write(tmp_path / "test.hdf5", "d", CLIP)
    with pytest.raises(
        InputError, match=r"more\.hdf5 was made by lite0 .weights aaaaaaaa.*test\.hdf5 by clip"
    ):
        open_features(tmp_path)


def manifest(provenance: Provenance | None) -> Manifest:
    return Manifest(
        dataset="own",
        protocol="files",
        splits={"train": SplitSummary(1, 1, 0)},
        streams=(dataclasses.replace(make_stream("look", "frames", 4), provenance=provenance),),
        frames=FrameSampling("index", 0),
        tokenizer=TokenizerFile("word", 9, "tokenizer.model", "ab" * 32),
        word_vectors=None,
        roles=("none",),
        modifier_kinds=("colour",),
        attributes=AttributeFile("attributes.json", "cd" * 32, {"entity": 1}),
        parser={},
        records="records",
        checksums={},
        versions={},
    )


def test_a_manifest_keeps_it_and_an_older_one_keeps_its_fingerprint(tmp_path: pathlib.Path) -> None:
    old, new = manifest(None), manifest(LITE)
    old.save(tmp_path / "old")
    assert "provenance" not in (tmp_path / "old" / "manifest.json").read_text()
    assert Manifest.load(tmp_path / "old") == old
    new.save(tmp_path / "new")
    assert Manifest.load(tmp_path / "new").streams[0].provenance == LITE
    assert len({old.fingerprint, new.fingerprint, manifest(CLIP).fingerprint}) == 3
    elsewhere = dataclasses.replace(CLIP, opened_as="/elsewhere/clip")
    assert manifest(elsewhere).fingerprint == manifest(CLIP).fingerprint


LIMITS = BatchLimits(
    max_frames=4, max_tokens=4, max_actions=1, max_entities=1, max_relationships=1, max_modifiers=4
)


def given(features: Mapping | pathlib.Path, provenance: Provenance | None) -> list[str]:
    return GivenVideos(features, manifest(provenance), LIMITS).ids


@pytest.mark.parametrize(
    ("field", "value"),
    [("encoder", "lite1"), ("sha256", "c" * 64), ("preprocessing", "x / 255")],
)
def test_a_model_refuses_features_of_another_encoder(tmp_path: pathlib.Path, field: str, value: str) -> None:
    path = write(tmp_path / "f.hdf5", "a", dataclasses.replace(LITE, **{field: value}))
    with pytest.raises(InputError) as refused:
        given(path, LITE)
    message = str(refused.value)
    assert "made by l" in message and "is of lite0 (weights aaaaaaaa)" in message
    assert value in message and getattr(LITE, field) in message
    assert message.endswith("extract the clips again with the model's (mcsan extract --encoder=lite0)")


def test_a_model_takes_the_same_encoder_and_what_is_unknown(tmp_path: pathlib.Path) -> None:
    dense = dataclasses.replace(LITE, frames=None, frames_per_second=8.0, opened_as="elsewhere")
    path = write(tmp_path / "f.hdf5", "a", dense)
    assert given(path, LITE) == given(path, None) == ["a"]
    assert given(write(tmp_path / "old.hdf5", "a", None), LITE) == ["a"]
    assert given({"a": np.ones((2, 4), np.float32)}, LITE) == ["a"]
