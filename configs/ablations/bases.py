"""The experiment that an ablation changes, as in `configs/ablations/no_divergence.py:msrvtt-small`."""

import ml_collections

from configs import custom, demo, msrvtt, msrvtt_1ka, msvd, vatex
from mcsan_jax.errors import InputError

BASES = {
    "demo": demo,
    "msrvtt": msrvtt,
    "msrvtt_1ka": msrvtt_1ka,
    "vatex": vatex,
    "msvd": msvd,
    "custom": custom,
}


def base_config(base: str, ablation: str) -> ml_collections.ConfigDict:
    """The config of an experiment, under a name of its own for each ablation and size.

    Args:
        base: name of the experiment's file, with a dash and a size if it is not to have its usual one: ``demo-tiny``.
        ablation: what is changed; the runs of a sweep lie side by side in ``runs/ablations/<base>/<ablation>``.

    Raises:
        InputError: an unknown experiment or size.
    """
    name, dash, size = base.partition("-")
    if name not in BASES:
        raise InputError(
            f"ablation {ablation!r}: no experiment {name!r}; expected one of {', '.join(BASES)}, with a size if "
            "wanted, such as demo-tiny"
        )
    config = BASES[name].get_config(size) if dash else BASES[name].get_config()
    config.name = f"ablations/{base}/{ablation}"
    return config
