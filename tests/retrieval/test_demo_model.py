"""The model that comes with the package: it opens anywhere, is up to date, and has the figures that its card states."""

import json
import pathlib
import re
import tomllib

import numpy as np
import pytest
from packaging.utils import canonicalize_name
from safetensors.numpy import load_file

from data_pipeline.errors import InputError
from mcsan_jax import embedded_clips
from mcsan_jax.ranking.metrics import recall_sum, retrieval_metrics
from mcsan_jax.ranking.ranks import text_to_video_ranks, video_to_text_ranks
from mcsan_jax.retrieval import find_model
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.runs.folder import RunFolder
from tests.docs.documents import use_of_the_demo_model
from tests.support import ROOT
from tests.support.command_line import run_mcsan

SHIPPED = pathlib.Path(find_model.__file__).parent / "demo_model"


@pytest.fixture(scope="module")
def model() -> Mcsan:
    return Mcsan.from_pretrained("demo")


def stated_rsum(card: str) -> float:
    """The Rsum of the test split, as a model card has it."""
    results = card.partition("## Results on split test")[2]
    [stated] = re.findall(r"\| Rsum, both directions \| ([\d.]+) ", results.partition("\n## ")[0])
    return float(stated)


def rsum(model: Mcsan, clips: int) -> float:
    """The Rsum of the first clips of the test split; every caption is a query of its own."""
    made = embedded_clips(clips)
    captions = [(video, text) for video, texts in made.captions.items() for text in texts]
    videos = model.encode_document(made.features)
    texts = model.encode_query([text for _, text in captions])
    scores = np.asarray(model.similarity(texts, videos)).T
    owners = np.array([videos.ids.index(video) for video, _ in captions])
    ranks = text_to_video_ranks(scores, owners), video_to_text_ranks(scores, owners)
    return recall_sum(*map(retrieval_metrics, ranks))


def test_the_demo_model_is_small() -> None:
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    tensors = load_file(SHIPPED / "model.safetensors")
    # What float16 cannot hold is kept in float32.
    halves = sum(tensor.nbytes for tensor in tensors.values() if tensor.dtype == np.float16)
    assert halves > 0.9 * sum(tensor.nbytes for tensor in tensors.values())


def test_an_installation_can_parse_texts_for_the_demo_model(model: Mcsan) -> None:
    """Made on a machine with another spaCy model, it would open and then refuse every text."""
    parser = model.manifest.parser
    wanted = f"{canonicalize_name(parser['model'])}=={parser['model_version']}"
    assert wanted in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


def test_the_program_of_the_documents_runs_anywhere(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # With something else of that name, too.
    (tmp_path / "demo").mkdir()
    exec(use_of_the_demo_model(), {})
    assert capsys.readouterr().out == "test_00006 a blue wedge follows a small white star\n"
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_model_of_ones_own_is_not_hidden_by_the_demo(
    finished_run: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Mcsan.from_pretrained(finished_run).save_pretrained("demo")
    assert find_model.find_model("demo") == pathlib.Path("demo")
    (tmp_path / "demo" / "config.json").unlink()
    assert find_model.find_model("demo") == SHIPPED
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="other holds neither a model"):
        find_model.find_model("other")


def test_the_same_commands_make_such_a_folder_of_a_tiny_run(
    finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """What a run of today gives and what is shipped have the same files, tensors and keys."""
    folder = tmp_path / "tiny"
    ended = run_mcsan("export", str(finished_run), f"--out={folder}", "--dtype=float16")
    assert ended.status == 0, ended.stderr
    assert {path.name for path in folder.iterdir()} == {path.name for path in SHIPPED.iterdir()}
    fresh, shipped = (load_file(one / "model.safetensors") for one in (folder, SHIPPED))
    assert {name: tensor.dtype for name, tensor in fresh.items()} == {
        name: tensor.dtype for name, tensor in shipped.items()
    }
    contents = [json.loads((one / "config.json").read_text()) for one in (folder, SHIPPED)]
    assert contents[0].keys() == contents[1].keys()
    assert contents[0]["config"].keys() == contents[1]["config"].keys()
    # The test clips of that run are the first ten. One of them is worth 10 points of a video-to-text recall.
    stated = RunFolder(finished_run).read_record("test").rsum
    tiny = Mcsan.from_pretrained(folder)
    assert stated_rsum(tiny.card) == pytest.approx(stated, abs=0.05)
    assert rsum(tiny, 10) == pytest.approx(stated, abs=10)


def test_few_clips_are_told_apart_at_least_as_well_as_many(model: Mcsan) -> None:
    assert rsum(model, 30) >= stated_rsum(model.card)


@pytest.mark.slow
def test_the_demo_model_has_the_figures_of_its_card(model: Mcsan) -> None:
    assert rsum(model, 500) == pytest.approx(stated_rsum(model.card), abs=0.5)
