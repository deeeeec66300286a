"""Takes our batches and parameters over into the peer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peer.encoders import Captions, TextEncoder, VideoEncoder
from benchmarks.peer.model import Pairs, ThreeLevelModel
from data_pipeline.batches.batch import PairBatch, TextBatch
from mcsan_jax.config import Config
from mcsan_jax.models.mcsan import DataShape


def make_model(config: Config, shape: DataShape, params: Mapping[str, Any]) -> ThreeLevelModel:
    """The peer with the sizes and the parameters of our network.

    Args:
        config: of our network, with the levels global, entity and action, ``temporal = "none"`` and a sentence node.
        shape: of the data.
        params: the network's parameters, as Flax keeps them.
    """
    model = config.model
    video = VideoEncoder(shape.frame_dim, model.width, model.dropout)
    text = TextEncoder(
        shape.vocabulary_size,
        shape.role_count,
        model.word_width,
        model.width,
        config.data.max_actions,
        model.dropout,
    )
    with torch.no_grad():
        _copy_video(video, params["video_encoder"])
        _copy_text(text, params["text_encoder"])
    return ThreeLevelModel(video, text, config.similarity.missing_levels == "renormalize")


def make_pairs(batch: PairBatch) -> Pairs:
    """The same videos and captions in tensors; features are taken as they are, in float32."""
    videos = batch.videos
    return Pairs(_tensor(videos.frames).float(), _tensor(videos.frame_mask), _make_captions(batch.texts))


def _make_captions(texts: TextBatch) -> Captions:
    node_mask = _tensor(texts.node_mask)
    edges = _tensor(texts.edge_mask)
    rows = torch.arange(len(edges))[:, None].expand_as(edges)[edges]
    source, target = _tensor(texts.edge_source)[edges], _tensor(texts.edge_target)[edges]
    neighbours = torch.diag_embed(node_mask)
    neighbours[rows, source, target] = True
    neighbours[rows, target, source] = True
    return Captions(
        _tensor(texts.token_ids),
        _tensor(texts.token_mask).sum(dim=1),
        _tensor(texts.node_spans),
        _tensor(texts.node_roles),
        node_mask,
        neighbours,
    )


def _copy_video(video: VideoEncoder, params: Mapping[str, Any]) -> None:
    _copy_linear(video.clip, params["global_projection"])
    _copy_linear(video.entity, params["entity"]["frame"])
    _copy_linear(video.action, params["action"]["frame"])
    _copy_linear(video.pooling.weight, params["global_pooling"])


def _copy_text(text: TextEncoder, params: Mapping[str, Any]) -> None:
    text.words.weight.copy_(_tensor(params["tokens"]["embedding"]["embedding"]))
    _copy_gru(text.gru, params["tokens"]["recurrent"])
    _copy_linear(text.pooling.weight, params["global_pooling"])
    text.roles.weight.copy_(_tensor(params["roles"]["embedding"]))
    _copy_linear(text.graph.query, params["graph_attention"]["query"])
    _copy_linear(text.graph.key, params["graph_attention"]["key"])
    _copy_linear(text.graph.output, params["graph_output"])
    text.graph.norm.weight.copy_(_tensor(params["graph_norm"]["scale"]))
    text.graph.norm.bias.copy_(_tensor(params["graph_norm"]["bias"]))


def _copy_linear(linear: nn.Linear, params: Mapping[str, Any]) -> None:
    dense = params["Dense_0"]
    linear.weight.copy_(_tensor(dense["kernel"]).T)
    if "bias" in dense:
        linear.bias.copy_(_tensor(dense["bias"]))


def _copy_gru(gru: nn.GRU, params: Mapping[str, Any]) -> None:
    """Both directions; the gates are in the same order: reset, update, new.

    PyTorch has a second bias for every gate. Ours has it for the new state alone, the only place where two differ
    from one.
    """
    size = 3 * gru.hidden_size
    kernel, bias = _tensor(params["input"]["Dense_0"]["kernel"]), _tensor(params["input"]["Dense_0"]["bias"])
    for direction, suffix in enumerate(("l0", "l0_reverse")):
        half = slice(direction * size, (direction + 1) * size)
        getattr(gru, f"weight_ih_{suffix}").copy_(kernel[:, half].T)
        getattr(gru, f"bias_ih_{suffix}").copy_(bias[half])
        getattr(gru, f"weight_hh_{suffix}").copy_(_tensor(params["recurrent"][direction]).T)
        second = getattr(gru, f"bias_hh_{suffix}")
        second.zero_()
        second[-gru.hidden_size :].copy_(_tensor(params["recurrent_bias"][direction, 0]))


def _tensor(array: Any) -> torch.Tensor:
    # A copy, since JAX gives arrays that must not be written; indices need the type that PyTorch indexes with.
    values = np.array(array)
    return torch.from_numpy(values.astype(np.int64) if values.dtype.kind == "i" else values)
