"""The input pipeline and the step that it feeds are measured; nothing here is judged by its time."""

import pathlib
from typing import Any

import pytest

from data_pipeline.manifest import FRAMES, REGIONS
from tests.benchmarks.programs import figures_of, refusal_of
from tests.support import ROOT
from tests.support.prepared_data import make_record, make_stream, write_prepared

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

WORDS = (f"--config={ROOT}/configs/msrvtt.py:tiny", "--batches=2", "--repeats=1", "--steps=1")
SMALL_BATCH = ("--", "--config.train.batch_size=8")
ONE_LEVEL = (
    "--config.model.levels=('global',)",
    "--config.model.temporal=none",
    "--config.train.captions_per_video=1",
)
"""A network that is quick to compile."""


def check_figures(found: dict[str, Any]) -> None:
    step = found["step"]
    assert step["records_per_second"] == pytest.approx(8 / step["seconds"])
    assert 0 < step["caller_waits_seconds"] <= step["seconds"]
    assert list(found["pipelines"]) == ["files", "memory"]
    for one in found["pipelines"].values():
        assert one["records_per_second"] > 0
        assert one["ratio"] == pytest.approx(one["records_per_second"] / step["records_per_second"])


def test_prepared_data_are_measured(tmp_path: pathlib.Path) -> None:
    streams = (make_stream("appearance", FRAMES, 6), make_stream("objects", REGIONS, 4, regions=2))
    records = [make_record(f"train{i}", streams, i) for i in range(9)]
    prepared = write_prepared(tmp_path / "prepared", streams, {"train": records})
    found = figures_of(
        "input_pipeline", tmp_path, *WORDS, f"--data_dir={prepared.folder}", *SMALL_BATCH, *ONE_LEVEL
    )
    captions = sum(len(record.captions) for record in records)
    assert (found["config"], found["videos"], found["captions"]) == ("msrvtt_tiny", 9, captions)
    assert found["frame_dim"] == 6 and found["bytes"] > 1000
    check_figures(found)
    # A padded record: 20 frames of 6 values, and 2 regions of 4 values each, as float16.
    for one in found["pipelines"].values():
        assert one["bytes_per_second"] / one["records_per_second"] >= 20 * (6 + 2 * 4) * 2


@pytest.mark.slow
def test_made_up_data_have_the_tokenizer_of_the_encoder(tmp_path: pathlib.Path) -> None:
    sizes = ("--videos=12", "--frames=6", "--dim=10", "--captions=3")
    encoder = ("--config.model.context=pretrained", "--config.model.pretrained=minilm")
    found = figures_of("input_pipeline", tmp_path, *WORDS, *sizes, *SMALL_BATCH, *encoder)
    assert (found["videos"], found["captions"], found["frame_dim"]) == (12, 36, 10)
    check_figures(found)


def test_bad_input_is_refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal_of("input_pipeline", [*WORDS, f"--data_dir={tmp_path}"], capsys)
    assert message.startswith(f"error: No prepared data set in {tmp_path}")
    for words, expected in (
        (["--captions=41"], "Invalid value for '--captions': Input should be less than or equal to 40"),
        (["--epochs=3"], "No such option: --epochs"),
        (["--", "--epochs=3"], "unexpected arguments: --epochs=3"),
        (["--", "--config.train.epoch=3"], "--config.train.epoch=3"),
    ):
        assert expected in refusal_of("input_pipeline", words, capsys)
