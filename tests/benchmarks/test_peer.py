"""Our network with HGR's three levels and the PyTorch writing of it compute the same on the same weights and batch."""

import dataclasses
import importlib
from typing import Any

import jax
import numpy as np
import pytest

from benchmarks.made_up_data import make_batch
from data_pipeline.batches.batch import PairBatch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL
from mcsan_jax.config import Config, DataConfig, from_config_dict
from mcsan_jax.configs import peers
from mcsan_jax.encodings import Encoding, ScoringParameters
from mcsan_jax.models.mcsan import MCSAN, DataShape
from mcsan_jax.scoring.multi_level import Scores, score
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.objective import make_objective

torch = pytest.importorskip("torch")
weights = importlib.import_module("benchmarks.peer.weights")
peer_model = importlib.import_module("benchmarks.peer.model")

LEVELS = (GLOBAL, ENTITY, ACTION)
TINY = DataConfig(
    max_frames=5, max_tokens=9, max_actions=2, max_entities=3, max_relationships=4, max_modifiers=3
)
# The peer knows of no attributes, and HGR's config is to make nothing of them.
TINY_SHAPE = DataShape(
    vocabulary_size=20,
    role_count=4,
    modifier_kind_count=3,
    frame_dim=6,
    region_dim=0,
    attributes=((ENTITY, 5), (ACTION, 3)),
)
PAIRS = 7


def make_config(data: DataConfig, missing_levels: str = "zero", **model: Any) -> Config:
    """HGR's, which is said to be the peer, with other sizes."""
    config = from_config_dict(peers.get_config("hgr:msrvtt"))
    return dataclasses.replace(
        config,
        data=data,
        model=dataclasses.replace(config.model, dropout=0.0, **model),
        similarity=dataclasses.replace(config.similarity, missing_levels=missing_levels),
    )


def ragged_batch(size: int, data: DataConfig, shape: DataShape) -> PairBatch:
    """Captions and videos of many lengths; the first caption has no action, the last one no node at all.

    Captions have modifiers, which neither the peer nor HGR's config sees.
    """
    batch = make_batch(size, data, shape)
    texts = batch.texts
    node_mask, edge_mask = np.array(texts.node_mask), np.array(texts.edge_mask)
    node_mask[0, : data.max_actions] = node_mask[-1] = False
    edge_mask[[0, -1]] = False
    lengths = np.random.default_rng(1).integers(1, data.max_frames + 1, size)
    return dataclasses.replace(
        batch,
        videos=dataclasses.replace(
            batch.videos, frame_mask=np.arange(data.max_frames)[None] < lengths[:, None]
        ),
        texts=dataclasses.replace(texts, node_mask=node_mask, edge_mask=edge_mask),
    )


@dataclasses.dataclass(frozen=True)
class Setting:
    """A network, and the peer with the same weights."""

    config: Config
    shape: DataShape
    batch: PairBatch
    variables: Any
    peer: Any

    def encode(self, params: Any) -> tuple[Encoding, Encoding, ScoringParameters]:
        variables = {**self.variables, "params": params}
        encoded: Any = MCSAN(self.config, self.shape).apply(variables, self.batch)
        return encoded

    def encode_and_score(self, params: Any) -> tuple[Encoding, Encoding, Scores]:
        videos, texts, parameters = self.encode(params)
        return videos, texts, score(videos, texts, parameters, self.config.similarity)

    def loss(self, params: Any) -> jax.Array:
        objective = make_objective(self.config, make_mesh(jax.devices()[:1]))
        return objective(*self.encode(params), self.batch, None)[0]


