"""Peer: HGR's network trained with InfoNCE, with the pretrained text encoder of ours."""

import ml_collections

from configs.peers.hgr_info_nce import hgr_info_nce


def get_config(base: str = "msrvtt-small") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = hgr_info_nce(base, "hgr_info_nce_pretrained")
    config.model.update(context="pretrained", pretrained="minilm")
    return config
