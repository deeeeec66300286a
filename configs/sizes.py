"""The sizes of a network that every config offers, as in `configs/msrvtt.py:small`."""

import ml_collections

from data_pipeline.errors import InputError, nearest_name

SIZES = {
    # The published systems' width; for an accelerator.
    "full": {"width": 1024, "word_width": 300},
    # For a laptop or a few CPU cores.
    "small": {"width": 256, "word_width": 300},
    # For a quick look that everything runs.
    "tiny": {"width": 16, "word_width": 16},
}


def set_size(config: ml_collections.ConfigDict, size: str, others: tuple[str, ...] = ()) -> None:
    """Sets the network's widths and appends the size to the config's name (``full`` appends nothing).

    Args:
        config: the config.
        size: one of `SIZES`.
        others: further sizes that the config offers, for the message.

    Raises:
        InputError: a size that is not in `SIZES`.
    """
    if size not in SIZES:
        known = (*others, *SIZES)
        raise InputError(
            f"size {size!r} of config {config.name!r} is unknown; {nearest_name(size, known)}expected one of "
            f"{', '.join(known)}"
        )
    config.model.update(SIZES[size])
    if size != "full":
        config.name = f"{config.name}_{size}"
