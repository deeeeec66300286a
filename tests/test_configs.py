import importlib
import itertools

import pytest

from configs.sizes import SIZES
from data_pipeline.input_pipeline import TrainBatches
from data_pipeline.manifest import FRAMES
from mcsan_jax.config import from_config_dict
from mcsan_jax.errors import InputError
from mcsan_jax.training.experiment import batch_limits, build_experiment
from mcsan_jax.training.sharding import put_batch
from tests.support import ROOT
from tests.support.prepared_data import Prepared, make_record, make_stream, write_prepared

CONFIGS = sorted(
    path.stem
    for path in (ROOT / "configs").glob("*.py")
    if path.stem not in ("__init__", "sizes", "pretrained_text")
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    streams = (make_stream("appearance", FRAMES, 6),)
    records = {"train": [make_record(f"train{i}", streams, i) for i in range(9)]}
    return write_prepared(tmp_path_factory.mktemp("prepared"), streams, records)


def test_the_published_configs_are_there() -> None:
    assert {"demo", "msrvtt", "msrvtt_1ka", "vatex", "msvd", "custom"} <= set(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_builds_and_runs_two_steps(name: str, prepared: Prepared) -> None:
    values = importlib.import_module(f"configs.{name}").get_config("tiny")
    values.train.batch_size = 8
    config = from_config_dict(values)
    experiment = build_experiment(config, prepared.manifest)
    batches = TrainBatches(prepared.folder, prepared.manifest, "train", 8, batch_limits(config.data), seed=0)
    state = experiment.initial_state()
    for batch in itertools.islice(batches.from_step(0), 2):
        state, metrics = experiment.train_step(state, put_batch(batch, experiment.mesh))
    assert int(state.step) == 2
    assert all(abs(float(value)) < 1e6 for value in metrics.values())


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_has_every_size_and_a_name_of_its_own(name: str) -> None:
    module = importlib.import_module(f"configs.{name}")
    configs = [from_config_dict(module.get_config(size)) for size in SIZES]
    assert len({config.name for config in configs}) == len(SIZES)
    assert all(config.name.startswith(name) for config in configs)
    assert all(config.data.dir and (config.data.prepare_hint or config.data.made_from) for config in configs)
    assert from_config_dict(module.get_config()).name.startswith(name)
    with pytest.raises(InputError, match="size 'huge' of config"):
        module.get_config("huge")
