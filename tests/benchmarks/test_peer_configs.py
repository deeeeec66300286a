"""What the configs of the peers make of the network, its loss and its training.

That HGR's network and loss are those of its description is shown in `tests/benchmarks/test_peer.py`.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.made_up_data import full_batch, made_up_manifest
from data_pipeline.levels import ACTION, ENTITY, GLOBAL
from mcsan_jax.config import Config, LossConfig, SimilarityConfig, from_config_dict
from mcsan_jax.configs import peers
from mcsan_jax.configs.derived import BASES
from mcsan_jax.configs.peers import PEERS
from mcsan_jax.configs.sizes import SIZES
from mcsan_jax.encodings import Encoding, LevelEmbeddings, ScoringParameters
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.experiment import Experiment, build_experiment, published_count
from mcsan_jax.training.objective import make_objective
from tests.support.tiny_model import SHAPE, random_batch, random_variables
from tests.support.tiny_model import SIZES as BATCH_SIZES

LEVELS = {
    "dual_encoder": (GLOBAL,),
    "hgr": (GLOBAL, ENTITY, ACTION),
    "hgr_info_nce": (GLOBAL, ENTITY, ACTION),
}
"""Of each peer."""
PAIRS, TEMPERATURE = 6, 0.1


def config_of(peer: str, base: str = "msrvtt-small") -> Config:
    return from_config_dict(peers.get_config(f"{peer}:{base}"))


@functools.cache
def experiment_of(peer: str) -> Experiment:
    """On as many videos as MSR-VTT has."""
    config = config_of(peer, "msrvtt-tiny")
    return build_experiment(config, made_up_manifest(config, 6513, 20, 6), make_mesh(jax.devices()[:1]))


def draw_side(seed: int) -> Encoding:
    """Global vectors, and logits of attributes that a peer is to ignore."""
    draw = np.random.default_rng(seed)
    pooled, logits = draw.normal(size=(2, PAIRS, 5)).astype(np.float32)
    return Encoding(LevelEmbeddings(jnp.asarray(pooled), {}), {ENTITY: jnp.asarray(logits)})


@functools.cache
def objective_of(loss: LossConfig, similarity: SimilarityConfig) -> tuple[float, set[str]]:
    """The loss of drawn videos and captions, and the names of its terms."""
    objective = make_objective(Config(loss=loss, similarity=similarity), make_mesh(jax.devices()[:1]))
    parameters = ScoringParameters({GLOBAL: jnp.float32(1)}, jnp.float32(TEMPERATURE))
    total, terms = jax.jit(objective)(draw_side(0), draw_side(1), parameters, random_batch(PAIRS), None)
    return float(total), set(terms)


def plain_scores() -> np.ndarray:
    """Of the real rows of the same; the last one is padding."""
    sides = [np.asarray(draw_side(seed).embeddings.pooled, float)[:-1] for seed in (0, 1)]
    videos, texts = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    return videos @ texts.T


def info_nce(scores: np.ndarray) -> float:
    """The symmetric form."""
    logits = scores / TEMPERATURE
    matched = np.diag(logits)
    ways = [np.mean(np.log(np.exp(one).sum(axis=1)) - matched) for one in (logits, logits.T)]
    return float(np.mean(ways))


def hardest_triplet(scores: np.ndarray) -> float:
    """VSE++ with a margin of 0.2."""
    matched = np.diag(scores)
    others = np.where(np.eye(len(scores), dtype=bool), -np.inf, scores)
    ways = [np.maximum(0.2 - matched + others.max(axis=axis), 0).mean() for axis in (0, 1)]
    return float(sum(ways))


def test_no_peer_has_a_linear_branch() -> None:
    """Which its paper lacks, while the experiment that it is compared with has one."""
    assert from_config_dict(BASES["msrvtt"].get_config()).similarity.linear_branch
    assert not any(config_of(peer).similarity.linear_branch for peer in PEERS)


def test_every_peer_is_there_with_both_text_encoders() -> None:
    assert set(PEERS) == {*LEVELS, *(f"{peer}_pretrained" for peer in LEVELS)}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_learns_from_the_ranking_alone(peer: str, base: str) -> None:
    config, theirs = config_of(peer, base), from_config_dict(BASES[base].get_config())
    assert config.name == f"peers/{base}/{peer}"
    assert config.data == theirs.data
    assert config.model.width == theirs.model.width
    total, terms = objective_of(config.loss, config.similarity)
    plain = hardest_triplet if peer in ("hgr", "hgr_pretrained") else info_nce
    assert terms == {"ranking"}
    assert total == pytest.approx(plain(plain_scores()), rel=1e-5)


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_has_its_levels_of_equal_weight(peer: str) -> None:
    config = config_of(peer)
    levels = LEVELS[peer.removesuffix("_pretrained")]
    model = MCSAN(config, SHAPE)

    def weights(logits: jax.Array) -> dict[str, jax.Array]:
        params = {"level_weight_logits": logits, "log_temperature": jnp.float32(0)}
        return model.apply({"params": params}, method=model.scoring_parameters).level_weights

    found, slopes = weights(jnp.zeros(len(levels))), jax.jacobian(weights)(jnp.zeros(len(levels)))
    assert set(found) == set(levels)
    for level in levels:
        assert found[level] == pytest.approx(1 / len(levels))
        assert not np.any(slopes[level])


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_reads_captions_as_its_name_says(peer: str) -> None:
    params = experiment_of(peer).state_maker.abstract.params
    pretrained = peer.endswith("_pretrained")
    assert (published_count(experiment_of(peer).state_maker.abstract) > 0) == pretrained
    assert ("recurrent" in params["text_encoder"]["tokens"]) == (not pretrained)


@pytest.mark.parametrize("peer", LEVELS)
def test_the_pretrained_variant_differs_in_the_text_encoder_alone(peer: str) -> None:
    plain, pretrained = (config_of(name) for name in (peer, f"{peer}_pretrained"))
    own = {"context": plain.model.context, "pretrained": plain.model.pretrained}
    assert (
        dataclasses.replace(pretrained, name=plain.name, model=dataclasses.replace(pretrained.model, **own))
        == plain
    )


def test_the_dual_encoder_takes_the_mean_of_the_frames() -> None:
    config = config_of("dual_encoder", "msrvtt-tiny")
    model = MCSAN(dataclasses.replace(config, data=BATCH_SIZES), SHAPE)
    batch = random_batch(PAIRS)
    encode = functools.partial(model.apply, random_variables(model, batch), method=model.encode_videos)
    videos = batch.videos
    count, frames, dim = videos.frames.shape
    found = np.asarray(encode(videos).embeddings.pooled)
    single = dataclasses.replace(
        videos, frames=videos.frames.reshape(-1, 1, dim), frame_mask=np.ones((count * frames, 1), bool)
    )
    each = np.asarray(encode(single).embeddings.pooled).reshape(count, frames, -1)
    for row, mask in enumerate(videos.frame_mask):
        np.testing.assert_allclose(found[row], each[row, mask].mean(axis=0), rtol=1e-4, atol=1e-5)


def test_hgr_has_its_published_recipe() -> None:
    experiment = experiment_of("hgr")
    assert experiment.steps_per_epoch == -(-6513 // 64)
    assert experiment.total_steps == 50 * experiment.steps_per_epoch
    rates = [float(experiment.schedule(step)) for step in range(0, experiment.total_steps, 50)]
    assert max(rates) == pytest.approx(1e-4, rel=1e-3)
    assert experiment.config.model.dropout == 0.2


def test_a_step_of_hgr_has_no_term_but_the_ranking() -> None:
    experiment = experiment_of("hgr")
    state = experiment.state_maker.abstract
    after, metrics = jax.eval_shape(experiment.train_step, state, full_batch(experiment))
    assert jax.tree.structure(after) == jax.tree.structure(state)
    others = {"loss", "temperature", "gradient_norm", *(f"level_weight/{level}" for level in LEVELS["hgr"])}
    assert set(metrics) == {"loss/ranking", *others}


def test_the_fair_hgr_is_trained_as_ours() -> None:
    fair, ours = config_of("hgr_info_nce"), from_config_dict(BASES["msrvtt"].get_config("small"))
    assert (fair.optim, fair.train) == (ours.optim, ours.train)
    published = config_of("hgr")
    assert fair.model == published.model and fair.similarity == published.similarity


def test_every_run_of_every_size_has_a_folder_of_its_own() -> None:
    names = [config_of(peer, f"msrvtt-{size}").name for peer in PEERS for size in SIZES]
    assert len(set(names)) == len(PEERS) * len(SIZES)
