from pathlib import Path

import jax
import pytest

from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from data_pipeline.levels import ENTITY, GLOBAL
from data_pipeline.manifest import FRAMES, REGIONS
from mcsan_jax.config import Config, defaults, from_config_dict
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.experiment import Experiment, build_experiment
from tests.support.prepared_data import Prepared, make_record, make_stream, write_prepared
from tests.training.runs import FinishedRun, MakeExperiment, changed, run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """21 training videos (three batches of eight, the last one not full) and six to validate on."""
    streams = (make_stream("appearance", FRAMES, 6), make_stream("objects", REGIONS, 4, regions=2))
    records = {
        "train": [make_record(f"train{i}", streams, i) for i in range(21)],
        "val": [make_record(f"val{i}", streams, 100 + i) for i in range(6)],
    }
    return write_prepared(tmp_path_factory.mktemp("prepared"), streams, records)


@pytest.fixture(scope="session")
def config() -> Config:
    """Two levels, the cheapest to compile; tests that are about all four say so."""
    values = defaults()
    values.name = "tested"
    values.data.update(
        max_frames=5, max_tokens=8, max_actions=2, max_entities=3, max_relationships=3, max_modifiers=2
    )
    values.model.update(levels=(GLOBAL, ENTITY), width=16, word_width=8, dropout=0.1)
    values.loss.update(focal_weight=0.1, divergence_weight=0.1)
    values.train.update(
        batch_size=8, epochs=3, log_every_steps=2, evaluate_every_epochs=2, checkpoint_every_steps=2
    )
    values.evaluation.update(encode_batch=8, encoded_bytes=10_000)
    return from_config_dict(values)


@pytest.fixture(scope="session")
def make_experiment(prepared: Prepared, config: Config) -> MakeExperiment:
    """Builds an experiment on some of the fake devices, with some groups of the configuration changed, once.

    Tests that ask for the same one share its compiled programs.
    """

    made: dict[str, Experiment] = {}

    def make(devices: int = 1, **groups: dict[str, object]) -> Experiment:
        key = repr((devices, groups))
        if key not in made:
            mesh = make_mesh(jax.devices()[:devices])
            made[key] = build_experiment(changed(config, **groups), prepared.manifest, mesh)
        return made[key]

    return make


@pytest.fixture(scope="session")
def batches(prepared: Prepared, config: Config) -> TrainBatches:
    return TrainBatches(
        prepared.folder,
        prepared.manifest,
        "train",
        config.train.batch_size,
        batch_limits(config.data),
        config.train.seed,
    )


@pytest.fixture(scope="session")
def reader(prepared: Prepared, config: Config) -> SplitReader:
    """Of the videos to validate on."""
    return SplitReader(prepared.folder, prepared.manifest, "val", batch_limits(config.data))


@pytest.fixture(scope="session")
def whole(
    make_experiment: MakeExperiment,
    batches: TrainBatches,
    reader: SplitReader,
    tmp_path_factory: pytest.TempPathFactory,
) -> FinishedRun:
    """The run of `make_experiment(1)`, never interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return FinishedRun(run(make_experiment(1), batches, reader, folder), folder)


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder
