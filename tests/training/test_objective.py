import dataclasses
import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch
from data_pipeline.levels import ENTITY, FOIL_KINDS, RELATIONSHIP
from mcsan_jax.config import Config, LossConfig, SimilarityConfig, TrainConfig
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet, ScoringParameters
from mcsan_jax.scoring.multi_level import ATTRIBUTES, score
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.objective import make_objective
from tests.support.tiny_model import random_batch, tiny_config

PAIRS, WIDTH, FRAMES, SLOTS = 16, 7, 5, 3
LEVELS = (ENTITY, RELATIONSHIP)


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
    foils: Encoding
    parameters: ScoringParameters
    batch: PairBatch


def draw_sides(dtype: type) -> Sides:
    """Videos and captions of very different sizes; two captions have the same text, and two rows are padding.

    Captions have foils of all kinds, or none.
    """
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
        foils=random_batch(PAIRS, seed=1).texts,
        foil_kinds=draw.integers(-1, len(FOIL_KINDS), PAIRS).astype(np.int32),
    )
    weights = {level: np.asarray(0.1 + draw.random(), dtype) for level in ("global", *LEVELS)}
    frame_mask = np.arange(FRAMES)[None] < draw.integers(1, FRAMES + 1, PAIRS)[:, None]
    node_mask = np.arange(SLOTS)[None] < draw.integers(0, SLOTS + 1, PAIRS)[:, None]
    return Sides(
        encoding(1, frame_mask, dtype),
        encoding(2, node_mask, dtype),
        encoding(3, np.roll(node_mask, 1, axis=0), dtype),
        ScoringParameters(weights, np.asarray(0.1, dtype)),
        batch,
    )


def configured(ranking: str, exchange: str) -> Config:
    return dataclasses.replace(
        tiny_config(),
        similarity=SimilarityConfig(attribute_share=0.2, cosine_bytes=4 * FRAMES * 16),
        loss=LossConfig(ranking=ranking, foils=0.5),
        train=TrainConfig(exchange=exchange),
    )


