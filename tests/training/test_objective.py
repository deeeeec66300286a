import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_model import random_batch, tiny_config

from mcsan_jax.batch import PairBatch
from mcsan_jax.config import Config, LossConfig, SimilarityConfig, TrainConfig
from mcsan_jax.levels import ENTITY, RELATIONSHIP, Encoding, LevelEmbeddings, NodeSet, ScoringParameters
from mcsan_jax.training.objective import make_objective
from mcsan_jax.training.sharding import make_mesh, put_batch

PAIRS, WIDTH, FRAMES, SLOTS = 16, 7, 5, 3
LEVELS = (ENTITY, RELATIONSHIP)
DEVICES = {
    "info_nce": {"gather": (1, 2, 4, 8), "ring": (1, 2, 4, 8)},
    "triplet": {"gather": (1, 8), "ring": (4,)},
}


def encoding(seed: int, masks: np.ndarray, dtype: type) -> Encoding:
    draw = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return draw.normal(size=shape).astype(dtype)

    nodes = {level: NodeSet(normal(*masks.shape, WIDTH), masks) for level in LEVELS}
    logits = {level: normal(PAIRS, 6) for level in LEVELS}
    return Encoding(LevelEmbeddings(normal(PAIRS, WIDTH), nodes), logits)


@dataclasses.dataclass(frozen=True)
class Sides:
    videos: Encoding
    texts: Encoding
    parameters: ScoringParameters
    batch: PairBatch


def draw_sides(dtype: type) -> Sides:
    """Videos and captions of very different sizes; two captions have the same text, and two rows are padding."""
    draw = np.random.default_rng(0)
    batch = random_batch(PAIRS)
    groups = np.arange(PAIRS, dtype=np.int32)
    groups[9] = groups[2]
    labels = {level: draw.random((PAIRS, 6)) < 0.3 for level in LEVELS}
    batch = dataclasses.replace(
        batch,
        videos=dataclasses.replace(batch.videos, labels=labels),
        texts=dataclasses.replace(batch.texts, labels=labels, caption_group=groups),
        example_mask=np.arange(PAIRS) < PAIRS - 2,
    )
    weights = {level: np.asarray(0.1 + draw.random(), dtype) for level in ("global", *LEVELS)}
    frame_mask = np.arange(FRAMES)[None] < draw.integers(1, FRAMES + 1, PAIRS)[:, None]
    node_mask = np.arange(SLOTS)[None] < draw.integers(0, SLOTS + 1, PAIRS)[:, None]
    return Sides(
        encoding(1, frame_mask, dtype),
        encoding(2, node_mask, dtype),
        ScoringParameters(weights, np.asarray(0.1, dtype)),
        batch,
    )


def configured(ranking: str, exchange: str) -> Config:
    return dataclasses.replace(
        tiny_config(),
        similarity=SimilarityConfig(attribute_weight=0.2, block_bytes=4 * FRAMES * 16),
        loss=LossConfig(ranking=ranking),
        train=TrainConfig(exchange=exchange),
    )


def compiled_gradient(config: Config, sides: Sides, devices: int) -> tuple[Any, Any]:
    """The compiled loss with its gradients to all that comes out of the network, and its arguments."""
    mesh = make_mesh(jax.devices()[:devices])
    objective = make_objective(config, mesh)

    def loss(differentiable: Any, rest: Any) -> jax.Array:
        leaves = [other if one is None else one for one, other in zip(differentiable, rest, strict=True)]
        videos, texts, parameters, batch = jax.tree.unflatten(kind, leaves)
        return objective(videos, texts, parameters, batch)[0]

    split = put_batch((sides.videos, sides.texts), mesh)
    leaves, kind = jax.tree.flatten((*split, sides.parameters, put_batch(sides.batch, mesh)))
    learned = len(jax.tree.leaves((*split, sides.parameters)))
    is_float = [i < learned and jnp.issubdtype(leaf.dtype, jnp.floating) for i, leaf in enumerate(leaves)]
    arguments = (
        [leaf if floating else None for leaf, floating in zip(leaves, is_float, strict=True)],
        [None if floating else leaf for leaf, floating in zip(leaves, is_float, strict=True)],
    )
    return jax.jit(jax.value_and_grad(loss)).lower(*arguments).compile(), arguments


@pytest.mark.parametrize("ranking", DEVICES)
def test_the_global_loss_is_that_of_one_device(ranking: str) -> None:
    sides = draw_sides(np.float32)
    results = {}
    for exchange, numbers in DEVICES[ranking].items():
        for devices in numbers:
            program, arguments = compiled_gradient(configured(ranking, exchange), sides, devices)
            results[exchange, devices] = jax.device_get(program(*arguments))
    value, gradients = results.pop(("gather", 1))
    assert value > 0.1
    assert max(np.abs(one).max() for one in gradients if one is not None) > 1e-2
    for other_value, other_gradients in results.values():
        np.testing.assert_allclose(other_value, value, rtol=1e-6)
        for other, one in zip(other_gradients, gradients, strict=True):
            if one is not None:
                np.testing.assert_allclose(other, one, atol=1e-6, rtol=1e-6)


def collectives(program: Any) -> dict[str, set[str]]:
    """Shapes of all that passes between devices, by kind of collective."""
    found: dict[str, set[str]] = {}
    for line in program.as_text().splitlines():
        match = re.search(
            r"= (.*?) (all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)(-start)?\(", line
        )
        if match:
            shapes = re.findall(r"[a-z]+\d*\[[\d,]*\]", match[1])
            found.setdefault(match[2], set()).update(shapes)
    return found


@pytest.mark.parametrize("exchange", ["gather", "ring"])
def test_frames_stay_where_they_are(exchange: str) -> None:
    """All that passes between four devices; a collective that is not listed here is a mistake."""
    program, _ = compiled_gradient(configured("info_nce", exchange), draw_sides(np.float32), 4)
    columns = {"f32[4,4]"}
    bookkeeping = {f"s32[{PAIRS}]", f"pred[{PAIRS}]"}
    expected = {
        "gather": {
            "all-gather": {
                f"f32[{PAIRS},{SLOTS},{WIDTH}]",
                f"pred[{PAIRS},{SLOTS}]",
                f"f32[{PAIRS},{WIDTH}]",
                f"f32[{PAIRS},6]",
                *bookkeeping,
            },
            "reduce-scatter": {f"f32[4,{SLOTS},{WIDTH}]", f"f32[4,{WIDTH}]", "f32[4,6]"},
            "all-to-all": columns,
            "all-reduce": {"f32[]", f"f32[{PAIRS}]"},
        },
        "ring": {
            "collective-permute": {
                f"f32[{4 * SLOTS},{WIDTH}]",
                f"s32[{4 * SLOTS}]",
                f"f32[{4 * SLOTS}]",
                "pred[4]",
                f"f32[4,{WIDTH}]",
                "f32[4,6]",
            },
            "all-gather": bookkeeping,
            "all-to-all": columns,
            "all-reduce": {"f32[]"},
        },
    }
    assert collectives(program) == expected[exchange]
