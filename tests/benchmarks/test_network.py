"""What a step sends between devices: the formula against the compiled program."""

import dataclasses
import pathlib

import jax
import pytest

from benchmarks.made_up_data import made_up_manifest, read_config
from benchmarks.scale import on_paper
from benchmarks.scale.network import bytes_sent, compiled_traffic, formula_of, summed_count, traffic
from benchmarks.scale.on_paper import Machine, Work, prospect, similarity_operations
from data_pipeline.levels import ACTION, GLOBAL, LEVELS
from mcsan_jax.config import Config, SimilarityConfig, TrainConfig
from mcsan_jax.data_sizes import data_shape
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.experiment import Experiment, build_experiment
from tests.benchmarks.programs import figures_of, started_figures
from tests.support import ROOT

DEVICES = 4


def experiment(levels: tuple[str, ...] = LEVELS, **train: object) -> Experiment:
    """The recipe of MSR-VTT, with encoders that are quick to compile and a smaller width."""
    config = read_config(str(ROOT / "configs" / "msrvtt.py"))
    model = dataclasses.replace(
        config.model, levels=levels, context="transformer", pretrained="", temporal="none", width=64
    )
    data = dataclasses.replace(config.data, max_frames=6)
    chosen: Config = dataclasses.replace(
        config,
        model=model,
        data=data,
        train=dataclasses.replace(
            config.train, **{"token_state_cache": False, "batch_size": 32, "captions_per_video": 2, **train}
        ),
    )
    return build_experiment(
        chosen, made_up_manifest(chosen, 1000, 20, 32), make_mesh(jax.devices()[:DEVICES])
    )


def check_traffic(built: Experiment) -> None:
    formula, found = formula_of(built), compiled_traffic(built)
    assert sum(found.values()) == pytest.approx(formula.total, rel=0.005)
    assert found["all-reduce"] == pytest.approx(formula.gradient, rel=0.005)
    assert found["all-to-all"] == pytest.approx(formula.columns)
    captions = sum(found.values()) - found["all-reduce"] - found["all-to-all"]
    assert captions == pytest.approx(formula.captions, rel=0.005)


def test_the_compiled_step_of_two_levels_sends_what_the_formula_says() -> None:
    check_traffic(experiment(levels=(GLOBAL, ACTION)))


@pytest.mark.slow
@pytest.mark.parametrize("train", [{}, {"micro_batches": 4, "exchange": "ring"}], ids=str)
def test_the_compiled_step_sends_what_the_formula_says(train: dict[str, object]) -> None:
    check_traffic(experiment(**train))


@pytest.mark.slow
def test_both_are_printed_for_any_experiment(tmp_path: pathlib.Path) -> None:
    found = started_figures("network", tmp_path, "configs/demo.py:tiny", "--devices=2", "--frame_dim=6")
    formula, compiled = found["formula"], found["compiled"]
    assert set(formula) == {"gradient", "captions", "columns"}
    assert compiled["all-reduce"] == pytest.approx(formula["gradient"], rel=0.01)
    assert sum(compiled.values()) == pytest.approx(sum(formula.values()), rel=0.01)


@pytest.mark.slow
def test_machines_are_compared_on_paper(tmp_path: pathlib.Path) -> None:
    words = (str(ROOT / "configs" / "demo.py:tiny"), "--frame_dim=6", "--frames_on_disk=10", "--batch=64")
    found = figures_of("on_paper", tmp_path, *words)
    # Features are kept as numbers of two bytes.
    assert found["video"]["record"] == 2 * 6 * 10
    assert min(found["video"].values()) > 0
    assert list(found["machines"]) == list(on_paper.MACHINES)
    for machine in found["machines"].values():
        assert machine["limit"] == max(machine["seconds"], key=machine["seconds"].get)
        assert machine["memory"] > found["video"]["state"]


def test_one_device_sends_nothing() -> None:
    built = experiment()
    assert traffic(built.config, data_shape(built.manifest), summed_count(built), 1).total == 0


def test_the_calculation_for_other_machines() -> None:
    config = dataclasses.replace(
        read_config(f"{ROOT / 'configs' / 'msrvtt.py'}:tiny", "bfloat16"),
        similarity=SimilarityConfig(),
        train=TrainConfig(batch_size=1024, captions_per_video=2),
    )
    nodes = config.data.max_entities + config.data.max_actions + config.data.max_relationships
    pairs = 1024 * 2048 * (1 + config.data.max_frames * nodes)
    assert similarity_operations(config, 1024) == 6 * config.model.width * pairs
    work = Work(operations=1e9, activations=1e6, state=1e8, record=80_000, batch=100_000)
    machine = Machine(4, 1e14, 1e10, 1e9, 2, 64, 1e9, 10.0)
    shape = data_shape(made_up_manifest(config, 1000, 20, 32))
    found = prospect(config, work, 1_000_000, machine, 0.5, shape)
    sent = traffic(config, shape, 1_000_000, 4)
    assert found.seconds == pytest.approx(
        {
            "computing": (1024e9 + similarity_operations(config, 1024)) / 2e14,
            "sending": sent.total / 1e9,
            "reading": 1024 * 80_000 / 2e9,
            "decoding": 1024 / (64 * 3000),
        }
    )
    assert found.limit == "reading"
    assert found.memory == pytest.approx(1e8 + 256 * 1.3e6 + 2 * sent.captions)


PROGRAM = """
HloModule jit_f

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %s = f32[] add(%a, %b)
}

%body (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %r = f32[8]{0} collective-permute(%x), source_target_pairs={{0,1},{1,0}}
}

%small (p: f32[4]) -> f32[4] {
  ROOT %g = f32[4]{0} all-reduce(%p), to_apply=%add
}

%large (p: f32[4]) -> f32[4] {
  ROOT %g = (f32[4]{0}, bf16[2,3]{1,0}) all-reduce(%p, %q), to_apply=%add
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %w = (s32[], f32[8]{0}) while(%t), condition=%cond, body=%body, backend_config={"known_trip_count":{"n":"3"}}
  %c = f32[4]{0} conditional(%i, %a, %b), branch_computations={%small, %large}
  %d = pred[6]{0} all-gather(%e), dimensions={0}
  ROOT %f = f32[8]{0} reduce-scatter(%h), dimensions={0}, to_apply=%add
}
"""


def test_loops_count_as_often_as_they_run_and_alternatives_once() -> None:
    assert bytes_sent(PROGRAM, 2) == {
        "collective-permute": 3 * 32,
        "all-reduce": 16 + 12,
        "all-gather": 3,
        "reduce-scatter": 32,
    }
    unknown = PROGRAM.replace(', backend_config={"known_trip_count":{"n":"3"}}', "")
    with pytest.raises(ValueError, match="without a known number of turns sends"):
        bytes_sent(unknown, 2)
