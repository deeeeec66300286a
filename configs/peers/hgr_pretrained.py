"""Peer: HGR's network and recipe with the pretrained text encoder of ours."""

import ml_collections

from configs.peers.hgr import hgr


def get_config(base: str = "msrvtt-small") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = hgr(base, "hgr_pretrained")
    config.model.update(context="pretrained", pretrained="minilm")
    return config
