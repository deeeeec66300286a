import importlib
import itertools
import pathlib

import pytest

from configs.derived.bases import BASES
from configs.sizes import SIZES
from data_pipeline.input_pipeline import TrainBatches
from data_pipeline.manifest import FRAMES
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.levels import ACTION, ENTITY, GLOBAL
from mcsan_jax.training.experiment import batch_limits, build_experiment
from mcsan_jax.training.sharding import put_batch
from tests.support import ROOT
from tests.support.prepared_data import make_record, make_stream, write_prepared

PEERS = sorted(path.stem for path in (ROOT / "configs" / "peers").glob("*.py") if path.stem != "__init__")


def config_of(peer: str, base: str = "msrvtt-small") -> Config:
    return from_config_dict(importlib.import_module(f"configs.peers.{peer}").get_config(base))


def test_every_peer_is_there_with_both_text_encoders() -> None:
    own = {"dual_encoder", "hgr", "hgr_info_nce"}
    assert set(PEERS) == own | {f"{peer}_pretrained" for peer in own}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_is_none_of_our_inventions(peer: str, base: str) -> None:
    config, theirs = config_of(peer, base), from_config_dict(BASES[base].get_config())
    assert config.name == f"peers/{base}/{peer}"
    assert config.data == theirs.data
    assert config.model.width == theirs.model.width
    assert config.loss.attribute_weight == config.loss.divergence_weight == 0
    assert config.similarity.attribute_weight == 0
    assert not config.similarity.learn_level_weights
    assert config.model.context == ("pretrained" if peer.endswith("_pretrained") else "bigru")


@pytest.mark.parametrize("peer", [peer for peer in PEERS if not peer.endswith("_pretrained")])
def test_the_pretrained_variant_differs_in_the_text_encoder_alone(peer: str) -> None:
    plain, pretrained = (config_of(name) for name in (peer, f"{peer}_pretrained"))
    assert pretrained.model.pretrained == "minilm"
    assert (plain.similarity, plain.loss, plain.optim, plain.train) == (
        pretrained.similarity,
        pretrained.loss,
        pretrained.optim,
        pretrained.train,
    )
    assert plain.model.levels == pretrained.model.levels
    assert plain.model.temporal == pretrained.model.temporal


def test_the_dual_encoder_has_one_level_and_the_mean_of_the_frames() -> None:
    config = config_of("dual_encoder")
    assert config.model.levels == (GLOBAL,)
    assert config.model.frame_pooling == "mean"
    assert config.loss.ranking == "info_nce"


def test_hgr_has_its_published_recipe_and_a_fair_one() -> None:
    published, fair = config_of("hgr"), config_of("hgr_info_nce")
    for config in (published, fair):
        assert config.model.levels == (GLOBAL, ENTITY, ACTION)
        assert config.model.temporal == "none"
        assert config.model.sentence_node
        assert config.model.dropout == 0.2
        assert config.similarity.missing_levels == "zero"
    assert published.train.epochs == 50
    assert (published.loss.ranking, published.loss.margin) == ("triplet", 0.2)
    assert published.loss.hardest_negative
    assert (published.optim.learning_rate, published.train.batch_size) == (1e-4, 64)
    assert fair.loss.ranking == "info_nce"
    ours = from_config_dict(BASES["msrvtt"].get_config("small"))
    assert (fair.optim, fair.train) == (ours.optim, ours.train)


def test_every_run_of_every_size_has_a_folder_of_its_own() -> None:
    names = [config_of(peer, f"msrvtt-{size}").name for peer in PEERS for size in SIZES]
    assert len(set(names)) == len(PEERS) * len(SIZES)


def test_hgr_runs_two_steps(tmp_path: pathlib.Path) -> None:
    streams = (make_stream("appearance", FRAMES, 6),)
    records = {"train": [make_record(f"train{i}", streams, i) for i in range(16)]}
    prepared = write_prepared(tmp_path, streams, records)
    values = importlib.import_module("configs.peers.hgr").get_config("msrvtt-tiny")
    values.train.batch_size = 8
    config = from_config_dict(values)
    experiment = build_experiment(config, prepared.manifest)
    batches = TrainBatches(prepared.folder, prepared.manifest, "train", 8, batch_limits(config.data), seed=0)
    state = experiment.initial_state()
    for batch in itertools.islice(batches.from_step(0), 2):
        state, metrics = experiment.train_step(state, put_batch(batch, experiment.mesh))
    assert int(state.step) == 2
    assert set(metrics) >= {"loss", "ranking"} and not [name for name in metrics if name.startswith("fbce")]
    assert 0 < float(metrics["loss"]) < 10
