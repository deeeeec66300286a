"""The recipes of the published data sets run at full width, batch size and feature dimension."""

import dataclasses
import math
import pathlib
import re
from collections.abc import Callable

import jax
import pytest

from benchmarks import epoch_time
from benchmarks.epoch_time import (
    PEAKS,
    Measurement,
    duration,
    full_batch,
    made_up_manifest,
    read_config,
    time_table,
    utilisation_line,
)
from mcsan_jax.config import TrainConfig
from mcsan_jax.errors import InputError
from mcsan_jax.training.experiment import build_experiment
from mcsan_jax.training.sharding import make_mesh
from tests.support import ROOT
from tests.support.benchmark_programs import NUMBER, run_benchmark

MOST_MEMORY = 6.0


@pytest.mark.parametrize(
    ("name", "videos", "captions", "frame_dim"),
    [
        pytest.param("msrvtt", 6513, 20, 2048, id="msrvtt, ResNet-152"),
        pytest.param("vatex", 25_991, 10, 1024, id="vatex, I3D"),
    ],
)
def test_two_full_steps_change_a_finite_loss(
    name: str, videos: int, captions: int, frame_dim: int, record_property: Callable[[str, object], None]
) -> None:
    recipe = read_config(str(ROOT / "configs" / f"{name}.py"))
    sizes = (f"--videos={videos}", f"--captions_per_video={captions}", f"--frame_dim={frame_dim}")
    lines = run_benchmark("epoch_time", f"configs/{name}.py", *sizes, "--steps=1").stdout.splitlines()
    [about] = [line for line in lines if line.startswith(f"{recipe.name}: ")]
    train, steps = recipe.train, -(-videos // recipe.train.batch_size)
    assert f"width {recipe.model.width}, {recipe.data.max_frames} frames of {frame_dim} values" in about
    assert f"batch {train.batch_size} with {train.captions_per_video} caption(s) each, {steps} steps" in about
    assert recipe.model.width >= 1024 and train.batch_size >= 64
    [step] = [line for line in lines if line.startswith("step: ")]
    found = re.search(rf"memory {NUMBER} GB; loss (\S+) to (\S+)$", step)
    assert found, step
    memory, first, second = map(float, found.groups())
    record_property("summary", f"{recipe.name}: {step}")
    assert memory < MOST_MEMORY
    assert math.isfinite(first) and math.isfinite(second) and first != second
    assert sum(line.startswith("| estimate: ") for line in lines) == sum(map(len, PEAKS.values()))


def test_the_share_of_the_peak_rate_is_that_of_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_config(f"{ROOT / 'configs' / 'msrvtt.py'}:tiny", "bfloat16")
    config = dataclasses.replace(config, train=TrainConfig(batch_size=128, captions_per_video=2))
    devices = make_mesh(jax.devices()[:2])
    experiment = build_experiment(config, made_up_manifest(config, 1000, 5, 8), devices)
    found = Measurement([0.5, 0.25, 0.125], 78e12, [1.0], 10)
    assert utilisation_line(experiment, found) == (
        "cpu, bfloat16 products: 1,024 pairs/s; share of the peak rate unknown"
    )
    monkeypatch.setitem(epoch_time.KINDS, "cpu", "NVIDIA A100")
    # 78e12 / 0.25 s over 2 x 312e12.
    assert utilisation_line(experiment, found).endswith("1,024 pairs/s; 50.0% of the published peak rate")
    assert set(epoch_time.KINDS.values()) <= {*PEAKS}


def test_the_times_of_the_table_follow_from_the_step() -> None:
    config = read_config(f"{ROOT / 'configs' / 'msrvtt.py'}:tiny")
    config = dataclasses.replace(config, train=TrainConfig(batch_size=128, epochs=10, captions_per_video=2))
    experiment = build_experiment(config, made_up_manifest(config, 1000, 20, 8), make_mesh(jax.devices()[:1]))
    found = Measurement(seconds=[3.0, 1.5, 1.0], operations=197e12, losses=[1.0], parameters=1)
    rows = {
        tuple(cells[:2]): cells[2:]
        for line in time_table(experiment, found, utilisation=0.5, captions=20)[2:]
        for cells in [[cell.strip() for cell in line.split("|")[1:-1]]]
    }
    here, *_ = rows.values()
    assert here == ["131,333 G", "1.5 s", "12.0 s", "2 min", "2 min"]
    assert rows["estimate: TPU v5e, one chip", "bfloat16"] == [
        "98,500 G",
        "2.0 s",
        "16.0 s",
        "3 min",
        "3 min",
    ]


def test_a_batch_has_as_many_captions_as_the_config_takes() -> None:
    config = read_config(f"{ROOT / 'configs' / 'msrvtt.py'}:tiny")
    config = dataclasses.replace(config, train=TrainConfig(batch_size=6, captions_per_video=3))
    experiment = build_experiment(config, made_up_manifest(config, 50, 20, 8), make_mesh(jax.devices()[:1]))
    batch = full_batch(experiment)
    assert batch.videos.frames.shape[0] == batch.example_mask.shape[0] == 6
    assert batch.texts.token_ids.shape[0] == batch.texts.caption_group.shape[0] == 18


def test_durations_are_in_units_that_a_reader_would_choose() -> None:
    told = [duration(value) for value in (0.0016, 0.25, 72, 1440, 5820, 9000)]
    assert told == ["1.6 ms", "250.0 ms", "72.0 s", "24 min", "97 min", "2.5 h"]


def test_bad_input_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"absent\.py: no such file"):
        read_config(str(tmp_path / "absent.py"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(InputError, match="defines no get_config"):
        read_config(f"{tmp_path / 'empty.py'}:small")
    done = run_benchmark("epoch_time", "configs/msrvtt.py:huge", status=2)
    assert done.stderr.startswith("error: size 'huge' of config") and not done.stdout
    done = run_benchmark("epoch_time", "configs/msrvtt.py", "--utilisation=2", status=2)
    assert "expected a number above 0 and up to 1" in done.stderr
