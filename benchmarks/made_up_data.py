"""Made-up data in the shapes of published data sets: batches, whole experiments, and encodings of a test set.

Batches have noise for features and captions of true lengths. Captions of MSR-VTT have 9.3 words on average with a
standard deviation of 4.2, and 1.7 action and 3.3 entity nodes of 4 and 6 slots. Numbers are drawn from distributions
with these means that do not exceed the slots. Encodings are random vectors with the node counts of the 59,800 captions
of MSR-VTT's full test split, as `python -m benchmarks parse_captions --dataset=msrvtt --annotations=raw/msrvtt
--split=test` prints them.
"""

import dataclasses
import runpy
from collections.abc import Iterator

import jax
import numpy as np

from data_pipeline.batches.batch import AnyArray, PairBatch, TextBatch, VideoBatch
from data_pipeline.errors import InputError
from data_pipeline.levels import ACTION, ENTITY, NODE_LEVELS, RELATIONSHIP
from data_pipeline.manifest import (
    FRAMES,
    AttributeFile,
    FeatureStream,
    FrameSampling,
    Manifest,
    SplitSummary,
    TokenizerFile,
)
from mcsan_jax.config import Config, DataConfig, from_config_dict
from mcsan_jax.config_files import find_config
from mcsan_jax.data_sizes import data_shape
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet
from mcsan_jax.models.mcsan import DataShape
from mcsan_jax.pretrained.bert_files import read_bert
from mcsan_jax.ranking.collection import CaptionNodes, TextCollection, VideoCollection
from mcsan_jax.scoring.normalised import NormalisedVideos, normalise_videos
from mcsan_jax.training.experiment import Experiment

WORDS, WORDS_SHAPE = 9.3, 7
"""Mean number of words, and the shape of their negative binomial distribution that gives the spread."""
ACTIONS, ENTITIES, RELATIONSHIPS, MODIFIERS = 1.7, 3.3, 2.9, 1.0
"""Mean numbers of nodes, of relationships and of modifiers."""
LABELS = 5
"""Mean number of attributes of a video or caption at a level."""

VOCABULARY, ROLES, MODIFIER_KINDS = 10_000, 16, 10
ATTRIBUTES = {ENTITY: 1000, ACTION: 500, RELATIONSHIP: 1000}

CAPTIONS_WITH = {
    ENTITY: (9, 3984, 23249, 18350, 8608, 3351, 1355, 530, 364),
    ACTION: (5501, 36630, 13596, 3009, 752, 243, 50, 13, 6),
    RELATIONSHIP: (813, 6464, 19859, 15655, 8764, 4353, 1940, 957, 995),
}
"""How many captions have no node, one node, and so on; the last number is of eight or more."""

_BATCH = 64


def make_batch(size: int, data: DataConfig, shape: DataShape, seed: int = 0) -> PairBatch:
    """A batch of `size` pairs; equal arguments give equal batches.

    Videos have all frames. Captions have between one token and all token slots, and from no node to all slots.
    """
    draw = np.random.default_rng(seed)
    frames = draw.standard_normal((size, data.max_frames, shape.frame_dim), np.float32)
    videos = VideoBatch(
        frames=frames.astype(np.float16),
        frame_mask=np.ones((size, data.max_frames), bool),
        regions=None,
        labels=_labels(draw, size, shape),
    )
    return PairBatch(videos, _make_texts(draw, size, data, shape), np.ones(size, bool))


