import dataclasses
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.image_text.text_tower import TextShape
from mcsan_jax.image_text.tower_shapes import TextTowerShape, TransformerShape
from mcsan_jax.models.bert import BertShape
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.models.text_encoder import EncoderShape
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.programs import batch_inputs, make_programs
from mcsan_jax.retrieval.stablehlo import ExportedModel, export_stablehlo, load_stablehlo
from mcsan_jax.scoring.multi_level import score
from tests.support import ROOT
from tests.support.tiny_model import SHAPE, SHAPE_WITH_REGIONS, random_batch, random_variables, tiny_config

TEXTS = ["a red ball pushes the blue box", "something red without a box", "a green cone moves left"]


@pytest.fixture(scope="module")
def model(finished_run: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Mcsan:
    folder = tmp_path_factory.mktemp("saved") / "a model"
    Mcsan.from_pretrained(finished_run).save_pretrained(folder)
    return Mcsan.from_pretrained(folder)


@pytest.fixture(scope="module")
def folder(model: Mcsan, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A model with its programs; not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "a model"
    model.save_pretrained(folder)
    export_stablehlo(folder)
    return folder


@pytest.fixture(scope="module")
def exported(folder: pathlib.Path) -> ExportedModel:
    return load_stablehlo(folder)


@pytest.fixture(scope="module")
def features(model: Mcsan) -> dict[str, dict[str, np.ndarray]]:
    draw = np.random.default_rng(5)
    shapes = {"pixels": (model.manifest.frame_dim,)}
    shapes["objects"] = (model.manifest.regions_per_frame, model.manifest.region_dim)
    return {
        name: {f"v{n}": draw.random((3 + n, *shape), np.float32) for n in range(5)}
        for name, shape in shapes.items()
    }


def assert_close(found: object, expected: object) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_programs_encode_and_compare_as_the_model_does(
    exported: ExportedModel, model: Mcsan, features: dict[str, dict[str, np.ndarray]]
) -> None:
    """Also in batches that the videos do not fill; either takes what the other encoded."""
    videos, texts = model.encode_document(features, frame_rate=2.0), model.encode_query(TEXTS)
    found = exported.encode_document(features, batch_size=4, frame_rate=2.0)
    assert_close(found, videos)
    assert_close(exported.encode_query(TEXTS, batch_size=2), texts)
    scores = exported.similarity(texts, found)
    assert scores.shape == (3, 5) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, np.asarray(model.similarity(texts, videos)), rtol=0, atol=1e-5)
    one = exported.similarity(exported.encode_query(TEXTS[1]), videos)
    np.testing.assert_allclose(one, scores[1:2], rtol=0, atol=1e-5)


def test_programs_run_in_another_process_without_flax(
    folder: pathlib.Path,
    model: Mcsan,
    features: dict[str, dict[str, np.ndarray]],
    tmp_path: pathlib.Path,
) -> None:
    for name, own in features.items():
        np.savez(tmp_path / f"{name}.npz", **own)
    given = {name: str(tmp_path / f"{name}.npz") for name in features}
    code = (
        "import sys, numpy as np\n"
        "from mcsan_jax.retrieval.stablehlo import load_stablehlo\n"
        f"model = load_stablehlo({str(folder)!r})\n"
        f"videos, texts = model.encode_document({given!r}), model.encode_query({TEXTS!r})\n"
        f"np.save({str(tmp_path / 'scores.npy')!r}, model.similarity(texts, videos))\n"
        "print([name for name in ('flax', 'tensorflow', 'orbax') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    expected = model.similarity(model.encode_query(TEXTS), model.encode_document(features))
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), np.asarray(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("newer JAX", "has the calling convention"),
        ("no programs", "no programs.json"),
        ("flipped byte", "stablehlo/texts is missing or was changed"),
        ("other device", "made for tpu, and the device is cpu"),
    ],
)
def test_programs_that_cannot_be_used_are_made_again(
    folder: pathlib.Path,
    tmp_path: pathlib.Path,
    fault: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    description, texts = copy / "stablehlo" / "programs.json", copy / "stablehlo" / "texts"
    if fault == "newer JAX":
        # As a JAX says that runs later programs only.
        newest = jax.export.maximum_supported_calling_convention_version
        monkeypatch.setattr(jax.export, "minimum_supported_calling_convention_version", newest + 1)
        monkeypatch.setattr(jax.export, "maximum_supported_calling_convention_version", newest + 1)
    elif fault == "no programs":
        shutil.rmtree(description.parent)
    elif fault == "flipped byte":
        content = bytearray(texts.read_bytes())
        content[-9] ^= 1
        texts.write_bytes(content)
    else:
        description.write_text(description.read_text().replace('"cpu"', '"tpu"'))
    again = load_stablehlo(copy)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and told in lines[0] and lines[0].endswith("made again from the model")
    assert len(again.encode_query(TEXTS)) == 3
    monkeypatch.undo()
    load_stablehlo(copy)
    assert capsys.readouterr().err == ""


def test_a_model_that_was_written_anew_has_other_programs(
    folder: pathlib.Path, model: Mcsan, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    model.save_pretrained(copy, dtype="float16")
    load_stablehlo(copy)
    assert "config.json is missing or was changed after the programs were made" in capsys.readouterr().err


def test_a_damaged_model_is_refused(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "manifest.json").write_text((copy / "manifest.json").read_text() + " ")
    with pytest.raises(InputError, match=r"manifest\.json: was changed after it was written"):
        load_stablehlo(copy)
    for write_or_read in (export_stablehlo, load_stablehlo):
        with pytest.raises(InputError, match="holds no model"):
            write_or_read(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_what_cannot_be_encoded_is_named(exported: ExportedModel) -> None:
    with pytest.raises(InputError, match="text 2 of 2 is 7 of type int"):
        exported.encode_query(["a ball", 7])  # type: ignore[list-item]
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        exported.encode_query("a ball", batch_size=0)
    with pytest.raises(InputError, match="there are no features of stream 'objects'"):
        exported.encode_document({"pixels": {"v": np.ones((2, 3), np.float32)}})


BERT = BertShape(
    vocabulary_size=20,
    width=8,
    layers=1,
    heads=2,
    inner_width=8,
    places=12,
    segments=2,
    norm_epsilon=1e-12,
    first_token=1,
    last_token=2,
)
TEXT_TOWER = TextShape(
    TextTowerShape("clip", TransformerShape(8, 1, 2, 8, "quick_gelu", 1e-5), 20, 12, 4),
    18,
    19,
    19,
    first_id=1,
)


@pytest.mark.parametrize(
    ("shape", "pretrained", "model"),
    [
        (SHAPE, None, {"context": "transformer", "temporal": "attention", "frame_pooling": "mean"}),
        (SHAPE, None, {"levels": ("global",), "compute_dtype": "bfloat16"}),
        (SHAPE_WITH_REGIONS, None, {"temporal": "bigru", "sentence_node": True}),
        (SHAPE, BERT, {"context": "pretrained", "pretrained": "bert", "share_attribute_projection": False}),
        (SHAPE, TEXT_TOWER, {"context": "pretrained", "pretrained": "clip"}),
    ],
)
def test_every_kind_of_network_has_programs(
    shape: Any, pretrained: EncoderShape | None, model: dict[str, Any]
) -> None:
    """The symbolic numbers of videos and texts have other values than those of the example."""
    similarity = SimilarityConfig(attribute_share=0.3, linear_branch=True)
    network = MCSAN(dataclasses.replace(tiny_config(**model), similarity=similarity), shape, pretrained)
    batch = random_batch(5, shape=shape)
    variables = random_variables(network, batch)
    programs = make_programs(network, variables, random_batch(1, shape=shape))
    videos = programs["videos"].call(batch_inputs(batch.videos))
    found = programs["score"].call(videos, programs["texts"].call(batch_inputs(batch.texts)))
    encoded = jax.jit(network.apply)(variables, batch)
    expected = score(*encoded, network.config.similarity, None).fused
    tolerance = 0.02 if model.get("compute_dtype") else 1e-5
    np.testing.assert_allclose(found, np.asarray(expected).T, rtol=0, atol=tolerance)
