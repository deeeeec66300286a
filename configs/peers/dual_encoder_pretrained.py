"""Peer: the dual encoder with the pretrained text encoder, so that it differs from ours in the levels alone."""

import ml_collections

from configs.peers.dual_encoder import dual_encoder


def get_config(base: str = "msrvtt-small") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = dual_encoder(base, "dual_encoder_pretrained")
    config.model.update(context="pretrained", pretrained="minilm")
    return config