def draw_node_masks(draw: np.random.Generator, size: int, data: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """Real action slots [size, max_actions] and entity slots [size, max_entities]; real ones come first."""
    return (
        _first(_binomial(draw, size, data.max_actions, ACTIONS), data.max_actions),
        _first(_binomial(draw, size, data.max_entities, ENTITIES), data.max_entities),
    )


def _make_texts(draw: np.random.Generator, size: int, data: DataConfig, shape: DataShape) -> TextBatch:
    more_words = draw.negative_binomial(WORDS_SHAPE, WORDS_SHAPE / (WORDS_SHAPE + WORDS - 1), size)
    lengths = np.minimum(1 + more_words, data.max_tokens)
    token_mask = _first(lengths, data.max_tokens)
    action_mask, entity_mask = draw_node_masks(draw, size, data)
    node_mask = np.concatenate([action_mask, entity_mask], axis=1)
    start = draw.integers(0, lengths[:, None], node_mask.shape)
    # A quarter of the nodes have two words.
    end = np.minimum(start + 1 + (draw.random(node_mask.shape) < 0.25), lengths[:, None])

    modifier_mask = _first(_binomial(draw, size, data.max_modifiers, MODIFIERS), data.max_modifiers)
    modifier_mask &= node_mask.any(axis=1)[:, None]
    modified = np.argmax(
        draw.random((*modifier_mask.shape, node_mask.shape[1])) * node_mask[:, None], axis=-1
    )
    modifier_start = draw.integers(0, lengths[:, None], modifier_mask.shape)
    modifier_spans = np.stack([modifier_start, modifier_start + 1], axis=-1)

    action_count, entity_count = action_mask.sum(axis=1), entity_mask.sum(axis=1)
    relationships = _binomial(draw, size, data.max_relationships, RELATIONSHIPS)
    relationships[(action_count == 0) | (entity_count == 0)] = 0
    edge_mask = _first(relationships, data.max_relationships)
    source = draw.integers(0, np.maximum(action_count, 1)[:, None], edge_mask.shape)
    target = data.max_actions + draw.integers(0, np.maximum(entity_count, 1)[:, None], edge_mask.shape)

    def ids(count: int, mask: np.ndarray) -> np.ndarray:
        return draw.integers(1, count, mask.shape).astype(np.int32) * mask

    return TextBatch(
        token_ids=ids(shape.vocabulary_size, token_mask),
        token_mask=token_mask,
        node_spans=np.stack([start, end], axis=-1).astype(np.int32) * node_mask[..., None],
        node_roles=ids(shape.role_count, node_mask),
        node_negated=np.zeros(node_mask.shape, bool),
        node_mask=node_mask,
        modifier_nodes=modified.astype(np.int32) * modifier_mask,
        modifier_kinds=ids(shape.modifier_kind_count, modifier_mask),
        modifier_spans=modifier_spans.astype(np.int32) * modifier_mask[..., None],
        modifier_mask=modifier_mask,
        edge_source=source.astype(np.int32) * edge_mask,
        edge_target=target.astype(np.int32) * edge_mask,
        edge_roles=ids(shape.role_count, edge_mask),
        edge_negated=np.zeros(edge_mask.shape, bool),
        edge_mask=edge_mask,
        labels=_labels(draw, size, shape),
        caption_group=np.arange(size, dtype=np.int32),
    )


def _binomial(draw: np.random.Generator, size: int, most: int, mean: float) -> np.ndarray:
    return draw.binomial(most, min(mean / most, 1.0), size)


def _first(counts: np.ndarray, slots: int) -> np.ndarray:
    """True in the first `counts` of the slots of each row."""
    return np.arange(slots)[None] < counts[:, None]


def _labels(draw: np.random.Generator, size: int, shape: DataShape) -> dict[str, AnyArray]:
    return {
        level: draw.random((size, count)) < LABELS / max(count, LABELS) for level, count in shape.attributes
    }


def read_config(path: str, compute_dtype: str | None = None) -> Config:
    """The experiment of a config file, with its size after a colon if wanted.

    Args:
        path: of the file, or the name of a config of the package.
        compute_dtype: of the products, in place of that in the file.

    Raises:
        InputError: there is no such file, or it has no such size.
    """
    file, _, size = find_config(path).partition(":")
    get_config = runpy.run_path(file).get("get_config")
    if get_config is None:
        raise InputError(f"{file} defines no get_config; give a config such as configs/msrvtt.py")
    config = get_config(size) if size else get_config()
    config.model.compute_dtype = compute_dtype or config.model.compute_dtype
    return from_config_dict(config)


def made_up_manifest(config: Config, videos: int, captions_per_video: int, frame_dim: int) -> Manifest:
    """Of data of this size, prepared with the tokenizer that the config asks for."""
    tokenizer = TokenizerFile("unigram", VOCABULARY, "tokenizer.model", "0" * 64)
    if config.model.pretrained:
        encoder = read_bert(config.model.pretrained)
        size, sha256 = encoder.shape.vocabulary_size, encoder.tokenizer_sha256[0]
        tokenizer = TokenizerFile("wordpiece", size, "tokenizer.json", sha256)
    zeros, ones = (0.0,) * frame_dim, (1.0,) * frame_dim
    return Manifest(
        dataset="made_up",
        protocol="full scale",
        splits={config.data.train_split: SplitSummary(videos, videos * captions_per_video, 0)},
        streams=(FeatureStream("noise", FRAMES, frame_dim, 0, zeros, ones, "made up"),),
        frames=FrameSampling("index", 0),
        tokenizer=tokenizer,
        word_vectors=None,
        roles=tuple(f"role {number}" for number in range(ROLES)),
        modifier_kinds=tuple(f"kind {number}" for number in range(MODIFIER_KINDS)),
        attributes=AttributeFile("attributes.json", "", ATTRIBUTES),
        parser={},
        records="",
        checksums={},
        versions={},
    )


def full_batch(experiment: Experiment, seed: int = 0) -> PairBatch:
    """A made-up batch of the configured size, with as many captions of each video as the config takes."""
    config, shape = experiment.config, data_shape(experiment.manifest)
    size, each = config.train.batch_size, config.train.captions_per_video
    pairs = make_batch(size, config.data, shape, seed)
    if each == 1:
        return pairs
    return dataclasses.replace(pairs, texts=make_batch(size * each, config.data, shape, seed + 1).texts)


def make_videos(count: int, frames: int, width: int, seed: int) -> VideoCollection:
    """Videos with `frames` frames each."""
    draw = np.random.default_rng(seed)
    mask = np.ones((_BATCH, frames), bool)
    normalise = jax.jit(normalise_videos)

    def batches() -> Iterator[tuple[int, NormalisedVideos]]:
        for start in range(0, count, _BATCH):
            nodes = {
                level: NodeSet(draw.standard_normal((_BATCH, frames, width), np.float32), mask)
                for level in NODE_LEVELS
            }
            pooled = draw.standard_normal((_BATCH, width), np.float32)
            yield min(_BATCH, count - start), normalise(Encoding(LevelEmbeddings(pooled, nodes), {}))

    return VideoCollection.gather(batches())


def make_texts(count: int, width: int, seed: int) -> TextCollection:
    """Captions with as many nodes as real ones."""
    draw = np.random.default_rng(seed)
    data = DataConfig()
    most = {ENTITY: data.max_entities, ACTION: data.max_actions, RELATIONSHIP: data.max_relationships}
    nodes = {}
    for level in NODE_LEVELS:
        captions = np.array(CAPTIONS_WITH[level])
        drawn = draw.choice(len(captions), count, p=captions / captions.sum())
        counts = np.minimum(drawn, most[level])
        total = int(counts.sum())
        nodes[level] = CaptionNodes(_unit_vectors(draw, total, width), counts, np.zeros(total, bool))
    return TextCollection(_unit_vectors(draw, count, width), nodes, {}, count)


def _unit_vectors(draw: np.random.Generator, count: int, width: int) -> np.ndarray:
    vectors = draw.standard_normal((count, width), np.float32)
    # Some at a time: the squares of all vectors would take as much memory again.
    for some in np.array_split(vectors, -(-count // 4096)):
        np.divide(some, np.sqrt(np.einsum("md,md->m", some, some))[:, None], out=some)
    return vectors
