"""Experiments of published sizes without their data: a config, a manifest and a batch made up for both."""

import dataclasses
import runpy
from typing import Annotated

import typer

from benchmarks.made_up_batch import make_batch
from data_pipeline.batches.batch import PairBatch
from data_pipeline.errors import InputError
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from data_pipeline.manifest import (
    FRAMES,
    AttributeFile,
    FeatureStream,
    FrameSampling,
    Manifest,
    SplitSummary,
    TokenizerFile,
)
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.config_files import find_config
from mcsan_jax.data_sizes import data_shape
from mcsan_jax.pretrained.bert_files import read_bert
from mcsan_jax.training.experiment import Experiment

VOCABULARY, ROLES, MODIFIER_KINDS = 10_000, 16, 10
ATTRIBUTES = {ENTITY: 1000, ACTION: 500, RELATIONSHIP: 1000}

ConfigFile = Annotated[
    str, typer.Argument(help="File of the experiment, with a size if wanted: configs/msrvtt.py:small.")
]
CaptionsPerVideo = Annotated[
    int, typer.Option("--captions_per_video", min=1, help="Captions of a video in the data set.")
]
FrameDim = Annotated[int, typer.Option("--frame_dim", min=1, help="Size of a frame's features.")]
Utilisation = Annotated[
    float, typer.Option(min=0.001, max=1, help="Assumed share of an accelerator's peak rate.")
]


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
