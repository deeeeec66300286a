"""Peers: other systems on our code, on any experiment.

`configs/peers.py:hgr:demo-tiny` is HGR on `configs/demo.py:tiny`; without an experiment it is that of
`configs/msrvtt.py:small`. Captions are read by a BiGRU over word embeddings that are learned with it, because that is
what those systems are; each peer with the ending ``_pretrained`` has the text encoder of ours instead. All that is not
named here is that of the experiment.
"""

from typing import Any

import ml_collections

from mcsan_jax.configs.derived import derived_config

# A system of one level, as they were before graphs: mean of the frames, BiGRU over learned words.
_DUAL_ENCODER: dict[str, Any] = {
    "model.levels": ("global",),
    "model.context": "bigru",
    "model.pretrained": "",
    "model.frame_pooling": "mean",
    "model.sentence_node": False,
    "similarity.learn_level_weights": False,
    "similarity.attribute_share": 0.0,
    "similarity.linear_branch": False,
    "loss.ranking": "info_nce",
    "loss.focal_weight": 0.0,
    "loss.divergence_weight": 0.0,
    "loss.foils": 0.0,
}
# HGR (Chen et al., CVPR 2020): three levels. Frames stand alone, the sentence is a node of its graph, levels weigh the
# same, a level that a caption lacks scores zero, nothing learns attributes or from foils, and nodes do not see their
# modifiers.
_HGR_NETWORK: dict[str, Any] = {
    "model.levels": ("global", "entity", "action"),
    "model.modifiers": False,
    "model.context": "bigru",
    "model.pretrained": "",
    "model.temporal": "none",
    "model.sentence_node": True,
    "model.dropout": 0.2,
    "similarity.learn_level_weights": False,
    "similarity.missing_levels": "zero",
    "similarity.attribute_share": 0.0,
    "similarity.linear_branch": False,
    "loss.focal_weight": 0.0,
    "loss.divergence_weight": 0.0,
    "loss.foils": 0.0,
}
# HGR's recipe: hardest triplets, 50 passes at 1e-4. A pass goes over the videos, with one caption of each; a pass of
# the original goes over all captions, which are 20 times as many for MSR-VTT.
_HGR_RECIPE: dict[str, Any] = {
    "loss.ranking": "triplet",
    "loss.margin": 0.2,
    "loss.hardest_negative": True,
    "optim.learning_rate": 1e-4,
    "train.batch_size": 64,
    "train.captions_per_video": 1,
    "train.epochs": 50,
}
_BIGRU_PEERS = {
    "dual_encoder": _DUAL_ENCODER,
    "hgr": {**_HGR_NETWORK, **_HGR_RECIPE},
    # Trained as long and on as many captions as ours, to be fair to it on small data: the hardest triplet starts in a
    # collapsed state there and stays in it for long.
    "hgr_info_nce": {**_HGR_NETWORK, "loss.ranking": "info_nce"},
}
PEERS = {
    **_BIGRU_PEERS,
    **{
        f"{name}_pretrained": {**fields, "model.context": "pretrained", "model.pretrained": "minilm"}
        for name, fields in _BIGRU_PEERS.items()
    },
}
"""The fields that each peer changes."""


def get_config(which: str = "") -> ml_collections.ConfigDict:
    """`PEER`, or `PEER:EXPERIMENT` with a size if wanted: ``hgr:demo-tiny``."""
    return derived_config("peers", which, "msrvtt-small", lambda _: PEERS)