def draw_variables(config: Config, shape: DataShape, batch: PairBatch) -> Any:
    """Random parameters of usual size; features as they come and levels of equal weight, as the peer has them."""
    draw = np.random.default_rng(2)

    def fill(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        values = draw.standard_normal(leaf.shape, np.float32)
        inputs = leaf.shape[-2] if path[-1].key in ("kernel", "recurrent") else 4
        return values / np.float32(np.sqrt(inputs))

    shapes = jax.eval_shape(MCSAN(config, shape).init, jax.random.key(0), batch)
    params = jax.tree_util.tree_map_with_path(fill, shapes["params"])
    params["level_weight_logits"] = np.zeros(len(LEVELS), np.float32)
    statistics = {"mean": np.zeros(shape.frame_dim, np.float32), "std": np.ones(shape.frame_dim, np.float32)}
    return {"params": params, "statistics": {"frame_statistics": statistics}}


def make_setting(config: Config, shape: DataShape, pairs: int) -> Setting:
    batch = ragged_batch(pairs, config.data, shape)
    variables = draw_variables(config, shape, batch)
    return Setting(config, shape, batch, variables, weights.make_model(config, shape, variables["params"]))


def tiny_setting(missing_levels: str = "zero") -> Setting:
    return make_setting(make_config(TINY, missing_levels, width=8, word_width=6), TINY_SHAPE, PAIRS)


def assert_close(ours: Any, theirs: Any, tolerance: float, name: str = "") -> None:
    np.testing.assert_allclose(
        np.asarray(ours), theirs.detach().numpy(), atol=tolerance, rtol=0, err_msg=name
    )


@pytest.mark.parametrize("missing_levels", ["renormalize", "zero"])
def test_embeddings_and_scores_are_equal(missing_levels: str) -> None:
    setting = tiny_setting(missing_levels)
    texts = setting.batch.texts
    assert len(set(texts.token_mask.sum(axis=1))) > 2
    assert 1 < texts.node_mask[:, : TINY.max_actions].any(axis=1).sum() < PAIRS
    videos, captions, scores = jax.jit(setting.encode_and_score)(setting.variables["params"])
    pairs = weights.make_pairs(setting.batch)
    sides = (
        (videos, setting.peer.video(pairs.frames, pairs.frame_mask)),
        (captions, setting.peer.text(pairs.captions)),
    )
    for ours, (pooled, *nodes) in sides:
        assert_close(ours.embeddings.pooled, pooled, 1e-5, GLOBAL)
        for level, vectors in zip((ENTITY, ACTION), nodes, strict=True):
            mask = np.array(ours.embeddings.nodes[level].mask)
            assert_close(ours.embeddings.nodes[level].vectors[mask], vectors[mask], 1e-5, level)
    fused, levels = setting.peer(pairs)
    assert set(levels) == set(scores.components) == set(LEVELS)
    for level, matrix in levels.items():
        assert_close(scores.components[level], matrix, 1e-5, level)
    assert_close(scores.fused, fused, 1e-5, "fused")


def test_the_loss_and_all_gradients_are_equal() -> None:
    setting = tiny_setting()
    loss, gradients = jax.jit(jax.value_and_grad(setting.loss))(setting.variables["params"])
    of_peer = peer_model.triplet_loss(setting.peer(weights.make_pairs(setting.batch))[0])
    of_peer.backward()
    assert_close(loss, of_peer, 1e-5)
    # Levels weigh the same, whatever their losses.
    assert not np.any(gradients["level_weight_logits"])
    # What copies parameters copies their gradients too.
    ours = weights.make_model(setting.config, setting.shape, gradients)
    for (name, gradient), parameter in zip(ours.named_parameters(), setting.peer.parameters(), strict=True):
        # Of PyTorch's second biases we have those of the new state only.
        used = slice(-8, None) if "bias_hh" in name else slice(None)
        expected = parameter.grad[used].numpy()
        found = gradient.detach()[used].numpy()
        largest = np.abs(expected).max()
        # A constant added to all keys of a query changes no attention.
        assert largest > 1e-5 or name == "text.graph.key.bias", name
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * largest + 1e-7, err_msg=name)


def test_scores_are_equal_at_the_published_size() -> None:
    setting = make_setting(make_config(DataConfig()), DataShape(1000, 16, 10, 2048, 0, ()), pairs=4)
    scores = jax.jit(setting.encode_and_score)(setting.variables["params"])[2]
    with torch.no_grad():
        fused, levels = setting.peer(weights.make_pairs(setting.batch))
    for level, matrix in levels.items():
        assert np.ptp(matrix.numpy()) > 1e-2
        assert_close(scores.components[level], matrix, 1e-5, level)
    assert_close(scores.fused, fused, 1e-5, "fused")
