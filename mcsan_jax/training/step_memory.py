"""How much memory of a device a compiled training step needs."""

import jax

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.train_step import TrainState


def describe_memory(experiment: Experiment, state: TrainState, batch: PairBatch) -> str:
    """One line: the estimate of XLA for one device, and how much the device has where it says so.

    Compiles the step, which the first call of it then finds done.

    Args:
        experiment: whose step it is.
        state: of the training.
        batch: any one, on the devices.
    """
    needs = experiment.train_step.lower(state, batch).compile().memory_analysis()
    if needs is None:
        return "how much memory a step needs is not known on this device"
    of_state, of_batch = (
        sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(tree))
        for tree in (state, batch)
    )
    # The new state stands beside the old one, unless it takes over its memory.
    results = needs.output_size_in_bytes - needs.alias_size_in_bytes
    batches = (1 + experiment.config.data.prefetch) * of_batch
    total = of_state + batches + results + needs.temp_size_in_bytes
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return (
        f"a device needs about {_bytes(total)}: the state {_bytes(of_state)}, batches {_bytes(batches)}, "
        f"a step {_bytes(results + needs.temp_size_in_bytes)}"
        + (f"; it has {_bytes(limit)}" if limit else "")
    )


def _bytes(number: float) -> str:
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
