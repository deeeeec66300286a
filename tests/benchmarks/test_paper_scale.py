"""The recipes of the published data sets run at full width, batch size and feature dimension."""

import dataclasses
import math
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import pytest

from benchmarks.made_up_data import full_batch, made_up_manifest, read_config
from benchmarks.scale import epoch_time
from benchmarks.scale.epoch_time import (
    PEAKS,
    Measurement,
    all_times,
    duration,
    pairs_per_second,
    share_of_peak,
    time_table,
    utilisation_line,
)
from data_pipeline.errors import InputError
from mcsan_jax.config import TrainConfig
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.experiment import build_experiment
from tests.benchmarks.programs import figures_of, refusal_of, started_figures
from tests.support import ROOT

MOST_MEMORY = 6.0


RECIPES = [
    pytest.param("msrvtt", 6513, 20, 2048, id="msrvtt, ResNet-152"),
    pytest.param("vatex", 25_991, 10, 1024, id="vatex, I3D"),
]


@pytest.mark.parametrize(("name", "videos", "captions", "frame_dim"), RECIPES)
def test_a_full_step_is_traced(name: str, videos: int, captions: int, frame_dim: int) -> None:
    recipe = read_config(str(ROOT / "configs" / f"{name}.py"))
    manifest = made_up_manifest(recipe, videos, captions, frame_dim)
    experiment = build_experiment(recipe, manifest, make_mesh(jax.devices()[:1]))
    train, data = recipe.train, recipe.data
    assert recipe.model.width >= 1024 and train.batch_size >= 64
    assert experiment.steps_per_epoch == -(-videos // train.batch_size)
    batch, state = full_batch(experiment), experiment.state_maker.abstract
    assert batch.videos.frames.shape == (train.batch_size, data.max_frames, frame_dim)
    after, metrics = jax.eval_shape(experiment.train_step, state, batch)
    assert shapes_of(after) == shapes_of(state)
    levels = ("entity", "action", "relationship")
    terms = {f"loss/{kind}/{level}" for kind in ("fbce", "kl") for level in levels}
    assert {"loss", "loss/ranking", *terms} <= set(metrics)
    # What a step holds at least: the state as it was and as it is, the gradient, and the batch.
    held = 2 * bytes_of(state) + bytes_of(state.params) + bytes_of(batch)
    assert held < 1e9 * MOST_MEMORY


def shapes_of(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def bytes_of(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "videos", "captions", "frame_dim"), RECIPES)
def test_two_full_steps_change_a_finite_loss(
    name: str,
    videos: int,
    captions: int,
    frame_dim: int,
    tmp_path: pathlib.Path,
    record_property: Callable[[str, object], None],
) -> None:
    recipe = read_config(str(ROOT / "configs" / f"{name}.py"))
    sizes = (f"--videos={videos}", f"--captions_per_video={captions}", f"--frame_dim={frame_dim}")
    found = started_figures("epoch_time", tmp_path, f"configs/{name}.py", *sizes, "--steps=1")
    assert found["config"] == recipe.name
    assert found["steps_per_epoch"] == -(-videos // recipe.train.batch_size)
    memory, [seconds], [first, second] = found["bytes"] / 1e9, found["seconds"], found["losses"]
    record_property("summary", f"{recipe.name}: a step of {seconds:.1f} s, {memory:.1f} GB")
    assert memory < MOST_MEMORY
    assert math.isfinite(first) and math.isfinite(second) and first != second
    pairs = recipe.train.batch_size * recipe.train.captions_per_video
    assert found["pairs_per_second"] == pytest.approx(pairs / seconds)
    assert len(found["times"]) == 1 + sum(map(len, PEAKS.values()))


def test_a_small_experiment_is_measured(tmp_path: pathlib.Path) -> None:
    (tmp_path / "quick.py").write_text(
        "from configs.msrvtt import get_config as recipe\n\n\n"
        "def get_config():\n"
        "    config = recipe('tiny')\n"
        "    config.model.update(levels=('global',), context='transformer')\n"
        "    config.train.update(batch_size=8, captions_per_video=1)\n"
        "    return config\n"
    )
    sizes = ("--videos=20", "--captions_per_video=3", "--frame_dim=5", "--steps=2")
    found = figures_of("epoch_time", tmp_path, str(tmp_path / "quick.py"), *sizes)
    assert found["steps_per_epoch"] == 3 and found["operations"] > 1e5 and found["parameters"] > 1000
    assert len(found["seconds"]) == 2 and len(set(found["losses"])) == 3
    middle = sum(found["seconds"]) / 2
    assert found["pairs_per_second"] == pytest.approx(8 / middle)
    assert found["share_of_peak"] is None and found["bytes"] > 1e8
    assert found["times"][0]["step"] == pytest.approx(middle)


def test_the_share_of_the_peak_rate_is_that_of_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_config(f"{ROOT / 'configs' / 'msrvtt.py'}:tiny", "bfloat16")
    config = dataclasses.replace(config, train=TrainConfig(batch_size=128, captions_per_video=2))
    devices = make_mesh(jax.devices()[:2])
    experiment = build_experiment(config, made_up_manifest(config, 1000, 5, 8), devices)
    found = Measurement([0.5, 0.25, 0.125], 78e12, [1.0], 10)
    assert pairs_per_second(experiment, found) == 1024
    assert share_of_peak(experiment, found) is None
    assert utilisation_line(experiment, found).endswith("1,024 pairs/s; share of the peak rate unknown")
    monkeypatch.setitem(epoch_time.KINDS, "cpu", "NVIDIA A100")
    # 78e12 / 0.25 s over 2 x 312e12.
    assert share_of_peak(experiment, found) == pytest.approx(0.5)
    assert utilisation_line(experiment, found).endswith("1,024 pairs/s; 50.0% of the published peak rate")
    assert set(epoch_time.KINDS.values()) <= {*PEAKS}


def test_the_times_of_the_table_follow_from_the_step() -> None:
    config = read_config(f"{ROOT / 'configs' / 'msrvtt.py'}:tiny")
    config = dataclasses.replace(config, train=TrainConfig(batch_size=128, epochs=10, captions_per_video=2))
    experiment = build_experiment(config, made_up_manifest(config, 1000, 20, 8), make_mesh(jax.devices()[:1]))
    found = Measurement(seconds=[3.0, 1.5, 1.0], operations=197e12, losses=[1.0], parameters=1)
    times = all_times(experiment, found, utilisation=0.5, captions=20)
    here = times[0]
    assert here.rate == pytest.approx(197e12 / 1.5)
    # 8 steps an epoch, 10 of which see all captions, and are the whole run.
    assert (here.step, here.epoch, here.all_captions, here.run) == pytest.approx((1.5, 12, 120, 120))
    [chip] = [one for one in times if one.device == "estimate: TPU v5e, one chip"]
    assert (chip.products, chip.rate) == ("bfloat16", 98.5e12)
    assert (chip.step, chip.epoch, chip.all_captions, chip.run) == pytest.approx((2, 16, 160, 160))
    assert sorted((one.device, one.products) for one in times[1:]) == sorted(
        (f"estimate: {device}", dtype) for device, peaks in PEAKS.items() for dtype in peaks
    )
    *_, row = time_table([chip])
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells == [chip.device, "bfloat16", "98,500 G", "2.0 s", "16.0 s", "3 min", "3 min"]


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


def test_bad_input_is_refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"there is no config '.*absent\.py'"):
        read_config(str(tmp_path / "absent.py"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(InputError, match="defines no get_config"):
        read_config(f"{tmp_path / 'empty.py'}:small")
    config = str(ROOT / "configs" / "msrvtt.py")
    assert refusal_of("epoch_time", [f"{config}:huge"], capsys).startswith("error: size 'huge' of config")
    for wrong in ("--utilisation=2", "--utilisation=0", "--steps=0", "--compute_dtype=half"):
        name = wrong.partition("=")[0]
        message = refusal_of("epoch_time", [config, wrong], capsys)
        assert message.startswith(f"error: Invalid value for '{name}': ")
