"""Captions read by a pretrained encoder: what the recipes for MSR-VTT and VATEX share."""

import ml_collections


def read_captions_with_minilm(config: ml_collections.ConfigDict, size: str) -> None:
    """Sets a frozen MiniLM, four captions of each video in a batch, and a longer warm-up (see `docs/results.md`).

    The size ``tiny`` keeps the recurrent network, which takes any tokenizer. A ``small`` run keeps the states of all
    its captions, because on a CPU the encoder is most of a step.
    """
    config.optim.warmup_epochs = 3.0
    config.train.captions_per_video = 4
    if size == "tiny":
        return
    config.model.context = "pretrained"
    config.model.pretrained = "minilm"
    config.train.token_state_cache = size == "small"
