"""The experiment from which another config is derived, as in `configs/ablations/no_divergence.py:msrvtt-small`."""

import ml_collections

from configs import custom, demo, msrvtt, msrvtt_1ka, msvd, vatex
from data_pipeline.errors import InputError

BASES = {
    "demo": demo,
    "msrvtt": msrvtt,
    "msrvtt_1ka": msrvtt_1ka,
    "vatex": vatex,
    "msvd": msvd,
    "custom": custom,
}


def base_config(base: str, kind: str, name: str) -> ml_collections.ConfigDict:
    """The config of an experiment, under a name of its own for each config derived from it and each size.

    Args:
        base: name of the experiment's file, with a dash and a size if it is not to have its usual one: ``demo-tiny``.
        kind, name: of the derived config, such as ``ablations`` and ``no_divergence``; its run is by default in
            ``runs/<kind>/<base>/<name>``, so that those of a sweep lie side by side.

    Raises:
        InputError: an unknown experiment or size.
    """
    experiment, dash, size = base.partition("-")
    if experiment not in BASES:
        raise InputError(
            f"configs/{kind}/{name}.py: no experiment {experiment!r}; expected one of {', '.join(BASES)}, with a size "
            "if wanted, such as demo-tiny"
        )
    config = BASES[experiment].get_config(size) if dash else BASES[experiment].get_config()
    config.name = f"{kind}/{base}/{name}"
    return config
