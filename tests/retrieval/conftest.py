import pathlib

import pytest

from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.main import run
from mcsan_jax.retrieval.searcher import Searcher
from mcsan_jax.workdir import Workdir


@pytest.fixture(scope="session")
def config(shapes: pathlib.Path) -> Config:
    from configs import demo

    values = demo.get_config("tiny")
    values.data.dir = str(shapes)
    # Fewer places than some captions need.
    values.data.max_tokens = 9
    values.data.max_entities = 2
    values.data.max_relationships = 2
    values.train.update({"batch_size": 16, "epochs": 1, "evaluate_every_epochs": 1})
    return from_config_dict(values)


@pytest.fixture(scope="session")
def finished(config: Config, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("searched")
    run(config, Workdir(folder), "train_and_eval")
    return folder


@pytest.fixture(scope="session")
def searcher(finished: pathlib.Path) -> Searcher:
    return Searcher.open(finished, "test")