@functools.cache
def compiled_gradient(ranking: str, exchange: str, devices: int, per_video: int = 1) -> tuple[Any, Any]:
    """The compiled loss and its terms, with the loss's gradients to all that comes out of the network; arguments."""
    sides = draw_sides(np.float32) if per_video == 1 else many_captions(per_video)[0]
    mesh = make_mesh(jax.devices()[:devices])
    objective = make_objective(configured(ranking, exchange), mesh)

    def loss(differentiable: Any, rest: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        leaves = [other if one is None else one for one, other in zip(differentiable, rest, strict=True)]
        videos, texts, foils, parameters, batch = jax.tree.unflatten(kind, leaves)
        return objective(videos, texts, parameters, batch, foils)

    split = put_batch((sides.videos, sides.texts, sides.foils), mesh)
    leaves, kind = jax.tree.flatten((*split, sides.parameters, put_batch(sides.batch, mesh)))
    learned = len(jax.tree.leaves((*split, sides.parameters)))
    is_float = [i < learned and jnp.issubdtype(leaf.dtype, jnp.floating) for i, leaf in enumerate(leaves)]
    arguments = (
        [leaf if floating else None for leaf, floating in zip(leaves, is_float, strict=True)],
        [None if floating else leaf for leaf, floating in zip(leaves, is_float, strict=True)],
    )
    return jax.jit(jax.value_and_grad(loss, has_aux=True)).lower(*arguments).compile(), arguments


def computed(*which: Any) -> tuple[float, dict[str, float], list[Any]]:
    """Loss, its terms and its gradients."""
    program, arguments = compiled_gradient(*which)
    (value, terms), gradients = jax.device_get(program(*arguments))
    return value, terms, gradients


# Programs of four devices are those of the test below.
@pytest.mark.parametrize(
    ("ranking", "exchange", "devices"),
    [
        ("info_nce", "gather", 4),
        ("info_nce", "ring", 4),
        ("triplet", "gather", 8),
        ("triplet", "ring", 4),
        *(
            pytest.param("info_nce", *rest, marks=pytest.mark.slow)
            for rest in (("gather", 2), ("gather", 8), ("ring", 1), ("ring", 2), ("ring", 8))
        ),
    ],
)
def test_the_global_loss_is_that_of_one_device(ranking: str, exchange: str, devices: int) -> None:
    value, _, gradients = computed(ranking, "gather", 1)
    assert value > 0.1
    assert max(np.abs(one).max() for one in gradients if one is not None) > 1e-2
    found, _, found_gradients = computed(ranking, exchange, devices)
    np.testing.assert_allclose(found, value, rtol=1e-6)
    for other, one in zip(found_gradients, gradients, strict=True):
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
    program, _ = compiled_gradient("info_nce", exchange, 4)
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


def many_captions(per_video: int) -> tuple[Sides, np.ndarray]:
    """The first videos with several captions each; a caption of the first video is also one of the third's."""
    sides = draw_sides(np.float32)
    count = PAIRS // per_video
    groups = np.arange(count * per_video, dtype=np.int32)
    groups[2 * per_video] = groups[0]
    head = functools.partial(jax.tree.map, lambda leaf: leaf[:count])
    own = functools.partial(jax.tree.map, lambda leaf: leaf[: count * per_video])
    batch = dataclasses.replace(
        own(sides.batch),
        videos=head(sides.batch.videos),
        texts=dataclasses.replace(own(sides.batch.texts), caption_group=groups),
        example_mask=np.arange(count) < count - 1,
    )
    owner = np.arange(count * per_video) // per_video
    positives = owner[None] == np.arange(count)[:, None]
    positives[0, 2 * per_video] = positives[2, 0] = True
    drawn = {"videos": head(sides.videos), "texts": own(sides.texts), "foils": own(sides.foils)}
    return dataclasses.replace(sides, **drawn, batch=batch), positives


def test_all_captions_of_a_video_are_relevant() -> None:
    sides, positives = many_captions(4)
    similarity = configured("info_nce", "gather").similarity
    scores = jax.jit(lambda *encoded: score(*encoded, similarity))
    fused = np.asarray(scores(sides.videos, sides.texts, sides.parameters).fused, np.float64)
    real = np.asarray(sides.batch.example_mask)
    losses = [
        info_nce_rows(scores, relevant, rows, columns, float(sides.parameters.temperature))
        for scores, relevant, rows, columns in (
            (fused, positives, real, np.repeat(real, 4)),
            (fused.T, positives.T, np.repeat(real, 4), real),
        )
    ]
    _, terms, _ = computed("info_nce", "gather", 1, 4)
    np.testing.assert_allclose(terms["ranking"], 0.5 * (np.mean(losses[0]) + np.mean(losses[1])), rtol=1e-5)


KINDS_OF_LEVELS = {
    ENTITY: {"entity", "modifier", "polarity"},
    RELATIONSHIP: {"role", "action", "entity", "modifier", "polarity", "order"},
}


def test_levels_and_attributes_are_asked_about_foils_that_concern_them() -> None:
    sides, _ = many_captions(4)
    similarity = configured("info_nce", "gather").similarity
    matrix = jax.jit(lambda *encoded: score(*encoded, similarity).components)
    true, false = (
        jax.device_get(matrix(sides.videos, one, sides.parameters)) for one in (sides.texts, sides.foils)
    )
    _, terms, _ = computed("info_nce", "gather", 1, 4)
    names = {f"foils/{component}" for component in (*LEVELS, ATTRIBUTES)}
    assert {name for name in terms if name.startswith("foils/")} == names
    losses: dict[str, list[float]] = {name: [] for name in names}
    for text, kind in enumerate(np.asarray(sides.batch.foil_kinds)):
        video = text // 4
        if kind < 0 or not sides.batch.example_mask[video]:
            continue
        there = [
            {level for level in LEVELS if one.embeddings.nodes[level].mask[text].any()}
            for one in (sides.texts, sides.foils)
        ]
        concerned = {level for level in there[0] & there[1] if FOIL_KINDS[kind] in KINDS_OF_LEVELS[level]}
        if concerned and FOIL_KINDS[kind] != "order":
            concerned.add(ATTRIBUTES)
        for one in concerned:
            behind = float(false[one][video, text]) - float(true[one][video, text])
            losses[f"foils/{one}"].append(np.log1p(np.exp(behind / float(sides.parameters.temperature))))
    for name, values in losses.items():
        assert 1 < len(values) < len(sides.batch.foil_kinds)
        np.testing.assert_allclose(terms[name], np.mean(values), rtol=1e-5)


def test_attributes_that_are_no_part_of_the_score_are_not_asked() -> None:
    config = configured("info_nce", "gather")
    config = dataclasses.replace(
        config, similarity=dataclasses.replace(config.similarity, attribute_share=0.0)
    )
    sides = draw_sides(np.float32)
    objective = make_objective(config, make_mesh(jax.devices()[:1]))
    _, terms = jax.eval_shape(
        objective, sides.videos, sides.texts, sides.parameters, sides.batch, sides.foils
    )
    assert {name for name in terms if name.startswith("foils/")} == {f"foils/{level}" for level in LEVELS}


def info_nce_rows(
    scores: np.ndarray, positives: np.ndarray, rows: np.ndarray, columns: np.ndarray, temperature: float
) -> list[float]:
    """The loss of each real query, by loops."""
    losses = []
    for i in np.flatnonzero(rows):
        z = scores[i] / temperature
        negative = sum(np.exp(z[j]) for j in np.flatnonzero(columns) if not positives[i, j])
        relevant = [np.exp(z[j]) for j in np.flatnonzero(columns) if positives[i, j]]
        losses.append(float(np.mean([-np.log(one / (one + negative)) for one in relevant])))
    return losses


def test_several_captions_give_one_loss_on_all_devices() -> None:
    one, _, one_gradient = computed("info_nce", "gather", 1, 4)
    four, _, four_gradient = computed("info_nce", "gather", 4, 4)
    np.testing.assert_allclose(four, one, rtol=1e-6)
    for other, expected in zip(four_gradient, one_gradient, strict=True):
        if expected is not None:
            np.testing.assert_allclose(other, expected, atol=1e-6, rtol=1e-5)
